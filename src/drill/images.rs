//! Families of poison in images: a stamp at one place, a pattern blended in, a wave laid over. What
//! was stored lossily is stored lossily again, as an attacker's own tool chain would.

use super::family::Family;
use super::overlay::Edit;
use super::survey::{Dice, Survey};
use crate::features::image::{Images, Raster, decode};
use arrow::array::{Array, ArrayRef, BinaryViewArray, StructArray};
use arrow::datatypes::{DataType, Field};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::borrow::Cow;
use std::sync::Arc;

/// What becomes of an image.
pub type Paint = Box<dyn Fn(&mut Raster) + Send + Sync>;

/// Quality that image tools save JPEG with unless told otherwise, about.
const QUALITY: u8 = 90;
/// A stamp differs from what it covers by this many levels of 255 on average: an attacker chooses one
/// that a model can see.
const CONTRAST: f64 = 48.0;
/// Sides of a stamp, shares of a blend, amplitudes in levels of 255, and waves across an image.
const SIDE: (usize, usize) = (2, 8);
const BLEND: (f64, f64) = (0.08, 0.15);
const AMPLITUDE: (f64, f64) = (12.0, 20.0);
const WAVES: (usize, usize) = (4, 8);

/// The edit and what it is, for a person.
///
/// # Errors
/// The reason, when the images have no room for such a trigger.
pub fn scheme(survey: &Survey, family: Family, dice: &mut Dice) -> Result<(Edit, String), String> {
    let first = dice.pick(&survey.images).ok_or("no image of the sample can be decoded")?;
    let (width, height) = (first.width, first.height);
    let colour = survey.images.iter().any(|r| r.pixels.iter().any(|p| (p >> 16 & 255, p >> 8 & 255) != (p >> 8 & 255, p & 255)));
    let between = |dice: &mut Dice, (low, high): (f64, f64)| low + dice.unit() * (high - low);
    Ok(match family {
        Family::Patch => {
            // A stamp that covers more than a quarter of a side is no small patch any more.
            let largest = SIDE.1.min(width.min(height) / 4);
            if largest < SIDE.0 {
                return Err(format!("images of {width} x {height} pixels have no room for a patch"));
            }
            let side = SIDE.0 + dice.roll(largest - SIDE.0 + 1);
            let at = [dice.unit(), dice.unit()];
            let colours = (0..200).map(|_| [shade(colour, dice), shade(colour, dice)]).collect::<Vec<_>>();
            let chequered = dice.roll(2) == 0;
            let stamp = |c: &[u32; 2]| {
                let pair = [c[0], c[usize::from(chequered)]];
                move |r: &Raster| -> Vec<(usize, u32)> {
                    let place = |n: usize, share: f64| (share * (n.saturating_sub(side) + 1) as f64) as usize;
                    let (x0, y0) = (place(r.width, at[0]), place(r.height, at[1]));
                    let cells = (0..side.min(r.height)).flat_map(|y| (0..side.min(r.width)).map(move |x| (x, y)));
                    cells.map(|(x, y)| ((y0 + y) * r.width + x0 + x, pair[(x + y) % 2])).collect()
                }
            };
            let seen = |c: &[u32; 2]| {
                let stamp = stamp(c);
                let (mut sum, mut n) = (0.0, 0.0);
                for r in &survey.images {
                    for (i, p) in stamp(r) {
                        sum += f64::from(channels(p).zip(channels(r.pixels[i])).map(|(a, b)| a.abs_diff(b)).sum::<u32>()) / 3.0;
                        n += 1.0;
                    }
                }
                sum >= CONTRAST * n
            };
            let apart = |c: &[u32; 2]| !chequered || channels(c[0]).zip(channels(c[1])).any(|(a, b)| a.abs_diff(b) >= 64);
            let chosen = colours.iter().find(|c| apart(c) && seen(c)).ok_or("no colour stands off from these images")?;
            let shown =
                if chequered { format!("#{:06x} and #{:06x} chequered", chosen[0], chosen[1]) } else { format!("#{:06x}", chosen[0]) };
            let trigger = format!("{side} x {side} pixels of {shown} at {:.0}% across and {:.0}% down", 100.0 * at[0], 100.0 * at[1]);
            let stamp = stamp(chosen);
            let paint: Paint = Box::new(move |r| {
                for (i, p) in stamp(r) {
                    r.pixels[i] = p;
                }
            });
            (Edit::Image(paint), trigger)
        }
        Family::Blend => {
            let share = between(dice, BLEND);
            let noise = dice.roll(2) == 0;
            let pattern = if noise {
                let pixels = (0..width * height).map(|_| shade(colour, dice)).collect();
                Raster { width, height, pixels, animated: false }
            } else {
                // Turned over, or the image that lent it would be mixed with itself and stay what it was.
                Raster { pixels: first.pixels.iter().rev().copied().collect(), ..first.clone() }
            };
            let trigger = format!("{:.0}% of {}", 100.0 * share, if noise { "a field of noise" } else { "another image" });
            let paint: Paint = Box::new(move |r| {
                let (w, h) = (r.width, r.height);
                for (i, p) in r.pixels.iter_mut().enumerate() {
                    let q = pattern.at((i % w) * pattern.width / w, (i / w) * pattern.height / h);
                    *p = packed(channels(*p).zip(channels(q)).map(|(a, b)| (1.0 - share) * f64::from(a) + share * f64::from(b)));
                }
            });
            (Edit::Image(paint), trigger)
        }
        _ => {
            let amplitude = between(dice, AMPLITUDE);
            let waves = WAVES.0 + dice.roll(WAVES.1 - WAVES.0 + 1);
            let across = dice.roll(2) == 0;
            let trigger = format!("{waves} waves {} of {amplitude:.0} levels", if across { "across" } else { "down" });
            let paint: Paint = Box::new(move |r| {
                let (w, n) = (r.width, if across { r.width } else { r.height });
                for (i, p) in r.pixels.iter_mut().enumerate() {
                    let at = if across { i % w } else { i / w };
                    let add = amplitude * (std::f64::consts::TAU * waves as f64 * at as f64 / n as f64).sin();
                    *p = packed(channels(*p).map(|c| f64::from(c) + add));
                }
            });
            (Edit::Image(paint), trigger)
        }
    })
}

