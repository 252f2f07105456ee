//! Affine maps of the plane, and their least-squares fit to correspondences.

use crate::features::Keypoint;

use super::correspondence::Correspondence;

/// Maps (x, y) to (a·x + b·y + c, d·x + e·y + f).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [f32; 6]);

// === impl Affine ===

impl Affine {
    /// Returns the similarity that maps one keypoint to another, with scale and angle.
    pub(super) fn from_keypoints(from: &Keypoint, to: &Keypoint) -> Self {
        let scale = to.sigma / from.sigma;
        let (sine, cosine) = (to.angle - from.angle).sin_cos();
        let (p, q) = (scale * cosine, scale * sine);
        Self([
            p,
            -q,
            to.x - p * from.x + q * from.y,
            q,
            p,
            to.y - q * from.x - p * from.y,
        ])
    }

    /// Applies the map.
    pub fn apply(&self, x: f32, y: f32) -> (f32, f32) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + b * y + c, d * x + e * y + f)
    }

    /// Returns the factor by which areas grow; negative when the map mirrors.
    pub fn determinant(&self) -> f32 {
        self.0[0] * self.0[4] - self.0[1] * self.0[3]
    }

    /// Returns the inverse map; `None` when the map is singular.
    pub fn inverse(&self) -> Option<Self> {
        let [a, b, c, d, e, f] = self.0;
        let determinant = self.determinant();
        if determinant.abs() < 1e-12 {
            return None;
        }
        let (p, q, r, s) = (
            e / determinant,
            -b / determinant,
            -d / determinant,
            a / determinant,
        );
        Some(Self([p, q, -(p * c + q * f), r, s, -(r * c + s * f)]))
    }

    /// Returns the angle of the nearest rotation in radians.
    pub(super) fn rotation(&self) -> f32 {
        (self.0[3] - self.0[1]).atan2(self.0[0] + self.0[4])
    }

    /// Returns the ratio of the larger to the smaller singular value, 1 or more.
    pub(crate) fn anisotropy(&self) -> f32 {
        let [a, b, _, d, e, _] = self.0;
        // Singular values of a 2 × 2 matrix: half the sum and half the difference of these two
        // lengths.
        let (kept, mirrored) = ((a + e).hypot(b - d), (a - e).hypot(b + d));
        (kept + mirrored) / (kept - mirrored).abs().max(1e-9)
    }

    /// Returns the composition of a mirroring of the query and this map.
    pub(super) fn after_mirroring(&self, width: f32) -> Self {
        let [a, b, c, d, e, f] = self.0;
        Self([-a, b, c + a * width, -d, e, f + d * width])
    }

    /// Fits a similarity (Umeyama 1991, in the plane, without mirroring); `None` when all points
    /// coincide.
    pub(super) fn similarity_least_squares(pairs: &[&Correspondence]) -> Option<Self> {
        let [qx, qy, lx, ly] = means(pairs)?;
        let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
        for pair in pairs {
            let (x, y) = (pair.query.x - qx, pair.query.y - qy);
            let (u, v) = (pair.library.x - lx, pair.library.y - ly);
            along += pair.weight * (x * u + y * v);
            across += pair.weight * (x * v - y * u);
            spread += pair.weight * (x * x + y * y);
        }
        if spread < 1e-9 {
            return None;
        }
        let (p, q) = (along / spread, across / spread);
        Some(Self([
            p,
            -q,
            lx - p * qx + q * qy,
            q,
            p,
            ly - q * qx - p * qy,
        ]))
    }

    /// Fits an affine map; `None` when the points are collinear.
    pub(crate) fn least_squares(pairs: &[&Correspondence]) -> Option<Self> {
        let [qx, qy, lx, ly] = means(pairs)?;
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        let (mut xu, mut yu, mut xv, mut yv) = (0.0, 0.0, 0.0, 0.0);
        for pair in pairs {
            let (x, y) = (pair.query.x - qx, pair.query.y - qy);
            let (u, v) = (pair.library.x - lx, pair.library.y - ly);
            let weight = pair.weight;
            xx += weight * x * x;
            xy += weight * x * y;
            yy += weight * y * y;
            xu += weight * x * u;
            yu += weight * y * u;
            xv += weight * x * v;
            yv += weight * y * v;
        }
        let determinant = xx * yy - xy * xy;
        if determinant < 1e-6 * (xx + yy) * (xx + yy) {
            return None;
        }
        let solve = |x: f32, y: f32| {
            (
                (x * yy - y * xy) / determinant,
                (y * xx - x * xy) / determinant,
            )
        };
        let ((a, b), (d, e)) = (solve(xu, yu), solve(xv, yv));
        Some(Self([
            a,
            b,
            lx - a * qx - b * qy,
            d,
            e,
            ly - d * qx - e * qy,
        ]))
    }
}

/// Returns the weighted mean points: query x and y, library x and y.
fn means(pairs: &[&Correspondence]) -> Option<[f32; 4]> {
    let total: f32 = pairs.iter().map(|pair| pair.weight).sum();
    let mut sums = [0.0; 4];
    for pair in pairs {
        let values = [pair.query.x, pair.query.y, pair.library.x, pair.library.y];
        sums.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += pair.weight * value);
    }
    (total > 0.0).then(|| sums.map(|sum| sum / total))
}
