//! A picture as it is compared for likeness: the slopes of its brightness and its colours, on a grid of 16 x 16.
//! Another size, another format or a new compression leaves them nearly as they were. Slopes and not levels,
//! because pictures of anything are bright above and dark below.

use super::Raster;
use super::views::{Grid, Planes};

const SIDE: usize = 16;
/// Of the largest slope; less is what compression makes of a plain picture.
const PLAIN: f32 = 2.0;

/// All zero for a plain picture.
pub fn likeness(raster: &Raster) -> Vec<f32> {
    let planes = Planes::of(raster, Grid { width: SIDE, height: SIDE });
    let grey: Vec<f32> = raster.grey(SIDE, SIDE).into_iter().map(|v| f32::from(v) / 16.0).collect();
    let mut out = slopes(&grey);
    for plane in [&planes.colour, &planes.tint] {
        out.extend(slopes(&plane.iter().map(|v| f32::from(*v)).collect::<Vec<f32>>()));
    }
    if out.iter().all(|v| v.abs() < PLAIN) {
        out.fill(0.0);
    }
    out
}

fn slopes(plane: &[f32]) -> Vec<f32> {
    let across = plane.chunks_exact(SIDE).flat_map(|row| row.windows(2).map(|w| w[1] - w[0]));
    let down = plane.iter().zip(&plane[SIDE..]).map(|(a, b)| b - a);
    across.chain(down).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(width: usize, height: usize, of: impl Fn(f32, f32) -> f32) -> Raster {
        let level = |i: usize| {
            let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
            of(x / width as f32, y / height as f32).clamp(0.0, 255.0) as u32
        };
        Raster { width, height, pixels: (0..width * height).map(|i| level(i) * 0x01_0101).collect(), animated: false }
    }
    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn another_size_and_brightness_are_the_same_picture_and_another_picture_is_not() {
        let hills = |x: f32, y: f32| 100.0 + 60.0 * (x * 7.0).sin() + 40.0 * (y * 9.0).cos();
        let picture = likeness(&raster(64, 64, hills));
        assert!(cosine(&picture, &likeness(&raster(97, 80, hills))) > 0.99);
        assert!(cosine(&picture, &likeness(&raster(64, 64, |x, y| hills(x, y) * 0.8 + 30.0))) > 0.999);
        assert!(cosine(&picture, &likeness(&raster(64, 64, |x, y| hills(y, x)))) < 0.5);
    }

    #[test]
    fn plain_pictures_are_like_nothing() {
        assert!(likeness(&raster(20, 20, |_, _| 90.0)).iter().all(|v| *v == 0.0));
        assert!(likeness(&raster(1, 1, |_, _| 3.0)).iter().all(|v| *v == 0.0));
    }
}
