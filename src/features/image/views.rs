//! An image as vectors: what patterns that cover a whole picture are looked for in. A picture is kept
//! as two small planes, brightness and colour difference, of one size for the whole dataset.

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
}

impl Planes {
    pub fn of(raster: &Raster, grid: Grid) -> Planes {
        let grey = raster.grey(grid.width, grid.height).into_iter().map(|v| ((v + 8) / 16).min(255) as u8).collect();
        let colour = if (raster.width, raster.height) == (grid.width, grid.height) {
            raster.pixels.iter().map(|&p| half_difference(p)).collect()
        } else {
            // The grid of brightness averages areas; here the mean of a shifted copy does.
            let shifted = Raster {
                pixels: raster.pixels.iter().map(|&p| (i32::from(half_difference(p)) + 128) as u32 * 0x01_0101).collect(),
                ..Raster { width: raster.width, height: raster.height, pixels: Vec::new(), animated: false }
            };
            shifted.grey(grid.width, grid.height).into_iter().map(|v| (i32::from((v + 8) / 16) - 128).clamp(-128, 127) as i8).collect()
        };
        Planes { grey, colour }
    }
}

fn half_difference(p: u32) -> i8 {
    let (r, b) = ((p >> 16 & 255) as i32, (p & 255) as i32);
    // -127 to 127.
    ((r - b) / 2) as i8
}

/// One way to look at the planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    Grey,
    Colour,
    /// Mean brightness of every row: what waves along the vertical leave.
    Rows,
    Columns,
}

impl View {
    pub const ALL: [View; 4] = [View::Grey, View::Colour, View::Rows, View::Columns];

    pub fn dimensions(self, grid: Grid) -> usize {
        match self {
            View::Grey | View::Colour => grid.width * grid.height,
            View::Rows => grid.height,
            View::Columns => grid.width,
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            View::Grey => "brightness",
            View::Colour => "colour",
            View::Rows => "row means",
            View::Columns => "column means",
        }
    }
    pub fn is_profile(self) -> bool {
        matches!(self, View::Rows | View::Columns)
    }
    /// A difference between vectors of this view as 0xAARRGGBB: no difference is middle grey, the largest is
    /// black or white; in the view of colours, blue or red.
    pub fn drawn(self, change: &[f32], grid: Grid) -> Vec<u32> {
        let most = change.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
        let cell = |x: usize, y: usize| match self {
            View::Grey | View::Colour => y * grid.width + x,
            View::Rows => y,
            View::Columns => x,
        };
        let places = (0..grid.height).flat_map(|y| (0..grid.width).map(move |x| (x, y)));
        places
            .map(|(x, y)| {
                let part = change.get(cell(x, y)).map_or(0.0, |v| (v / most * 127.0).clamp(-127.0, 127.0)) as i32;
                let (up, down) = ((128 + part) as u32, (128 - part) as u32);
                if self == View::Colour { 0xff00_8000 | up << 16 | down } else { 0xff00_0000 | (up * 0x01_0101) }
            })
            .collect()
    }
    /// Appends the vector of one picture.
    pub fn write(self, planes: &Planes, grid: Grid, out: &mut Vec<f32>) {
        match self {
            View::Grey => out.extend(planes.grey.iter().map(|v| f32::from(*v))),
            View::Colour => out.extend(planes.colour.iter().map(|v| f32::from(*v))),
            View::Rows => out.extend(
                planes.grey.chunks_exact(grid.width).map(|row| row.iter().map(|v| u32::from(*v)).sum::<u32>() as f32 / grid.width as f32),
            ),
            View::Columns => out.extend((0..grid.width).map(|x| {
                let sum: u32 = planes.grey.iter().skip(x).step_by(grid.width).map(|v| u32::from(*v)).sum();
                sum as f32 / grid.height as f32
            })),
        }
    }
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
    fn views_are_the_planes_and_their_means() {
        let raster =
            Raster { width: 3, height: 2, pixels: vec![0xff_0000, 0, 0x10_1010, 0x00_00ff, 0x20_2020, 0xff_ffff], animated: false };
        let grid = Grid::of(3, 2);
        let planes = Planes::of(&raster, grid);
        assert_eq!(planes.colour, [127, 0, 0, -127, 0, 0]);
        assert_eq!(planes.grey, [77, 0, 16, 29, 32, 255]);
        let vector = |view: View| {
            let mut out = Vec::new();
            view.write(&planes, grid, &mut out);
            assert_eq!(out.len(), view.dimensions(grid));
            out
        };
        assert_eq!(vector(View::Rows), [31.0, 316.0 / 3.0]);
        assert_eq!(vector(View::Columns), [53.0, 16.0, 135.5]);
        assert_eq!(vector(View::Colour)[3], -127.0);
    }

    #[test]
    fn a_difference_is_drawn_around_middle_grey_in_every_view() {
        let grid = Grid::of(2, 2);
        assert_eq!(View::Grey.drawn(&[0.0, 2.0, -2.0, 1.0], grid), [0xff80_8080, 0xffff_ffff, 0xff01_0101, 0xffbf_bfbf]);
        assert_eq!(View::Colour.drawn(&[0.0, 2.0, -2.0, 0.0], grid), [0xff80_8080, 0xffff_8001, 0xff01_80ff, 0xff80_8080]);
        assert_eq!(View::Rows.drawn(&[3.0, 0.0], grid), [0xffff_ffff, 0xffff_ffff, 0xff80_8080, 0xff80_8080]);
        assert_eq!(View::Columns.drawn(&[3.0, 0.0], grid), [0xffff_ffff, 0xff80_8080, 0xffff_ffff, 0xff80_8080]);
        assert_eq!(View::Grey.drawn(&[], grid), [0xff80_8080; 4]);
    }

    #[test]
    fn a_large_picture_is_averaged_in_both_planes() {
        let pixels = (0..64 * 64).map(|i| if i % 2 == 0 { 0xff_0000 } else { 0x00_00ff }).collect();
        let planes = Planes::of(&Raster { width: 64, height: 64, pixels, animated: false }, Grid::of(64, 64));
        assert_eq!(planes.grey.len(), 1024);
        assert!(planes.grey.iter().all(|v| *v == 53) && planes.colour.iter().all(|v| *v == 0));
    }
}
