//! Waves: patterns of one frequency. All that an image says of a wave is five sums (weighted products with
//! its cosine and sine, and of these with each other), so that every frequency and phase can be tried, and
//! a wave is learned from few images without the noise that a free template brings.

use super::mixture::{FEWEST, Fit, Group, MOST, Pattern};
use super::search::{centre, spread};
use crate::features::image::residual::Residuals;
use crate::features::image::views::Grid;

/// Periods per image of the slowest wave; slower ones are what images differ in by nature.
const SLOWEST: i64 = 3;
/// Phases that are tried, and standard deviations beyond which an image has much of one.
const PHASES: usize = 12;
const MUCH: f32 = 2.5;
/// Frequencies that are looked at closely, the most one-sided first.
const KEPT: usize = 8;
const ROUNDS: usize = 8;

/// What one image says of one wave.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Weighted products of the residuals with cosine and sine.
    with: [f32; 2],
    /// Of cosine and sine with themselves and each other.
    cc: f32,
    cs: f32,
    ss: f32,
}

impl Sums {
    fn add(&mut self, o: &Sums, factor: f32) {
        self.with[0] += factor * o.with[0];
        self.with[1] += factor * o.with[1];
        self.cc += factor * o.cc;
        self.cs += factor * o.cs;
        self.ss += factor * o.ss;
    }
    /// Amplitudes of cosine and sine by weighted least squares.
    fn amplitudes(&self) -> [f32; 2] {
        let determinant = (self.cc * self.ss - self.cs * self.cs).max(1e-9);
        let [c, s] = self.with;
        [(self.ss * c - self.cs * s) / determinant, (self.cc * s - self.cs * c) / determinant]
    }
    /// Score and strength of an image for a wave.
    fn score(&self, [a, b]: [f32; 2]) -> (f32, f32) {
        let strength = (a * a * self.cc + 2.0 * a * b * self.cs + b * b * self.ss).max(1e-9).sqrt();
        ((a * self.with[0] + b * self.with[1]) / strength, strength)
    }
    /// Without what every image of the class has of it.
    fn less(&self, [a, b]: [f32; 2]) -> Sums {
        let with = [self.with[0] - a * self.cc - b * self.cs, self.with[1] - a * self.cs - b * self.ss];
        Sums { with, ..*self }
    }
}

