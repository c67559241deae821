//! What an image has beyond its smooth content: each pixel less its four neighbours, and how much that
//! says. Natural images vary most where their edges are; dividing by the local energy (divisive
//! normalisation, as in Gaussian scale mixtures) turns them into something close to white noise, in which
//! a faint pattern that was added to smooth and busy places alike stands out several times further than
//! in the pixels themselves.

use super::views::{Grid, Planes};

/// Share of the dataset's median local energy that is added everywhere, and the energy of rounding: a
/// place without any energy is no certainty.
const FLOOR: (f64, f64) = (0.1, 0.5);
/// Images whose energies make the median.
const MEDIAN_OF: usize = 512;

/// Which planes take part, and what is added to their local energy.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scale {
    floors: Vec<f32>,
}

/// Values and weights of a row, one number per plane and pixel each. The product of a value with the
/// root of its weight has a variance near one.
#[derive(Debug, Clone, Default)]
pub struct Residuals {
    pub d: usize,
    pub values: Vec<f32>,
    pub weights: Vec<f32>,
}

impl Scale {
    /// From a sample of the dataset's images. Grey images have one plane, others three.
    pub fn of<'a>(planes: impl Iterator<Item = &'a Planes> + Clone, grid: Grid) -> Scale {
        let coloured = planes.clone().any(|p| p.colour.iter().chain(&p.tint).any(|c| c.unsigned_abs() > 1));
        let kept: Vec<&Planes> = planes.take(MEDIAN_OF).collect();
        let floors = (0..if coloured { 3 } else { 1 }).map(|plane| {
            let mut energies: Vec<f32> = kept.iter().flat_map(|p| energies(&laplacian(p, plane, grid), grid)).collect();
            let at = energies.len() / 2;
            let median = if energies.is_empty() { 0.0 } else { *energies.select_nth_unstable_by(at, f32::total_cmp).1 };
            (FLOOR.0 * f64::from(median) + FLOOR.1) as f32
        });
        Scale { floors: floors.collect() }
    }
    pub fn dimensions(&self, grid: Grid) -> usize {
        self.floors.len() * grid.width * grid.height
    }
    pub fn planes(&self) -> usize {
        self.floors.len()
    }
    /// Appends one image.
    pub fn write(&self, planes: &Planes, grid: Grid, out: &mut Residuals) {
        out.d = self.dimensions(grid);
        for (plane, floor) in self.floors.iter().enumerate() {
            let values = laplacian(planes, plane, grid);
            out.weights.extend(energies(&values, grid).into_iter().map(|v| 1.0 / (v + floor)));
            out.values.extend(values);
        }
    }
}

impl Residuals {
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.d).unwrap_or(0)
    }
    pub fn value(&self, row: usize) -> &[f32] {
        &self.values[row * self.d..(row + 1) * self.d]
    }
    pub fn weight(&self, row: usize) -> &[f32] {
        &self.weights[row * self.d..(row + 1) * self.d]
    }
}

/// Cells above, below, left and right; the border repeats itself.
fn beside(grid: Grid, x: usize, y: usize) -> [usize; 4] {
    let at = |x: usize, y: usize| y * grid.width + x;
    let (right, below) = ((x + 1).min(grid.width - 1), (y + 1).min(grid.height - 1));
    [at(x, y.saturating_sub(1)), at(x, below), at(x.saturating_sub(1), y), at(right, y)]
}

fn laplacian(planes: &Planes, plane: usize, grid: Grid) -> Vec<f32> {
    let cell = |i: usize| match plane {
        0 => f32::from(planes.grey[i]),
        1 => f32::from(planes.colour[i]),
        _ => f32::from(planes.tint[i]),
    };
    let places = (0..grid.height).flat_map(|y| (0..grid.width).map(move |x| (x, y)));
    places.map(|(x, y)| cell(y * grid.width + x) - beside(grid, x, y).map(cell).iter().sum::<f32>() / 4.0).collect()
}

/// Mean square over 3 x 3 places; the border repeats itself.
fn energies(values: &[f32], grid: Grid) -> Vec<f32> {
    let (w, h) = (grid.width, grid.height);
    let across: Vec<f32> = values
        .chunks_exact(w)
        .flat_map(|row| {
            (0..w).map(move |x| {
                let square = |x: usize| row[x] * row[x];
                square(x.saturating_sub(1)) + square(x) + square((x + 1).min(w - 1))
            })
        })
        .collect();
    let down = |y: usize, x: usize| (across[y.saturating_sub(1) * w + x] + across[y * w + x] + across[(y + 1).min(h - 1) * w + x]) / 9.0;
    (0..h).flat_map(|y| (0..w).map(move |x| down(y, x))).collect()
}

