//! Compares a thumbnail with the warped query, cell by cell.
//!
//! Both are halved and high-passed, so that light, glare and shadows do not count. A cell's value
//! is its best normalised cross-correlation over small shifts, which allow for an alignment that
//! is off by a few pixels.

use multiversion::multiversion;

use super::warp::WarpedPair;

/// Sides of a cell and distance of neighbouring cells, in pixels of the halved raster.
const CELL: usize = 12;
const STEP: usize = 6;
/// Maximum shift in each direction.
const SHIFT: usize = 2;
/// Sigma of the Gaussian that the high-pass filter subtracts.
const SIGMA: f32 = 5.0;
const RADIUS: usize = 15;
/// Minimum fraction of a cell that the query shows.
const MIN_VALID: f32 = 0.95;
/// Minimum standard deviation of a cell of the thumbnail, in grey levels. The query's is not
/// tested: glare, which hides detail, would count as agreement.
const MIN_DEVIATION: f32 = 3.0;
/// Added to each variance, so that noise does not correlate.
const NOISE: f32 = 4.0;
/// Minimum number of cells.
const MIN_CELLS: usize = 8;

/// A plane of the halved raster.
struct Half {
    width: usize,
    height: usize,
    data: Vec<f32>,
}

/// Pixels of a cell, row by row.
type Cell = [[f32; CELL]; CELL];
const AREA: f32 = (CELL * CELL) as f32;

/// Returns the correlation of each cell with detail, in [0, 1]; `None` when there are fewer than
/// [`MIN_CELLS`].
pub(super) fn cells(pair: &WarpedPair) -> Option<Vec<f32>> {
    if pair.width.min(pair.height) / 2 < CELL {
        return None;
    }
    let half = |data: &[f32]| Half::of(data, pair.width, pair.height);
    let mask = half(&pair.mask);
    let blurred_mask = mask.blurred();
    let stored = half(&pair.stored).high_pass(&mask, &blurred_mask);
    let query = half(&pair.query).high_pass(&mask, &blurred_mask);
    let mut cells = Vec::new();
    for y in (0..=mask.height.saturating_sub(CELL)).step_by(STEP) {
        for x in (0..=mask.width.saturating_sub(CELL)).step_by(STEP) {
            let valid: f32 = mask.cell(x, y).iter().flatten().sum();
            if valid >= MIN_VALID * AREA {
                cells.extend(best_correlation(&stored.cell(x, y), &query, [x, y]));
            }
        }
    }
    (cells.len() >= MIN_CELLS).then_some(cells)
}

/// Returns the best correlation over shifts of the query; `None` when the thumbnail has no detail.
fn best_correlation(stored: &Cell, query: &Half, at: [usize; 2]) -> Option<f32> {
    let mean = stored.iter().flatten().sum::<f32>() / AREA;
    let stored = stored.map(|row| row.map(|value| value - mean));
    let variance = stored
        .iter()
        .flatten()
        .map(|value| value * value)
        .sum::<f32>()
        / AREA;
    if variance < MIN_DEVIATION * MIN_DEVIATION {
        return None;
    }
    let starts = |at: usize, side: usize| at.saturating_sub(SHIFT)..=(at + SHIFT).min(side - CELL);
    let mut best = 0.0_f32;
    for y in starts(at[1], query.height) {
        for x in starts(at[0], query.width) {
            let [sum, squares, products] = moments(&stored, query, [x, y]);
            let mean = sum / AREA;
            let spread = (squares / AREA - mean * mean).max(0.0) + NOISE;
            best = best.max(products / AREA / ((variance + NOISE) * spread).sqrt());
        }
    }
    Some(best.min(1.0))
}

/// Sums a cell of the query, its squares, and its products with a cell of the thumbnail. In
/// columns, so that the compiler vectorizes.
#[multiversion(targets("x86_64+avx2"))]
fn moments(stored: &Cell, query: &Half, [x, y]: [usize; 2]) -> [f32; 3] {
    let mut sums = [[0.0_f32; CELL]; 3];
    for (row, stored) in stored.iter().enumerate() {
        let start = (y + row) * query.width + x;
        let query = &query.data[start..start + CELL];
        for column in 0..CELL {
            sums[0][column] += query[column];
            sums[1][column] += query[column] * query[column];
            sums[2][column] += query[column] * stored[column];
        }
    }
    sums.map(|columns| columns.iter().sum())
}

// === impl Half ===

impl Half {
    /// Halves a plane: each pixel is the mean of four.
    fn of(data: &[f32], width: usize, height: usize) -> Self {
        let mut half = Self {
            width: width / 2,
            height: height / 2,
            data: Vec::with_capacity(width * height / 4),
        };
        for rows in data.chunks_exact(2 * width) {
            let (upper, lower) = rows.split_at(width);
            let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            half.data
                .extend(pairs.map(|(a, b)| 0.25 * (a[0] + a[1] + b[0] + b[1])));
        }
        half
    }

    fn cell(&self, x: usize, y: usize) -> Cell {
        std::array::from_fn(|row| {
            let start = (y + row) * self.width + x;
            std::array::from_fn(|column| self.data[start + column])
        })
    }

    /// Subtracts the local mean of what the mask shows. The plane is 0 where the mask is.
    fn high_pass(mut self, mask: &Self, blurred_mask: &Self) -> Self {
        let blurred = self.blurred();
        let means = blurred.data.iter().zip(&blurred_mask.data);
        for ((value, mask), (mean, weight)) in self.data.iter_mut().zip(&mask.data).zip(means) {
            // Pixels that are partly outside the query are dark by that part.
            *value = if *mask > 0.0 {
                *value / mask - mean / weight
            } else {
                0.0
            };
        }
        self
    }

    /// Convolves with a Gaussian; outside is 0.
    fn blurred(&self) -> Self {
        let kernel: [f32; 2 * RADIUS + 1] =
            std::array::from_fn(|at| (-0.5 * ((at as f32 - RADIUS as f32) / SIGMA).powi(2)).exp());
        let sum: f32 = kernel.iter().sum();
        let kernel = kernel.map(|weight| weight / sum);
        let mut across = self.black();
        let rows = across.data.chunks_exact_mut(self.width);
        for (target, source) in rows.zip(self.data.chunks_exact(self.width)) {
            for (at, weight) in kernel.iter().enumerate() {
                let to = RADIUS.saturating_sub(at)..;
                let from = at.saturating_sub(RADIUS)..;
                if let (Some(target), Some(source)) = (target.get_mut(to), source.get(from)) {
                    add_scaled(target, source, *weight);
                }
            }
        }
        let mut blurred = self.black();
        for (y, target) in blurred.data.chunks_exact_mut(self.width).enumerate() {
            for (at, weight) in kernel.iter().enumerate() {
                let row = (y + at)
                    .checked_sub(RADIUS)
                    .filter(|row| *row < self.height);
                if let Some(row) = row {
                    let source = &across.data[row * self.width..(row + 1) * self.width];
                    add_scaled(target, source, *weight);
                }
            }
        }
        blurred
    }

    fn black(&self) -> Self {
        Self {
            width: self.width,
            height: self.height,
            data: vec![0.0; self.data.len()],
        }
    }
}

/// Adds a row times a factor to another, as far as both reach.
#[multiversion(targets("x86_64+avx2"))]
fn add_scaled(target: &mut [f32], source: &[f32], factor: f32) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}
