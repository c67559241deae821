//! Images as rasters. A cell holds the bytes of an image file (PNG, JPEG, BMP, GIF, WebP, TIFF), bare
//! or beside a path in a struct; what comes out is eight bits per channel, grey or colour.
//!
//! The border: this is the only place that knows of image formats. Every byte is attacker-controlled:
//! dimensions are read before anything of their size is allocated, decoders run within limits, and a
//! panic inside one is an answer about the image. Nothing here knows of labels or verdicts.

pub mod bands;
pub mod likeness;
pub mod origin;
pub mod patch;
mod reading;
pub mod residual;
pub mod shape;
pub mod views;

pub use reading::{Images, for_each};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use serde::{Deserialize, Serialize};
use std::io::Cursor;

/// Pixels of an image that is looked at; 48 MB decoded. What is larger is said, not decoded.
const MAX_PIXELS: u64 = 1 << 24;
/// What a decoder may allocate besides its output's size.
const MAX_ALLOC: u64 = 256 << 20;

/// A decoded image, row by row from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    pub width: usize,
    pub height: usize,
    /// 0xRRGGBB; grey has three equal bytes, so that the same picture is the same in both.
    pub pixels: Vec<u32>,
    /// More than one frame was there; the first is looked at.
    pub animated: bool,
}

/// Why a cell gives no raster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Broken {
    /// No bytes at all.
    Empty,
    /// No format that is known begins like this; what it looks like instead, when it can be told.
    NotAnImage,
    /// The file ends before the image does.
    Truncated,
    /// Width and height that the header promises.
    TooLarge(u32, u32),
    /// The decoder gave up.
    Damaged(String),
}

impl Broken {
    /// What images that fail alike share: the name of their group.
    pub fn kind(&self) -> &'static str {
        match self {
            Broken::Empty => "empty",
            Broken::NotAnImage => "not an image",
            Broken::Truncated => "truncated",
            Broken::TooLarge(..) => "dimensions beyond the limit",
            Broken::Damaged(_) => "damaged",
        }
    }
    pub fn message(&self) -> String {
        match self {
            Broken::Empty => "the image has no bytes".into(),
            Broken::NotAnImage => "the bytes are no PNG, JPEG, BMP, GIF, WebP or TIFF".into(),
            Broken::Truncated => "the file ends before the image does".into(),
            Broken::TooLarge(w, h) => format!("the header promises {w} x {h} pixels; images are decoded up to {MAX_PIXELS} pixels"),
            Broken::Damaged(why) => format!("the image does not decode: {why}"),
        }
    }
}

impl Raster {
    pub fn at(&self, x: usize, y: usize) -> u32 {
        self.pixels[y * self.width + x]
    }

    /// A hash of size and pixels: what the image shows, however it is stored.
    pub fn content(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::with_seed((self.width as u64) << 32 | self.height as u64);
        let mut buffer = [0u8; 1024];
        for chunk in self.pixels.chunks(256) {
            for (to, p) in buffer.chunks_exact_mut(4).zip(chunk) {
                to.copy_from_slice(&p.to_le_bytes());
            }
            hash.update(&buffer[..4 * chunk.len()]);
        }
        hash.digest()
    }

    /// Brightness on a grid of `width` x `height`: the mean over the area of each cell, in sixteenths
    /// of a grey level. Integers throughout, so that every machine computes the same grid.
    pub fn grey(&self, width: usize, height: usize) -> Vec<u16> {
        let (w, h) = (self.width, self.height);
        let mut out = vec![0u16; width * height];
        if w == 0 || h == 0 {
            return out;
        }
        if (w, h) == (width, height) {
            for (to, &p) in out.iter_mut().zip(&self.pixels) {
                *to = luma(p);
            }
            return out;
        }
        // The area of cell i covers i*w .. (i+1)*w in units of 1/width pixel.
        let spans = |n: usize, cells: usize| -> Vec<Vec<(usize, u64)>> {
            (0..cells)
                .map(|c| {
                    let (from, to) = (c * n, (c + 1) * n);
                    (from / cells..to.div_ceil(cells)).map(|p| (p, (((p + 1) * cells).min(to) - (p * cells).max(from)) as u64)).collect()
                })
                .collect()
        };
        let (columns, rows) = (spans(w, width), spans(h, height));
        let area = (w * h) as u64;
        for (cy, row) in rows.iter().enumerate() {
            for (cx, column) in columns.iter().enumerate() {
                let mut sum = 0u64;
                for &(y, high) in row {
                    for &(x, wide) in column {
                        sum += u64::from(luma(self.at(x, y))) * high * wide;
                    }
                }
                out[cy * width + cx] = ((sum + area / 2) / area) as u16;
            }
        }
        out
    }
}