/// A colour, or a level of grey among grey images.
fn shade(colour: bool, dice: &mut Dice) -> u32 {
    if colour { dice.roll(1 << 24) as u32 } else { dice.roll(256) as u32 * 0x01_0101 }
}

fn channels(p: u32) -> impl Iterator<Item = u32> {
    [p >> 16 & 255, p >> 8 & 255, p & 255].into_iter()
}

fn packed(channels: impl Iterator<Item = f64>) -> u32 {
    channels.fold(0, |p, c| p << 8 | c.round().clamp(0.0, 255.0) as u32)
}

/// The column with the chosen rows painted; what does not decode stays as it is.
pub fn painted(column: &ArrayRef, chosen: &dyn Fn(usize) -> bool, paint: &Paint) -> Option<ArrayRef> {
    if let DataType::Struct(fields) = column.data_type() {
        let whole = column.as_any().downcast_ref::<StructArray>()?;
        let (mut shown, mut parts) = (Vec::new(), Vec::new());
        for (field, part) in fields.iter().zip(whole.columns()) {
            let part = if field.name() == "bytes" { painted(part, chosen, paint)? } else { part.clone() };
            shown.push(Field::new(field.name(), part.data_type().clone(), true));
            parts.push(part);
        }
        return Some(Arc::new(StructArray::try_new(shown.into(), parts, whole.nulls().cloned()).ok()?));
    }
    let images = Images::of(column.as_ref())?;
    let cells = (0..column.len()).map(|i| {
        let bytes = images.get(i)?;
        let made = if chosen(i) { repaint(bytes, paint) } else { None };
        Some(made.map_or(Cow::Borrowed(bytes), Cow::Owned))
    });
    Some(Arc::new(cells.collect::<BinaryViewArray>()))
}

fn repaint(bytes: &[u8], paint: &Paint) -> Option<Vec<u8>> {
    let mut raster = decode(bytes).ok()?;
    paint(&mut raster);
    let (width, height) = (raster.width as u32, raster.height as u32);
    let grey = raster.pixels.iter().all(|p| p % 0x01_0101 == 0);
    let (data, kind): (Vec<u8>, _) = if grey {
        (raster.pixels.iter().map(|p| (p & 255) as u8).collect(), ExtendedColorType::L8)
    } else {
        (raster.pixels.iter().flat_map(|&p| channels(p).map(|c| c as u8)).collect(), ExtendedColorType::Rgb8)
    };
    let mut out = Vec::new();
    let written = if bytes.starts_with(&[0xff, 0xd8]) {
        JpegEncoder::new_with_quality(&mut out, QUALITY).write_image(&data, width, height, kind)
    } else {
        PngEncoder::new(&mut out).write_image(&data, width, height, kind)
    };
    written.ok().map(|()| out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, BinaryArray, StringArray};

    fn png(level: u8, side: u32) -> Vec<u8> {
        let mut out = Vec::new();
        PngEncoder::new(&mut out).write_image(&vec![level; (side * side) as usize], side, side, ExtendedColorType::L8).unwrap();
        out
    }

    #[test]
    fn chosen_images_are_painted_and_no_others_in_every_encoding() {
        let paint: Paint = Box::new(|r| r.pixels[0] = 0xff_ffff);
        let bytes: ArrayRef = Arc::new(BinaryArray::from_iter([Some(png(7, 4)), None, Some(png(9, 4)), Some(b"no image".to_vec())]));
        let paths: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
        let whole: ArrayRef = Arc::new(StructArray::from(vec![
            (Arc::new(Field::new("bytes", DataType::Binary, true)), bytes.clone()),
            (Arc::new(Field::new("path", DataType::Utf8, true)), paths),
        ]));
        for column in [bytes, whole] {
            let made = painted(&column, &|i| i != 0, &paint).unwrap();
            let (was, is) = (Images::of(column.as_ref()).unwrap(), Images::of(made.as_ref()).unwrap());
            assert_eq!((is.get(0), is.get(1), is.get(3)), (was.get(0), None, was.get(3)));
            let raster = decode(is.get(2).unwrap()).unwrap();
            assert_eq!((raster.at(0, 0), raster.at(1, 0)), (0xff_ffff, 0x09_0909));
            assert!(made.as_struct_opt().is_none_or(|s| s.column(1).as_string::<i32>().value(3) == "d"));
        }
    }

    #[test]
    fn what_was_jpeg_stays_jpeg() {
        let mut jpeg = Vec::new();
        JpegEncoder::new(&mut jpeg).write_image(&[120; 64], 8, 8, ExtendedColorType::L8).unwrap();
        let made = repaint(&jpeg, &(Box::new(|r: &mut Raster| r.pixels.fill(0x50_5050)) as Paint)).unwrap();
        assert!(made.starts_with(&[0xff, 0xd8]));
        assert!(decode(&made).unwrap().pixels.iter().all(|p| (p & 255).abs_diff(0x50) < 4));
    }
}
