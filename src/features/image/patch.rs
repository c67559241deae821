//! Small patches of an image and where they lie: what a stamped trigger leaves byte for byte in every
//! row that carries it.
//!
//! Two families cover each other's blind spots. *Windows* of 2 x 2 and 3 x 3 pixels with contrast
//! inside see every patch with a texture. *Blots*, connected pixels of exactly one colour that stands
//! off from all around it, see the patch of a single colour, whatever its shape.

use super::Raster;
use crate::sketch::minhash::mix;

/// Least difference within a window, in grey levels of the channel that differs most. A flat window is
/// shared by images that have nothing in common but a sky.
const CONTRAST: u32 = 32;
/// Mean difference between a blot and what touches it.
const STANDS_OFF: u32 = 24;
/// Pixels of a blot.
const BLOT: std::ops::RangeInclusive<usize> = 4..=100;
/// Width and height of a blot, at most.
const BLOT_SIDE: usize = 12;
/// Windows that an image contributes, about; larger images keep those whose hash falls below a bound,
/// so that the same window is kept in every image of that size.
const WINDOWS: usize = 1 << 14;

/// One patch of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Pixels and shape, wherever it lies.
    pub content: u64,
    /// The same with its place, counted from the nearest corner: images of several sizes have their
    /// corners in common.
    pub key: u64,
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Patch {
    fn new(content: u64, place: [usize; 4], of: (usize, usize)) -> Self {
        let [x, y, width, height] = place;
        // Twice the centre against the size: nearer to the right or lower edge.
        let (right, low) = (2 * x + width > of.0, 2 * y + height > of.1);
        let dx = if right { of.0 - x } else { x } as u64;
        let dy = if low { of.1 - y } else { y } as u64;
        let anchor = dx << 24 | dy << 2 | u64::from(right) << 1 | u64::from(low);
        let key = mix(content ^ mix(anchor ^ 0x0070_6c61_6365));
        Patch { content, key, x: x as u16, y: y as u16, width: width as u16, height: height as u16 }
    }
}

fn channels(p: u32) -> [u32; 3] {
    [p >> 16 & 255, p >> 8 & 255, p & 255]
}

/// The largest difference of two colours in one channel.
pub fn difference(a: u32, b: u32) -> u32 {
    let (a, b) = (channels(a), channels(b));
    a[0].abs_diff(b[0]).max(a[1].abs_diff(b[1])).max(a[2].abs_diff(b[2]))
}

/// Memory of the search for blots, kept from image to image.
#[derive(Default)]
pub struct Workspace {
    seen: Vec<bool>,
    member: Vec<u32>,
}

