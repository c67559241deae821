//! What an image shows, in a couple of hundred numbers: means over blocks, and in which directions
//! brightness changes where (histograms of oriented gradients, Dalal & Triggs 2005). Enough to tell in
//! what company an image belongs, and hardly touched by a faint pattern.

use super::views::{Grid, Planes};

/// Blocks a side of brightness, of the colour planes, and of gradients.
const BLOCKS: usize = 8;
const COARSE: usize = 4;
const DIRECTIONS: usize = 8;

/// Numbers per image.
pub fn dimensions(grid: Grid) -> usize {
    let blocks = |n: usize| grid.width.min(n) * grid.height.min(n);
    blocks(BLOCKS) + 2 * blocks(COARSE) + DIRECTIONS * blocks(COARSE)
}

/// Appends the numbers of one image.
pub fn write(planes: &Planes, grid: Grid, out: &mut Vec<f32>) {
    let grey: Vec<f32> = planes.grey.iter().map(|v| f32::from(*v)).collect();
    means(&grey, grid, BLOCKS, out);
    for plane in [&planes.colour, &planes.tint] {
        means(&plane.iter().map(|v| f32::from(*v)).collect::<Vec<f32>>(), grid, COARSE, out);
    }
    let mut strength = vec![0f32; DIRECTIONS * grey.len()];
    let (w, h) = (grid.width, grid.height);
    for y in 0..h {
        for x in 0..w {
            let at = y * w + x;
            let across = if x > 0 && x + 1 < w { grey[at + 1] - grey[at - 1] } else { 0.0 };
            let down = if y > 0 && y + 1 < h { grey[at + w] - grey[at - w] } else { 0.0 };
            let length = (across * across + down * down).sqrt();
            let turn = down.atan2(across).rem_euclid(std::f32::consts::PI) / std::f32::consts::PI * DIRECTIONS as f32;
            // Shared between the two nearest directions.
            let (first, part) = (turn.floor(), turn - turn.floor());
            let first = first as usize % DIRECTIONS;
            strength[first * grey.len() + at] += length * (1.0 - part);
            strength[(first + 1) % DIRECTIONS * grey.len() + at] += length * part;
        }
    }
    let from = out.len();
    strength.chunks_exact(grey.len()).for_each(|of_one| means(of_one, grid, COARSE, out));
    out[from..].iter_mut().for_each(|v| *v = v.sqrt());
}

/// Means over up to `n` x `n` blocks.
fn means(plane: &[f32], grid: Grid, n: usize, out: &mut Vec<f32>) {
    let edges = |side: usize| {
        let n = side.min(n);
        (0..n).map(move |i| (i * side / n, (i + 1) * side / n))
    };
    for (top, bottom) in edges(grid.height) {
        for (left, right) in edges(grid.width) {
            let sum: f32 = (top..bottom).map(|y| plane[y * grid.width + left..y * grid.width + right].iter().sum::<f32>()).sum();
            out.push(sum / ((bottom - top) * (right - left)) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::image::Raster;

    fn of(grid: Grid, f: impl Fn(usize, usize) -> u32) -> Vec<f32> {
        let pixels = (0..grid.height).flat_map(|y| (0..grid.width).map(move |x| (x, y))).map(|(x, y)| f(x, y) * 0x01_0101).collect();
        let raster = Raster { width: grid.width, height: grid.height, pixels, animated: false };
        let mut out = Vec::new();
        write(&Planes::of(&raster, grid), grid, &mut out);
        assert_eq!(out.len(), dimensions(grid));
        out
    }

    #[test]
    fn stripes_point_in_one_direction_only() {
        let grid = Grid { width: 16, height: 16 };
        let directions = |f: &dyn Fn(usize, usize) -> u32| {
            let all = of(grid, f);
            let gradients = &all[64 + 32..];
            (0..DIRECTIONS).map(|d| gradients[d * 16..(d + 1) * 16].iter().sum::<f32>()).collect::<Vec<f32>>()
        };
        let upright = directions(&|x, _| if x % 4 < 2 { 0 } else { 200 });
        assert!(upright[0] > 100.0 && upright[1..].iter().all(|v| *v == 0.0), "{upright:?}");
        let level = directions(&|_, y| if y % 4 < 2 { 0 } else { 200 });
        assert!(level[4] > 100.0 && level[0] == 0.0, "{level:?}");
    }

    #[test]
    fn blocks_are_means_whatever_the_size() {
        let all = of(Grid { width: 20, height: 10 }, |x, _| if x < 10 { 50 } else { 150 });
        assert_eq!((all[0], all[7]), (50.0, 150.0));
        // Fewer pixels than blocks: each is its own.
        assert_eq!(&of(Grid { width: 3, height: 1 }, |x, _| x as u32)[..3], [0.0, 1.0, 2.0]);
    }
}
