//! How the energy of a picture is spread over the bands of the block cosine transform (DCT-II of 8 x 8 pixels, the
//! blocks of JPEG): blurring and compression empty the upper band, noise, sharpening and hidden data fill it.

use super::Raster;
use std::sync::LazyLock;

const SIDE: usize = 8;
/// Blocks that are transformed: the tenth part of a large picture tells as much as all of it.
const BLOCKS: usize = 64;
/// The sum of both frequencies from which a coefficient is in the middle, and in the upper band.
const MIDDLE: usize = 4;
const UPPER: usize = 8;
/// Energy per pixel below which a picture is even and has no bands.
const EVEN: f32 = 1.0;
/// Shares are told apart by powers of two down to this one.
pub const OCTAVES: usize = 14;

/// The transform as a matrix, orthonormal.
static COSINES: LazyLock<[[f32; SIDE]; SIDE]> = LazyLock::new(|| {
    let entry = |u: usize, x: usize| {
        let scale = if u == 0 { 1.0 / SIDE as f64 } else { 2.0 / SIDE as f64 };
        (scale.sqrt() * (std::f64::consts::PI * u as f64 * (x as f64 + 0.5) / SIDE as f64).cos()) as f32
    };
    std::array::from_fn(|u| std::array::from_fn(|x| entry(u, x)))
});

/// Shares of the energy of brightness about its block means in the middle and in the upper band; `None` for pictures
/// without a block or without energy.
pub fn shares(raster: &Raster) -> Option<[f32; 2]> {
    let (across, down) = (raster.width / SIDE, raster.height / SIDE);
    let blocks = across * down;
    if blocks == 0 {
        return None;
    }
    let (mut all, mut middle, mut upper) = (0f32, 0f32, 0f32);
    let taken = blocks.min(BLOCKS);
    for i in 0..taken {
        let at = i * blocks / taken;
        let (left, top) = (at % across * SIDE, at / across * SIDE);
        let grey: [[f32; SIDE]; SIDE] = std::array::from_fn(|y| std::array::from_fn(|x| brightness(raster.at(left + x, top + y))));
        for (v, row) in transformed(&grey).iter().enumerate() {
            for (u, c) in row.iter().enumerate().filter(|(u, _)| u + v > 0) {
                let energy = c * c;
                all += energy;
                if u + v >= UPPER {
                    upper += energy;
                } else if u + v >= MIDDLE {
                    middle += energy;
                }
            }
        }
    }
    (all >= EVEN * (taken * SIDE * SIDE) as f32).then(|| [middle / all, upper / all])
}

/// In whole octaves: a share of `s` is at most `2^-k` for each `k` up to the first, and at least `2^-k` from the second on.
pub fn octaves(share: f32) -> (usize, usize) {
    let fine = if share > 0.0 { -share.log2() } else { f32::INFINITY };
    let most = OCTAVES as f32;
    (fine.clamp(0.0, most).floor() as usize, fine.clamp(0.0, most + 1.0).ceil() as usize)
}

/// Of ITU-R BT.601.
fn brightness(p: u32) -> f32 {
    let channel = |shift: u32| (p >> shift & 255) as f32;
    0.299 * channel(16) + 0.587 * channel(8) + 0.114 * channel(0)
}

fn transformed(block: &[[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    let rows: [[f32; SIDE]; SIDE] = std::array::from_fn(|y| std::array::from_fn(|u| (0..SIDE).map(|x| COSINES[u][x] * block[y][x]).sum()));
    std::array::from_fn(|v| std::array::from_fn(|u| (0..SIDE).map(|y| COSINES[v][y] * rows[y][u]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(width: usize, height: usize, level: impl Fn(usize, usize) -> f64) -> Raster {
        let pixels = (0..width * height).map(|i| level(i % width, i / width).round() as u32 * 0x01_0101).collect();
        Raster { width, height, pixels, animated: false }
    }

    #[test]
    fn the_transform_keeps_energy_and_finds_its_own_cosines() {
        let block: [[f32; SIDE]; SIDE] = std::array::from_fn(|y| std::array::from_fn(|x| ((x * 7 + y * 13) % 11) as f32));
        let sum = |b: &[[f32; SIDE]; SIDE]| b.iter().flatten().map(|v| v * v).sum::<f32>();
        assert!((sum(&block) - sum(&transformed(&block))).abs() < 1e-2);
        let cosine: [[f32; SIDE]; SIDE] = std::array::from_fn(|y| std::array::from_fn(|x| COSINES[3][y] * COSINES[5][x]));
        for (v, row) in transformed(&cosine).iter().enumerate() {
            for (u, c) in row.iter().enumerate() {
                let want = f32::from(u8::from((v, u) == (3, 5)));
                assert!((c - want).abs() < 1e-5, "{v} {u}: {c}");
            }
        }
    }

    #[test]
    fn a_cosine_has_all_its_energy_in_its_band() {
        let wave = |k: f64| raster(40, 24, move |x, _| 128.0 + 60.0 * (std::f64::consts::PI * k * ((x % 8) as f64 + 0.5) / 8.0).cos());
        let [middle, upper] = shares(&wave(1.0)).unwrap();
        assert!(middle < 0.01 && upper < 0.01, "{middle} {upper}");
        let [middle, _] = shares(&wave(6.0)).unwrap();
        assert!(middle > 0.99, "{middle}");
        let chequered = raster(16, 16, |x, y| if (x + y) % 2 == 0 { 40.0 } else { 200.0 });
        assert!(shares(&chequered).unwrap()[1] > 0.8);
    }

    #[test]
    fn even_and_small_pictures_have_no_bands() {
        assert_eq!(shares(&raster(16, 16, |_, _| 77.0)), None);
        for (w, h) in [(0, 0), (1, 1), (7, 40)] {
            assert_eq!(shares(&raster(w, h, |x, y| (x * y % 200) as f64)), None);
        }
    }

    #[test]
    fn octaves_bound_the_share_from_both_sides() {
        for share in [1.0f32, 0.7, 0.25, 0.01, 1e-9, 0.0] {
            let (most, least) = octaves(share);
            assert!(
                share <= 2f32.powi(-(most as i32)) && (share >= 2f32.powi(-(least as i32)) || least > OCTAVES),
                "{share}: {most} {least}"
            );
        }
        assert_eq!(octaves(0.25), (2, 2));
    }
}
