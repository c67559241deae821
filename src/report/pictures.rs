//! Pictures of recovered triggers, as small PNG files beside the report, so that a person sees what the images
//! share. They appear with the report and go with it: those of an earlier run are cleared away.

use crate::error::{Error, Result};
use crate::quarantine::{AtomicFile, Pending, io_error};
use crate::rule::Picture;
use image::ImageEncoder;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Below the folder of results.
pub const FOLDER: &str = "triggers";
/// A trigger of a few pixels is enlarged until its longer side has about so many.
const SIDE: u32 = 160;
/// Pictures of one run: more groups than anybody looks at.
const MOST: usize = 100;

/// Pictures under their temporary names.
#[derive(Default)]
pub struct Pictures {
    folder: PathBuf,
    pending: Vec<Pending>,
    /// Rule and group to the path, relative to the folder of results.
    pub paths: BTreeMap<(String, String), String>,
}

/// The picture in whole multiples of its pixels, eight bits of red, green, blue and opacity.
fn png(picture: &Picture) -> Result<Vec<u8>> {
    let scale = (SIDE / picture.width.max(picture.height).max(1)).max(1);
    let (width, height) = (picture.width * scale, picture.height * scale);
    let mut bytes = Vec::with_capacity((width * height * 4) as usize);
    for y in 0..height {
        for x in 0..width {
            let at = (y / scale * picture.width + x / scale) as usize;
            let p = picture.pixels.get(at).copied().unwrap_or(0);
            bytes.extend([(p >> 16) as u8, (p >> 8) as u8, p as u8, (p >> 24) as u8]);
        }
    }
    let mut out = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut out);
    encoder.write_image(&bytes, width, height, image::ExtendedColorType::Rgba8).map_err(Error::internal)?;
    Ok(out)
}

impl Pictures {
    /// Writes them below `out`, each named after its rule and counted from 1.
    ///
    /// # Errors
    /// A resource error when the folder cannot be written to or the disk is full.
    pub fn write(out: &Path, pictures: &[(&str, &[Picture])]) -> Result<Pictures> {
        let mut all = Pictures { folder: out.join(FOLDER), ..Pictures::default() };
        for (code, of_rule) in pictures {
            for (n, picture) in of_rule.iter().enumerate() {
                if all.pending.len() == MOST || picture.width == 0 || picture.height == 0 {
                    continue;
                }
                let name = format!("{code}-{}.png", n + 1);
                let path = all.folder.join(&name);
                let mut file = AtomicFile::create(&path, false)?;
                file.write_all(&png(picture)?).map_err(|e| io_error(&format!("writing {}", path.display()), &e))?;
                all.pending.push(file.finish("png", 0)?);
                all.paths.insert(((*code).to_owned(), picture.group.clone()), format!("{FOLDER}/{name}"));
            }
        }
        Ok(all)
    }

    /// Clears away what an earlier run left and gives the new ones their names.
    ///
    /// # Errors
    /// A resource error when a file cannot be renamed.
    pub fn commit(self) -> Result<()> {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(|n| n.starts_with('P') && n.ends_with(".png"));
            if ours {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        self.pending.into_iter().try_for_each(|p| p.commit().map(drop))?;
        // Only an empty folder can be removed like this.
        let _ = std::fs::remove_dir(&self.folder);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(group: &str, pixels: &[u32]) -> Picture {
        Picture { group: group.into(), width: pixels.len() as u32, height: 1, pixels: pixels.to_vec() }
    }

    #[test]
    fn a_picture_is_enlarged_and_keeps_its_colours_and_what_is_open() {
        let bytes = png(&picture("g", &[0xff12_3456, 0])).unwrap();
        let read = image::load_from_memory(&bytes).unwrap().to_rgba8();
        assert_eq!((read.width(), read.height()), (160, 80));
        assert_eq!(read.get_pixel(79, 79).0, [0x12, 0x34, 0x56, 0xff]);
        assert_eq!(read.get_pixel(80, 0).0[3], 0);
    }

    #[test]
    fn pictures_of_an_earlier_run_do_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let write = |pictures: &[Picture]| {
            let written = Pictures::write(folder.path(), &[("P170", pictures)]).unwrap();
            let paths: Vec<String> = written.paths.values().cloned().collect();
            written.commit().unwrap();
            paths
        };
        assert_eq!(write(&[picture("a", &[1]), picture("b", &[2])]), ["triggers/P170-1.png", "triggers/P170-2.png"]);
        assert_eq!(write(&[picture("c", &[3])]), ["triggers/P170-1.png"]);
        assert_eq!(std::fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 1);
        assert!(write(&[]).is_empty() && !folder.path().join(FOLDER).exists());
    }

    #[test]
    fn without_a_commit_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        drop(Pictures::write(folder.path(), &[("P170", &[picture("a", &[1])])]).unwrap());
        assert_eq!(std::fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 0);
    }
}
