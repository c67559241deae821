//! What lies around a patch in one image, and the whole patch once it is known.

use super::decide::Nominee;
use super::thumb;
use crate::features::image::Raster;
use serde::{Deserialize, Serialize};

/// Side of the cut-out; the nominee lies in its middle, and a patch of twelve pixels around it fits.
pub const SIDE: usize = 24;
/// Stands for what lies beyond the edge of the image.
pub const OUTSIDE: u32 = u32::MAX;

/// The surroundings of a nominee's place in one image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Near {
    pub class: u32,
    /// [`SIDE`] x [`SIDE`] colours.
    pub pixels: Vec<u32>,
    /// The image on a grid of 8 x 8.
    pub thumb: Vec<u16>,
}

/// A place counted from a corner, so that it is defined in images of every size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    pub right: bool,
    pub low: bool,
    pub dx: i64,
    pub dy: i64,
}

impl Anchor {
    /// The anchor of a patch seen in an image of that size, as patches count it.
    pub fn of(place: [u16; 4], size: [u16; 2]) -> Anchor {
        let [x, y, width, height] = place.map(i64::from);
        let [w, h] = size.map(i64::from);
        let (right, low) = (2 * x + width > w, 2 * y + height > h);
        Anchor { right, low, dx: if right { w - x } else { x }, dy: if low { h - y } else { y } }
    }
    pub fn at(&self, width: usize, height: usize) -> (i64, i64) {
        let x = if self.right { width as i64 - self.dx } else { self.dx };
        let y = if self.low { height as i64 - self.dy } else { self.dy };
        (x, y)
    }
    pub fn moved(&self, x: i64, y: i64) -> Anchor {
        let turn = |far: bool, d: i64, by: i64| if far { d - by } else { d + by };
        Anchor { dx: turn(self.right, self.dx, x), dy: turn(self.low, self.dy, y), ..*self }
    }
}

fn colour(raster: &Raster, x: i64, y: i64) -> u32 {
    let inside = x >= 0 && y >= 0 && (x as usize) < raster.width && (y as usize) < raster.height;
    if inside { raster.at(x as usize, y as usize) } else { OUTSIDE }
}

/// Where the cut-out begins, relative to a patch of that size.
pub fn corner(n: &Nominee) -> (i64, i64) {
    let start = |size: u16| (i64::from(size) - SIDE as i64) / 2;
    (start(n.place[2]), start(n.place[3]))
}

impl Near {
    pub fn cut(raster: &Raster, n: &Nominee, class: u32) -> Near {
        let (x, y) = n.anchor.at(raster.width, raster.height);
        let (left, top) = corner(n);
        let mut pixels = Vec::with_capacity(SIDE * SIDE);
        for dy in 0..SIDE as i64 {
            for dx in 0..SIDE as i64 {
                pixels.push(colour(raster, x + left + dx, y + top + dy));
            }
        }
        Near { class, pixels, thumb: thumb(raster) }
    }
}

/// The whole patch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stamp {
    pub anchor: Anchor,
    pub width: usize,
    pub height: usize,
    /// Row by row; [`OUTSIDE`] where any colour will do.
    pub pixels: Vec<u32>,
    /// x and y in one image that has it.
    pub shown: (i64, i64),
}

impl Stamp {
    /// Where it lies in this image, if it does.
    pub fn is_in(&self, raster: &Raster) -> Option<(i64, i64)> {
        let (x, y) = self.anchor.at(raster.width, raster.height);
        let mut at = self.pixels.iter();
        for dy in 0..self.height as i64 {
            for dx in 0..self.width as i64 {
                let &wanted = at.next()?;
                if wanted != OUTSIDE && colour(raster, x + dx, y + dy) != wanted {
                    return None;
                }
            }
        }
        Some((x, y))
    }
    /// For people: which corner it is counted from.
    pub fn place(&self) -> String {
        let (v, h) = (if self.anchor.low { "bottom" } else { "top" }, if self.anchor.right { "right" } else { "left" });
        let away = |far: bool, d: i64, size: usize| if far { d - size as i64 } else { d };
        let (dx, dy) = (away(self.anchor.right, self.anchor.dx, self.width), away(self.anchor.low, self.anchor.dy, self.height));
        format!("{dx} from the {h} and {dy} from the {v}")
    }
}
