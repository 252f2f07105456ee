//! Projective maps of the plane, and their least-squares fit to correspondences.

use crate::verify::{Affine, Correspondence};

/// Maps (x, y) to (X / W, Y / W) with (X, Y, W) = matrix · (x, y, 1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Homography([[f64; 3]; 3]);

/// Rounds of least squares. The first minimizes the algebraic error; the others divide it by W and
/// so approach the distance (Hartley & Zisserman 2004, section 4.2).
const ROUNDS: usize = 3;

// === impl Homography ===

impl Homography {
    /// Fits a homography; `None` when the points do not determine one or it has a horizon among
    /// them.
    pub(super) fn least_squares(pairs: &[&Correspondence]) -> Option<Self> {
        let mut map = Self([[0.0; 3], [0.0; 3], [0.0, 0.0, 1.0]]);
        for _ in 0..ROUNDS {
            let mut normal = [[0.0; 9]; 8];
            for pair in pairs {
                let [x, y] = [pair.query.x, pair.query.y].map(f64::from);
                let [u, v] = [pair.library.x, pair.library.y].map(f64::from);
                let weight = f64::from(pair.weight) / map.depth(x, y).powi(2);
                accumulate(
                    &mut normal,
                    [x, y, 1.0, 0.0, 0.0, 0.0, -x * u, -y * u, u],
                    weight,
                );
                accumulate(
                    &mut normal,
                    [0.0, 0.0, 0.0, x, y, 1.0, -x * v, -y * v, v],
                    weight,
                );
            }
            let [a, b, c, d, e, f, g, h] = solve(normal)?;
            map = Self([[a, b, c], [d, e, f], [g, h, 1.0]]);
            let is_before_horizon =
                |pair: &&Correspondence| map.depth(pair.query.x.into(), pair.query.y.into()) > 0.1;
            if !pairs.iter().all(is_before_horizon) {
                return None;
            }
        }
        Some(map)
    }

    /// Makes a map that scales by `factors` and then shifts by `by` in both directions.
    pub(super) fn scaling(factors: [f64; 2], by: f64) -> Self {
        Self([
            [factors[0], 0.0, by],
            [0.0, factors[1], by],
            [0.0, 0.0, 1.0],
        ])
    }

    /// Returns the map that applies this one after another.
    pub(super) fn after(&self, first: &Self) -> Self {
        let (second, first) = (&self.0, &first.0);
        let entry = |row: usize, column: usize| {
            (0..3)
                .map(|k| second[row][k] * first[k][column])
                .sum::<f64>()
        };
        Self([0, 1, 2].map(|row| [0, 1, 2].map(|column| entry(row, column))))
    }

    /// Returns the inverse map; `None` when the map is singular.
    pub(super) fn inverse(&self) -> Option<Self> {
        let m = &self.0;
        let minor = |row: usize, column: usize| {
            let [r, s] = [(row + 1) % 3, (row + 2) % 3];
            let [c, d] = [(column + 1) % 3, (column + 2) % 3];
            m[r][c] * m[s][d] - m[r][d] * m[s][c]
        };
        let determinant: f64 = (0..3).map(|column| m[0][column] * minor(0, column)).sum();
        if determinant.abs() < 1e-12 {
            return None;
        }
        Some(Self([0, 1, 2].map(|row| {
            [0, 1, 2].map(|column| minor(column, row) / determinant)
        })))
    }

    /// Applies the map.
    pub(super) fn apply(&self, x: f32, y: f32) -> (f32, f32) {
        let m = self.0.map(|row| row.map(|entry| entry as f32));
        let depth = m[2][0] * x + m[2][1] * y + m[2][2];
        (
            (m[0][0] * x + m[0][1] * y + m[0][2]) / depth,
            (m[1][0] * x + m[1][1] * y + m[1][2]) / depth,
        )
    }

    fn depth(&self, x: f64, y: f64) -> f64 {
        self.0[2][0] * x + self.0[2][1] * y + self.0[2][2]
    }
}

impl From<&Affine> for Homography {
    fn from(affine: &Affine) -> Self {
        let [a, b, c, d, e, f] = affine.0.map(f64::from);
        Self([[a, b, c], [d, e, f], [0.0, 0.0, 1.0]])
    }
}

/// Adds an equation, eight coefficients and the right side, to the normal equations.
fn accumulate(normal: &mut [[f64; 9]; 8], equation: [f64; 9], weight: f64) {
    for (row, coefficient) in normal.iter_mut().zip(equation) {
        for (sum, other) in row.iter_mut().zip(equation) {
            *sum += weight * coefficient * other;
        }
    }
}

/// Solves eight linear equations by Gaussian elimination with pivots; `None` when they are
/// singular.
fn solve(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot =
            (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        if rows[column][column].abs() < 1e-12 {
            return None;
        }
        let pivot = rows[column];
        for (at, row) in rows.iter_mut().enumerate() {
            if at != column {
                let factor = row[column] / pivot[column];
                row.iter_mut()
                    .zip(pivot)
                    .for_each(|(value, other)| *value -= factor * other);
            }
        }
    }
    let mut at = 0;
    Some(rows.map(|row| {
        at += 1;
        row[8] / row[at - 1]
    }))
}