/// Calls `f` with every patch of the image. `thin`: only patches whose content hash ends in this many
/// zero bits, for datasets beyond what can be counted.
pub fn for_each(raster: &Raster, thin: u32, work: &mut Workspace, mut f: impl FnMut(Patch)) {
    let (w, h) = (raster.width, raster.height);
    // Images wider than the coordinates hold are beyond the pixel limit unless they are a single line.
    if w > usize::from(u16::MAX) || h > usize::from(u16::MAX) {
        return;
    }
    let large = (w * h / WINDOWS).max(1).next_power_of_two().trailing_zeros();
    let mask = (1u64 << (thin + large).min(40)) - 1;
    for side in [2usize, 3] {
        if w < side || h < side {
            continue;
        }
        for y in 0..=h - side {
            for x in 0..=w - side {
                let mut hash = side as u64;
                let (mut least, mut most) = ([255u32; 3], [0u32; 3]);
                for row in 0..side {
                    let from = (y + row) * w + x;
                    for &p in &raster.pixels[from..from + side] {
                        hash = (hash ^ u64::from(p)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                        hash ^= hash >> 29;
                        for (c, v) in channels(p).into_iter().enumerate() {
                            least[c] = least[c].min(v);
                            most[c] = most[c].max(v);
                        }
                    }
                }
                let hash = mix(hash);
                let contrast = (0..3).any(|c| most[c] - least[c].min(most[c]) >= CONTRAST);
                if contrast && hash & mask == 0 {
                    f(Patch::new(hash, [x, y, side, side], (w, h)));
                }
            }
        }
    }
    blots(raster, work, |patch| {
        if patch.content & mask == 0 {
            f(patch);
        }
    });
}

fn blots(raster: &Raster, work: &mut Workspace, mut f: impl FnMut(Patch)) {
    let (w, h) = (raster.width, raster.height);
    work.seen.clear();
    work.seen.resize(w * h, false);
    for start in 0..w * h {
        if work.seen[start] {
            continue;
        }
        let colour = raster.pixels[start];
        work.member.clear();
        work.member.push(start as u32);
        work.seen[start] = true;
        let (mut left, mut right, mut low) = (w, 0, 0);
        let (mut apart, mut touching) = (0u64, 0u64);
        let mut next = 0;
        while next < work.member.len() {
            let at = work.member[next] as usize;
            next += 1;
            let (x, y) = (at % w, at / w);
            (left, right, low) = (left.min(x), right.max(x), low.max(y));
            let around = [(x > 0).then(|| at - 1), (x + 1 < w).then(|| at + 1), (y > 0).then(|| at - w), (y + 1 < h).then(|| at + w)];
            for to in around.into_iter().flatten() {
                let p = raster.pixels[to];
                if p != colour {
                    apart += u64::from(difference(p, colour));
                    touching += 1;
                } else if !work.seen[to] {
                    work.seen[to] = true;
                    work.member.push(to as u32);
                }
            }
        }
        let top = start / w;
        let (width, height) = (right + 1 - left, low + 1 - top);
        let stands_off = touching > 0 && apart >= touching * u64::from(STANDS_OFF);
        if !BLOT.contains(&work.member.len()) || width > BLOT_SIDE || height > BLOT_SIDE || !stands_off {
            continue;
        }
        // A sum does not depend on the order in which the pixels were met.
        let shape = work.member.iter().fold(0u64, |sum, &at| {
            let (x, y) = (at as usize % w - left, at as usize / w - top);
            sum.wrapping_add(mix((x << 8 | y) as u64 ^ 0x0062_6c6f_7473))
        });
        f(Patch::new(mix(shape ^ mix(u64::from(colour) ^ 0x636f_6c6f_7572)), [left, top, width, height], (w, h)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn noise(seed: u64, width: usize, height: usize) -> Raster {
        let pixels = (0..width * height).map(|i| mix(seed ^ (i as u64) << 20) as u32 & 0xff_ffff).collect();
        Raster { width, height, pixels, animated: false }
    }
    fn stamp(r: &mut Raster, x: usize, y: usize, side: usize, colour: impl Fn(usize, usize) -> u32) {
        for dy in 0..side {
            for dx in 0..side {
                r.pixels[(y + dy) * r.width + x + dx] = colour(dx, dy);
            }
        }
    }
    /// Keys that all the images have.
    fn common(images: &[Raster], thin: u32) -> Vec<Patch> {
        let mut seen: BTreeMap<u64, (usize, Patch)> = BTreeMap::new();
        let mut work = Workspace::default();
        for r in images {
            for_each(r, thin, &mut work, |p| seen.entry(p.key).or_insert((0, p)).0 += 1);
        }
        seen.into_values().filter(|(n, _)| *n == images.len()).map(|(_, p)| p).collect()
    }

    #[test]
    fn a_textured_patch_of_any_size_leaves_a_window() {
        for side in 2..=8 {
            let images: Vec<Raster> = (0..5)
                .map(|i| {
                    let mut r = noise(i, 32, 32);
                    stamp(&mut r, 4, 20, side, |x, y| if (x + y) % 2 == 0 { 0xff_ffff } else { 0x20_0000 });
                    r
                })
                .collect();
            let found = common(&images, 0);
            assert!(found.iter().any(|p| p.x >= 4 && p.y >= 20 && usize::from(p.x) < 4 + side), "{side}: {found:?}");
        }
    }

    #[test]
    fn a_patch_of_one_colour_is_a_blot_at_its_place() {
        for side in 2..=8 {
            let images: Vec<Raster> = (0..5)
                .map(|i| {
                    let mut r = noise(100 + i, 28, 28);
                    stamp(&mut r, 17, 3, side, |_, _| 0x00_c020);
                    r
                })
                .collect();
            let found = common(&images, 0);
            assert_eq!(found.len(), 1, "{side}: {found:?}");
            assert_eq!((found[0].x, found[0].y, usize::from(found[0].width)), (17, 3, side));
        }
    }

    #[test]
    fn corners_are_the_same_place_in_images_of_every_size() {
        let images: Vec<Raster> = [(32, 32), (40, 36), (61, 29)]
            .into_iter()
            .enumerate()
            .map(|(i, (w, h))| {
                let mut r = noise(7 + i as u64, w, h);
                stamp(&mut r, w - 5, h - 4, 3, |x, y| if (x + y) % 2 == 0 { 0xff_0000 } else { 0 });
                r
            })
            .collect();
        assert!(!common(&images, 0).is_empty());
    }

    #[test]
    fn flat_images_and_single_pixels_have_no_patch() {
        let flat = Raster { width: 20, height: 20, pixels: vec![0x80_8080; 400], animated: false };
        let one = Raster { width: 1, height: 1, pixels: vec![0xff_ffff], animated: false };
        assert!(common(&[flat], 0).is_empty());
        assert!(common(&[one], 0).is_empty());
    }

    #[test]
    fn thinning_keeps_a_part_and_the_same_part() {
        let r = noise(3, 32, 32);
        let (all, few) = (common(std::slice::from_ref(&r), 0), common(&[r], 3));
        assert!(few.len() * 4 < all.len() && few.len() * 20 > all.len(), "{} of {}", few.len(), all.len());
        assert!(few.iter().all(|p| all.contains(p)));
    }
}