/// Cosines and sines of all multiples of a turn by `n`.
struct Turns {
    n: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Turns {
    fn new(n: usize) -> Turns {
        let angle = |i: usize| std::f64::consts::TAU * i as f64 / n as f64;
        Turns { n, cos: (0..n).map(|i| angle(i).cos() as f32).collect(), sin: (0..n).map(|i| angle(i).sin() as f32).collect() }
    }
    fn at(&self, i: i64) -> usize {
        i.rem_euclid(self.n as i64) as usize
    }
}

/// The discrete Fourier transform of small planes.
struct Fourier {
    grid: Grid,
    across: Turns,
    down: Turns,
}

impl Fourier {
    fn new(grid: Grid) -> Fourier {
        Fourier { grid, across: Turns::new(grid.width), down: Turns::new(grid.height) }
    }
    /// Products with cosine and sine of every frequency, `fy * width + fx`.
    fn transform(&self, plane: impl Fn(usize) -> f32) -> Vec<[f32; 2]> {
        let (w, h) = (self.grid.width, self.grid.height);
        let mut lines = vec![[0f32; 2]; w * h];
        for y in 0..h {
            for x in 0..w {
                let v = plane(y * w + x);
                let mut at = 0;
                for line in &mut lines[y * w..(y + 1) * w] {
                    line[0] += v * self.across.cos[at];
                    line[1] += v * self.across.sin[at];
                    at = (at + x) % w;
                }
            }
        }
        let mut out = vec![[0f32; 2]; w * h];
        for (y, line) in lines.chunks_exact(w).enumerate() {
            let mut at = 0;
            for row in out.chunks_exact_mut(w) {
                let (c, s) = (self.down.cos[at], self.down.sin[at]);
                for (o, l) in row.iter_mut().zip(line) {
                    o[0] += l[0] * c - l[1] * s;
                    o[1] += l[0] * s + l[1] * c;
                }
                at = (at + y) % h;
            }
        }
        out
    }
    fn index(&self, fx: i64, fy: i64) -> usize {
        self.down.at(fy) * self.grid.width + self.across.at(fx)
    }
    /// Frequencies that a wave may have: half of the plane, since the other half mirrors it.
    fn frequencies(&self) -> Vec<(i64, i64)> {
        let (w, h) = ((self.grid.width / 2) as i64, (self.grid.height / 2) as i64);
        let all = (0..w).flat_map(|fx| (1 - h..h).map(move |fy| (fx, fy)));
        all.filter(|(fx, fy)| (*fx > 0 || *fy > 0) && fx * fx + fy * fy >= SLOWEST * SLOWEST).collect()
    }
    /// Cosine and sine at a place.
    fn wave(&self, (fx, fy): (i64, i64), at: usize) -> [f32; 2] {
        let (x, y) = ((at % self.grid.width) as i64, (at / self.grid.width) as i64);
        let angle = fx as f64 * x as f64 / self.grid.width as f64 + fy as f64 * y as f64 / self.grid.height as f64;
        let angle = std::f64::consts::TAU * angle;
        [angle.cos() as f32, angle.sin() as f32]
    }
}

/// Waves that a part of the rows shares, the most one-sided first.
pub fn groups(r: &Residuals, grid: Grid) -> Vec<Group> {
    let n = r.rows();
    let cells = grid.width * grid.height;
    if n < 4 * FEWEST {
        return Vec::new();
    }
    let fourier = Fourier::new(grid);
    let frequencies = fourier.frequencies();
    let middle = centre(r, 0..n);
    // Row after row, frequency after frequency.
    let mut sums: Vec<Sums> = Vec::with_capacity(n * frequencies.len());
    for row in 0..n {
        let (values, weights) = (&r.value(row)[..cells], &r.weight(row)[..cells]);
        let with = fourier.transform(|i| (values[i] - middle[i]) * weights[i]);
        let energy = fourier.transform(|i| weights[i]);
        let all = energy[0][0];
        sums.extend(frequencies.iter().map(|&(fx, fy)| {
            let twice = energy[fourier.index(2 * fx, 2 * fy)];
            Sums { with: with[fourier.index(fx, fy)], cc: (all + twice[0]) / 2.0, cs: twice[1] / 2.0, ss: (all - twice[0]) / 2.0 }
        }));
    }
    let of = |f: usize| (0..n).map(|row| sums[row * frequencies.len() + f]).collect::<Vec<Sums>>();
    let mut seen: Vec<(f32, usize, Vec<usize>)> = (0..frequencies.len())
        .map(|f| {
            let rows = of(f);
            let mut best = (f32::NEG_INFINITY, f, Vec::new());
            for phase in 0..PHASES {
                let angle = std::f32::consts::TAU * phase as f32 / PHASES as f32;
                let z: Vec<f32> = rows.iter().map(|s| s.score([angle.cos(), angle.sin()]).0).collect();
                let (middle, spread) = spread(&z);
                let above: Vec<usize> = (0..n).filter(|i| z[*i] > middle + MUCH * spread).collect();
                let below = z.iter().filter(|v| **v < middle - MUCH * spread).count();
                let lean = (above.len() as f32 - below as f32) / ((above.len() + below) as f32 + 1.0).sqrt();
                if lean > best.0 {
                    best = (lean, f, above);
                }
            }
            best
        })
        .collect();
    seen.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    seen.truncate(KEPT);
    seen.into_iter().filter_map(|(_, f, start)| grow(r, &of(f), &fourier, frequencies[f], start)).collect()
}

fn grow(r: &Residuals, rows: &[Sums], fourier: &Fourier, frequency: (i64, i64), mut members: Vec<usize>) -> Option<Group> {
    let n = rows.len();
    let mut last = None;
    for _ in 0..ROUNDS {
        if members.len() < FEWEST / 2 {
            return None;
        }
        let inside = |i: &usize| members.binary_search(i).is_ok();
        let (mut group, mut rest) = (Sums::default(), Sums::default());
        (0..n).for_each(|i| if inside(&i) { group.add(&rows[i], 1.0) } else { rest.add(&rows[i], 1.0) });
        let usual = rest.amplitudes();
        let group = group.less(usual);
        let all = group.amplitudes();
        let (z, strength): (Vec<f32>, Vec<f32>) = (0..n)
            .map(|i| {
                let own = rows[i].less(usual);
                let wave = if inside(&i) {
                    let mut others = group;
                    others.add(&own, -1.0);
                    others.amplitudes()
                } else {
                    all
                };
                own.score(wave)
            })
            .unzip();
        let (fit, p) = Fit::of(&z, &strength, &members)?;
        let next: Vec<usize> = (0..n).filter(|i| p[*i] > 0.5).collect();
        if next.len() < FEWEST || next.len() as f64 > MOST * n as f64 {
            return None;
        }
        let settled = next == members;
        members = next;
        last = Some((fit, p, z, strength, all));
        if settled {
            break;
        }
    }
    let (fit, p, z, strength, [a, b]) = last?;
    let cells = fourier.grid.width * fourier.grid.height;
    let mut template = vec![0f32; r.d];
    template.iter_mut().take(cells).enumerate().for_each(|(i, t)| {
        let [c, s] = fourier.wave(frequency, i);
        *t = a * c + b * s;
    });
    let centre = centre(r, (0..n).filter(|i| members.binary_search(i).is_err()));
    Some(Group::new(Pattern::new(centre, template, fit), members, &p, &z, &strength))
}

/// Periods across and down, when nearly all of a template's brightness lies at one frequency.
pub fn frequency(template: &[f32], grid: Grid, share: f64) -> Option<(i64, i64)> {
    let fourier = Fourier::new(grid);
    let powers = fourier.transform(|i| template[i]);
    let power = |&(fx, fy): &(i64, i64)| {
        let [re, im] = powers[fourier.index(fx, fy)];
        f64::from(re * re + im * im)
    };
    let frequencies = fourier.frequencies();
    let total: f64 = powers.iter().skip(1).map(|[re, im]| f64::from(re * re + im * im)).sum();
    let best = frequencies.iter().max_by(|a, b| power(a).total_cmp(&power(b)).then(b.cmp(a)))?;
    // Each frequency stands twice in the plane.
    (2.0 * power(best) >= share * total && total > 0.0).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_finds_the_frequency_and_its_mirror() {
        let grid = Grid { width: 12, height: 10 };
        let fourier = Fourier::new(grid);
        let t = fourier.transform(|i| fourier.wave((3, -2), i)[0]);
        for fx in 0..12 {
            for fy in 0..10 {
                let expected = if (fx, fy) == (3, 8) || (fx, fy) == (9, 2) { 60.0 } else { 0.0 };
                let [re, im] = t[fy * 12 + fx];
                assert!((re - expected).abs() < 1e-3 && im.abs() < 1e-3, "{fx} {fy}: {re} {im}");
            }
        }
        let template: Vec<f32> = (0..120).map(|i| fourier.wave((3, -2), i)[1]).collect();
        assert_eq!(frequency(&template, grid, 0.9), Some((3, -2)));
        assert_eq!(frequency(&(0..120).map(|i| ((i * 37) % 11) as f32).collect::<Vec<f32>>(), grid, 0.9), None);
        assert_eq!(frequency(&[0.0; 120], grid, 0.6), None);
    }

    #[test]
    fn amplitudes_are_those_of_weighted_least_squares() {
        // Two places, where the wave is (1, 0) and (0.6, 0.8), with weights 2 and 5; a = 3, b = -1 exactly.
        let (waves, weights) = ([[1.0f32, 0.0], [0.6, 0.8]], [2.0f32, 5.0]);
        let mut s = Sums::default();
        for ([c, t], w) in waves.iter().zip(weights) {
            let v = 3.0 * c - t;
            s.add(&Sums { with: [w * v * c, w * v * t], cc: w * c * c, cs: w * c * t, ss: w * t * t }, 1.0);
        }
        let [a, b] = s.amplitudes();
        assert!((a - 3.0).abs() < 1e-4 && (b + 1.0).abs() < 1e-4);
        assert!(s.less([a, b]).with.iter().all(|v| v.abs() < 1e-4));
        let (z, strength) = s.score([a, b]);
        assert!((z - strength).abs() < 1e-4, "an image with all of the wave scores its strength");
    }
}
