//! A picture as it is kept in samples: three small planes, brightness and two differences of colour, of
//! one size for the whole dataset.

use super::Raster;
use serde::{Deserialize, Serialize};

/// Longest side of a plane. Patterns are made at the size of the image; what is larger is averaged
/// down to this, and a pattern of single pixels is averaged away with it.
pub const SIDE: usize = 32;
/// Shortest side in which a pattern can be told from chance.
pub const LEAST: usize = 6;

/// Size of the planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    pub width: usize,
    pub height: usize,
}

impl Grid {
    /// Images up to [`SIDE`] keep their size; larger ones keep their proportions.
    pub fn of(width: usize, height: usize) -> Grid {
        let longest = width.max(height).max(1);
        if longest <= SIDE {
            return Grid { width, height };
        }
        let scaled = |side: usize| ((side * SIDE + longest / 2) / longest).max(1);
        Grid { width: scaled(width), height: scaled(height) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planes {
    pub grey: Vec<u8>,
    /// Half of red minus blue: natural images vary little in it, so that coloured patterns stand out.
    pub colour: Vec<i8>,
    /// A quarter of red and blue minus half of green, for the colours between.
    pub tint: Vec<i8>,
}

impl Planes {
    pub fn of(raster: &Raster, grid: Grid) -> Planes {
        let grey = raster.grey(grid.width, grid.height).into_iter().map(|v| ((v + 8) / 16).min(255) as u8).collect();
        Planes { grey, colour: difference(raster, grid, red_to_blue), tint: difference(raster, grid, to_green) }
    }
}

fn difference(raster: &Raster, grid: Grid, of: fn(u32) -> i8) -> Vec<i8> {
    if (raster.width, raster.height) == (grid.width, grid.height) {
        return raster.pixels.iter().map(|&p| of(p)).collect();
    }
    // The grid of brightness averages areas; here the mean of a shifted copy does.
    let shifted = Raster {
        pixels: raster.pixels.iter().map(|&p| (i32::from(of(p)) + 128) as u32 * 0x01_0101).collect(),
        ..Raster { width: raster.width, height: raster.height, pixels: Vec::new(), animated: false }
    };
    shifted.grey(grid.width, grid.height).into_iter().map(|v| (i32::from((v + 8) / 16) - 128).clamp(-128, 127) as i8).collect()
}

fn channels(p: u32) -> [i32; 3] {
    [p >> 16, p >> 8, p].map(|c| (c & 255) as i32)
}

/// -127 to 127, as the next.
fn red_to_blue(p: u32) -> i8 {
    let [r, _, b] = channels(p);
    ((r - b) / 2) as i8
}

fn to_green(p: u32) -> i8 {
    let [r, g, b] = channels(p);
    ((r + b - 2 * g) / 4) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_images_keep_their_size_and_large_ones_their_proportions() {
        assert_eq!(Grid::of(28, 20), Grid { width: 28, height: 20 });
        assert_eq!(Grid::of(640, 320), Grid { width: 32, height: 16 });
        assert_eq!(Grid::of(10_000, 1), Grid { width: 32, height: 1 });
    }

    #[test]
    fn planes_are_brightness_and_two_differences_of_colour() {
        let raster =
            Raster { width: 3, height: 2, pixels: vec![0xff_0000, 0, 0x10_1010, 0x00_00ff, 0x20_2020, 0x00_ff00], animated: false };
        let planes = Planes::of(&raster, Grid::of(3, 2));
        assert_eq!(planes.grey, [77, 0, 16, 29, 32, 149]);
        assert_eq!(planes.colour, [127, 0, 0, -127, 0, 0]);
        assert_eq!(planes.tint, [63, 0, 0, 63, 0, -127]);
    }

    #[test]
    fn a_large_picture_is_averaged_in_both_planes() {
        let pixels = (0..64 * 64).map(|i| if i % 2 == 0 { 0xff_0000 } else { 0x00_00ff }).collect();
        let planes = Planes::of(&Raster { width: 64, height: 64, pixels, animated: false }, Grid::of(64, 64));
        assert_eq!(planes.grey.len(), 1024);
        assert!(planes.grey.iter().all(|v| *v == 53) && planes.colour.iter().all(|v| *v == 0));
    }
}