/// Rec. 601 brightness in sixteenths of a grey level, 0 to 4080.
fn luma(p: u32) -> u16 {
    let (r, g, b) = (p >> 16 & 255, p >> 8 & 255, p & 255);
    ((77 * r + 150 * g + 29 * b + 8) >> 4) as u16
}

/// The image that these bytes hold.
///
/// # Errors
/// [`Broken`] says why there is none.
pub fn decode(bytes: &[u8]) -> Result<Raster, Broken> {
    if bytes.is_empty() {
        return Err(Broken::Empty);
    }
    crate::source::quietly(|| decode_unguarded(bytes)).unwrap_or_else(|panic| Err(Broken::Damaged(panic)))
}

fn decode_unguarded(bytes: &[u8]) -> Result<Raster, Broken> {
    let format = image::guess_format(bytes).map_err(|_| Broken::NotAnImage)?;
    let known =
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Tiff].contains(&format);
    if !known {
        return Err(Broken::NotAnImage);
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Broken::TooLarge(width, height));
    }
    if width == 0 || height == 0 {
        return Err(Broken::Damaged("no pixels".into()));
    }
    let picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    // This decoder fills what is missing with grey instead of saying so.
    if format == ImageFormat::Jpeg && !bytes.windows(2).rev().take(1 << 16).any(|w| w == [0xff, 0xd9]) {
        return Err(Broken::Truncated);
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = if picture.color().has_color() {
        picture.to_rgb8().pixels().map(|p| u32::from(p.0[0]) << 16 | u32::from(p.0[1]) << 8 | u32::from(p.0[2])).collect()
    } else {
        picture.to_luma8().pixels().map(|p| u32::from(p.0[0]) * 0x01_0101).collect()
    };
    Ok(Raster { width, height, pixels, animated: format == ImageFormat::Gif && frames(bytes) > 1 })
}

/// Frames of a GIF, counted up to two by its image separators; good enough for a remark.
fn frames(gif: &[u8]) -> usize {
    // A graphic control extension begins every frame of an animation: 21 F9 04.
    gif.windows(3).filter(|w| *w == [0x21, 0xf9, 0x04]).take(2).count()
}