/// The picture whose residuals these are, up to a constant: the discrete Poisson equation, relaxed.
pub fn integrated(values: &[f32], grid: Grid) -> Vec<f32> {
    const SWEEPS: usize = 400;
    let mut picture = vec![0f32; values.len()];
    for _ in 0..SWEEPS {
        for y in 0..grid.height {
            for x in 0..grid.width {
                let at = y * grid.width + x;
                let around = beside(grid, x, y);
                // A border cell is its own neighbour; the equation is solved for what is not.
                let (mut sum, mut others) = (0.0, 0.0);
                for n in around.into_iter().filter(|n| *n != at) {
                    sum += picture[n];
                    others += 1.0;
                }
                if others > 0.0 {
                    picture[at] = (4.0 * values[at] + sum) / others;
                }
            }
        }
        let mean = picture.iter().sum::<f32>() / picture.len().max(1) as f32;
        picture.iter_mut().for_each(|v| *v -= mean);
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::image::Raster;

    const GRID: Grid = Grid { width: 12, height: 9 };

    fn planes(f: impl Fn(usize, usize) -> u32) -> Planes {
        let pixels = (0..GRID.height).flat_map(|y| (0..GRID.width).map(move |x| (x, y))).map(|(x, y)| f(x, y)).collect();
        Planes::of(&Raster { width: GRID.width, height: GRID.height, pixels, animated: false }, GRID)
    }
    fn grey(v: usize) -> u32 {
        v as u32 * 0x01_0101
    }

    #[test]
    fn a_slope_has_no_residual_but_at_the_border() {
        let mut out = Residuals::default();
        let slope = planes(|x, y| grey(10 * x + 3 * y));
        let scale = Scale::of([&slope].into_iter(), GRID);
        scale.write(&slope, GRID, &mut out);
        assert_eq!((scale.planes(), out.d, out.rows()), (1, 108, 1));
        let inside = |i: &usize| (1..11).contains(&(i % 12)) && (1..8).contains(&(i / 12));
        assert!((0..108).filter(inside).all(|i| out.value(0)[i] == 0.0));
        assert_eq!(out.value(0)[5 * 12], -2.5);
    }

    #[test]
    fn a_dot_weighs_less_than_the_plain_around_it() {
        let mut out = Residuals::default();
        let dot = planes(|x, y| grey(if (x, y) == (6, 4) { 140 } else { 100 }));
        Scale::of([&dot].into_iter(), GRID).write(&dot, GRID, &mut out);
        assert_eq!(out.value(0)[4 * 12 + 6], 40.0);
        assert_eq!(out.value(0)[4 * 12 + 7], -10.0);
        // (40^2 + 4 * 10^2) / 9 + 0.5
        assert!((1.0 / out.weight(0)[4 * 12 + 6] - 222.72).abs() < 0.01);
        assert_eq!(out.weight(0)[0], 2.0);
    }

    #[test]
    fn coloured_images_have_three_planes() {
        let red = planes(|x, _| if x == 3 { 0xc8_6464 } else { 0x64_6464 });
        let scale = Scale::of([&red].into_iter(), GRID);
        let mut out = Residuals::default();
        scale.write(&red, GRID, &mut out);
        assert_eq!((scale.planes(), out.d), (3, 324));
        assert!(out.value(0)[108..216].iter().any(|v| *v != 0.0));
    }

    #[test]
    fn a_picture_comes_back_from_its_residuals() {
        let picture = planes(|x, y| grey(100 + 5 * ((x * x + 3 * y) % 11)));
        let values = laplacian(&picture, 0, GRID);
        let back = integrated(&values, GRID);
        let mean = picture.grey.iter().map(|v| f32::from(*v)).sum::<f32>() / 108.0;
        let worst = back.iter().zip(&picture.grey).map(|(b, v)| (b - (f32::from(*v) - mean)).abs()).fold(0.0, f32::max);
        assert!(worst < 0.5, "{worst}");
    }

    #[test]
    fn one_cell_is_its_own_surrounding() {
        let grid = Grid { width: 1, height: 1 };
        let one = Planes::of(&Raster { width: 1, height: 1, pixels: vec![0xff_0000], animated: false }, grid);
        let mut out = Residuals::default();
        Scale::of([&one].into_iter(), grid).write(&one, grid, &mut out);
        assert!(out.values.iter().all(|v| *v == 0.0) && integrated(&out.values[..1], grid) == [0.0]);
    }
}
