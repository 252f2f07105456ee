//! The cosine transform of PDQ, and the effect of rotation and mirroring on its coefficients.
//!
//! Only the frequencies 1 to 16 of 64 are computed; frequency 0, the mean brightness, is omitted
//! (PDQ paper, section 3.2). Mirroring an image negates every other coefficient, transposing it
//! transposes them, so the eight symmetries need no second transform.

use std::f64::consts::PI;
use std::sync::LazyLock;

use super::filter::{SAMPLES, Samples};

/// Side of the block of kept frequencies (paper, section 3.2).
const FREQUENCIES: usize = 16;

/// The kept frequencies; rows are vertical frequencies.
pub(super) type Coefficients = [[f32; FREQUENCIES]; FREQUENCIES];

/// Row `i` holds the cosine of frequency `i + 1` (reference, `dct_matrix_64`).
static COSINES: LazyLock<[[f32; SAMPLES]; FREQUENCIES]> = LazyLock::new(cosines);

/// The identity first, then the rotations and mirror images.
pub(super) const DIHEDRAL: [Symmetry; 8] = {
    let mut all = [Symmetry {
        transpose: false,
        negate_rows: false,
        negate_columns: false,
    }; 8];
    let mut index = 0;
    while index < 8 {
        all[index] = Symmetry {
            transpose: index & 4 != 0,
            negate_rows: index & 2 != 0,
            negate_columns: index & 1 != 0,
        };
        index += 1;
    }
    all
};

/// One of the eight symmetries of a square.
#[derive(Clone, Copy)]
pub(super) struct Symmetry {
    /// Rows become columns.
    transpose: bool,
    /// Top and bottom are exchanged.
    negate_rows: bool,
    /// Left and right are exchanged.
    negate_columns: bool,
}

// === impl Symmetry ===

impl Symmetry {
    /// Returns the coefficients of the transformed image.
    pub(super) fn apply(self, source: &Coefficients) -> Coefficients {
        let mut result = [[0.0; FREQUENCIES]; FREQUENCIES];
        for (i, row) in result.iter_mut().enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                let plain = if self.transpose {
                    source[j][i]
                } else {
                    source[i][j]
                };
                // Index 0 is frequency 1: the odd frequencies, at even indices, change sign when
                // the axis is reversed.
                let negative =
                    (self.negate_rows && i % 2 == 0) != (self.negate_columns && j % 2 == 0);
                *value = if negative { -plain } else { plain };
            }
        }
        result
    }
}

/// Computes the 16 × 16 lowest frequencies without the constant one.
pub(super) fn low_frequencies(samples: &Samples) -> Coefficients {
    let mut vertical = [[0.0; SAMPLES]; FREQUENCIES];
    for (cosine, out) in COSINES.iter().zip(&mut vertical) {
        for (weight, row) in cosine.iter().zip(samples) {
            for (sum, value) in out.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
    }
    let mut result = [[0.0; FREQUENCIES]; FREQUENCIES];
    for (row, out) in vertical.iter().zip(&mut result) {
        for (cosine, value) in COSINES.iter().zip(out) {
            *value = cosine
                .iter()
                .zip(row)
                .map(|(weight, sample)| weight * sample)
                .sum();
        }
    }
    result
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the reference computes in f32"
)]
fn cosines() -> [[f32; SAMPLES]; FREQUENCIES] {
    let scale = (2.0 / SAMPLES as f64).sqrt();
    let mut matrix = [[0.0; SAMPLES]; FREQUENCIES];
    for (i, row) in matrix.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            let angle = PI / (2.0 * SAMPLES as f64) * (i as f64 + 1.0) * (2.0 * j as f64 + 1.0);
            *value = (scale * angle.cos()) as f32;
        }
    }
    matrix
}