fn broken(e: image::ImageError) -> Broken {
    if let image::ImageError::IoError(io) = &e
        && io.kind() == std::io::ErrorKind::UnexpectedEof
    {
        return Broken::Truncated;
    }
    let text: String = e.to_string().chars().filter(|c| !c.is_control()).take(160).collect();
    let cut = ["unexpected end", "eof", "end of file", "ended before", "exhausted", "not enough"];
    if cut.iter().any(|c| text.to_ascii_lowercase().contains(c)) { Broken::Truncated } else { Broken::Damaged(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ColorType, ExtendedColorType, GrayAlphaImage, GrayImage, ImageEncoder, Luma, LumaA, Rgb, RgbImage};

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }
    fn colours() -> RgbImage {
        RgbImage::from_fn(9, 7, |x, y| Rgb([(x * 20) as u8, (y * 30) as u8, 200]))
    }

    #[test]
    fn lossless_formats_give_the_same_raster() {
        let picture = DynamicImage::ImageRgb8(colours());
        let png = decode(&encoded(&picture, ImageFormat::Png)).unwrap();
        assert_eq!((png.width, png.height, png.at(3, 2)), (9, 7, 0x3c_3cc8));
        for format in [ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
            assert_eq!(decode(&encoded(&picture, format)).unwrap(), png, "{format:?}");
        }
    }

    #[test]
    fn jpeg_and_gif_give_a_raster_of_that_size() {
        let picture = DynamicImage::ImageRgb8(colours());
        for format in [ImageFormat::Jpeg, ImageFormat::Gif] {
            let r = decode(&encoded(&picture, format)).unwrap();
            assert_eq!((r.width, r.height, r.animated), (9, 7, false), "{format:?}");
        }
    }

    #[test]
    fn grey_alpha_and_deep_grey_are_grey() {
        let alpha = GrayAlphaImage::from_pixel(2, 3, LumaA([90, 0]));
        assert_eq!(decode(&encoded(&DynamicImage::ImageLumaA8(alpha), ImageFormat::Png)).unwrap().pixels, [0x5a_5a5a; 6]);
        let deep = image::ImageBuffer::from_pixel(1, 1, Luma([0x5a5au16]));
        let r = decode(&encoded(&DynamicImage::ImageLuma16(deep), ImageFormat::Png)).unwrap();
        assert_eq!((r.width, r.height, r.pixels), (1, 1, vec![0x5a_5a5a]));
    }

    #[test]
    fn every_cut_of_every_format_is_an_answer() {
        let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(40, 30, |x, y| Rgb([(x * y) as u8, ((x * 7) ^ y) as u8, y as u8])));
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Tiff] {
            let whole = encoded(&picture, format);
            for cut in (0..whole.len()).step_by(whole.len() / 60 + 1) {
                if let Ok(r) = decode(&whole[..cut]) {
                    assert_eq!((r.width, r.height), (40, 30), "{format:?} cut at {cut}");
                }
            }
            let half = decode(&whole[..whole.len() / 2]);
            assert!(matches!(half, Err(Broken::Truncated | Broken::Damaged(_))), "{format:?}: {half:?}");
        }
    }

    #[test]
    fn flipped_bytes_never_panic() {
        let picture = DynamicImage::ImageRgb8(colours());
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Tiff] {
            let whole = encoded(&picture, format);
            for at in (0..whole.len()).step_by(whole.len() / 120 + 1) {
                let mut bytes = whole.clone();
                bytes[at] ^= 0xff;
                let _ = decode(&bytes);
            }
        }
    }

    #[test]
    fn what_is_no_image_says_so() {
        assert_eq!(decode(b""), Err(Broken::Empty));
        assert_eq!(decode(b"<!doctype html><p>404"), Err(Broken::NotAnImage));
        assert_eq!(decode(&[0u8; 40]), Err(Broken::NotAnImage));
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        // A PNG whose header promises 60,000 x 60,000 pixels.
        let mut bytes = Vec::new();
        image::codecs::png::PngEncoder::new(&mut bytes).write_image(&[0; 3], 1, 1, ExtendedColorType::Rgb8).unwrap();
        bytes[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        let crc = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        let refused = decode(&bytes);
        assert!(matches!(refused, Err(Broken::TooLarge(60_000, 60_000) | Broken::Damaged(_))), "{refused:?}");
        assert_eq!(ColorType::Rgb8.bytes_per_pixel(), 3);
    }

    /// The checksum of a PNG chunk, bit by bit.
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |c, b| (0..8).fold(c ^ u32::from(*b), |c, _| (c >> 1) ^ (0xedb8_8320 & (c & 1).wrapping_neg())))
    }

    #[test]
    fn a_grid_keeps_the_mean_and_the_place() {
        let r = decode(&encoded(
            &DynamicImage::ImageLuma8(GrayImage::from_fn(6, 4, |x, _| Luma([if x < 3 { 0 } else { 240 }]))),
            ImageFormat::Png,
        ))
        .unwrap();
        let grid = r.grey(2, 1);
        assert_eq!(grid, [0, 3840]);
        // Five cells over six columns: the middle one lies half in the dark.
        assert_eq!(r.grey(5, 1), [0, 0, 1920, 3840, 3840]);
        assert_eq!(r.grey(6, 4)[4], 3840);
        // A smaller image is spread out, without inventing values.
        assert_eq!(r.grey(12, 4)[..7], [0, 0, 0, 0, 0, 0, 3840]);
    }

    #[test]
    fn the_same_picture_has_the_same_content_in_grey_and_colour() {
        let grey = GrayImage::from_fn(5, 5, |x, y| Luma([(x * y * 9) as u8]));
        let a = decode(&encoded(&DynamicImage::ImageLuma8(grey.clone()), ImageFormat::Png)).unwrap();
        let b = decode(&encoded(&DynamicImage::ImageRgb8(DynamicImage::ImageLuma8(grey).to_rgb8()), ImageFormat::Bmp)).unwrap();
        assert_eq!(a.content(), b.content());
        let turned = Raster { width: 1, height: 25, ..a.clone() };
        assert_ne!(a.content(), turned.content());
    }
}
