//! Geometric verification: finds the alignment of an image with the query on which matches agree.
//!
//! One correspondence gives a similarity transform, because keypoints have scale and angle → the
//! hypothesis with the best support → four rounds of least squares with decreasing tolerance, first
//! a similarity, from six inliers on an affine map → inliers that are one-to-one and spatially
//! distinct → evidence. Sources: Lowe 2004, section 7.4 (affine least squares from clustered
//! matches); Philbin et al. 2007, section 3.3 (one correspondence gives a hypothesis); engine
//! design, section 2. This module uses keypoints and distances, no descriptors and no index. Cost:
//! hypotheses × correspondences per image, below 0.1 ms for an image that does not match.

#![allow(
    clippy::cast_possible_truncation,
    reason = "keypoints are rounded to cells of a small grid"
)]

mod affine;
mod correspondence;
mod overlap;

use std::collections::HashSet;
use std::f32::consts::{PI, TAU};

use crate::features::Keypoint;

pub use affine::Affine;
pub use correspondence::{Correspondence, ImageShape, QueryForm};
pub use overlap::Overlap;

/// Maximum error of an inlier of a hypothesis, in diagonals of the library image (engine design,
/// section 2).
const FIRST_TOLERANCE: f32 = 0.045;
/// Maximum error of an inlier after the last round.
const LAST_TOLERANCE: f32 = 0.0125;
/// Rounds of least squares.
const ROUNDS: usize = 4;
/// Maximum difference of scales in octaves.
const SCALE_TOLERANCE: f32 = 0.8;
/// Maximum difference of angles in radians: 30°.
const ANGLE_TOLERANCE: f32 = PI / 6.0;
/// Maximum number of hypotheses per image, those of the nearest matches.
const MAX_HYPOTHESES: usize = 60;
/// Minimum number of inliers to fit an affine map.
const MIN_AFFINE_INLIERS: usize = 6;
/// Maximum ratio of the singular values of an affine map: an image seen at an angle of 65°.
const MAX_ANISOTROPY: f32 = 2.5;
/// Cells along the longer side; only one inlier per cell counts. A cell is 4 pixels of a query, 3
/// of a library image.
const QUERY_CELLS: f32 = 240.0;
const LIBRARY_CELLS: f32 = 213.0;

/// The alignment of a library image with the query.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// Maps points of the query (as given, not mirrored) to points of the library image, both in
    /// fractions of the longer side.
    pub affine: Affine,
    /// The form in which the query was compared.
    pub form: QueryForm,
    /// The distinct inliers, the nearest first; keypoints of the query as given, not mirrored.
    pub inliers: Vec<Correspondence>,
    /// Sum of the weights of the inliers.
    pub evidence: f32,
    /// The part that both images show.
    pub overlap: Overlap,
}

/// Finds the alignment with the highest evidence; `None` when fewer than three correspondences
/// agree.
pub fn align(
    correspondences: &[Correspondence],
    query: ImageShape,
    library: ImageShape,
    form: QueryForm,
) -> Option<Alignment> {
    let diagonal = library.width.hypot(library.height);
    let mut order: Vec<usize> = (0..correspondences.len()).collect();
    order.sort_by_key(|&at| correspondences[at].distance);
    let mut best: Option<(f32, Vec<&Correspondence>, Affine)> = None;
    let mut best_support = 0.0;
    for &at in order.iter().take(MAX_HYPOTHESES) {
        let map = Affine::from_keypoints(&correspondences[at].query, &correspondences[at].library);
        let support = support(correspondences, &map, FIRST_TOLERANCE * diagonal);
        if support <= best_support {
            continue;
        }
        best_support = support;
        let Some((map, inliers)) = refine(correspondences, map, diagonal) else {
            continue;
        };
        let evidence = inliers.iter().map(|inlier| inlier.weight).sum();
        if best.as_ref().is_none_or(|(best, ..)| evidence > *best) {
            best = Some((evidence, inliers, map));
        }
    }
    let (evidence, inliers, map) = best?;
    let affine = if form.mirrored {
        map.after_mirroring(query.width)
    } else {
        map
    };
    let overlap = Overlap::new(&affine, query, library)?;
    let as_given = |pair: &Correspondence| Correspondence {
        // Mirroring is its own inverse; angles are not used any more.
        query: form.apply(pair.query, query),
        ..*pair
    };
    Some(Alignment {
        affine,
        form,
        inliers: inliers.into_iter().map(as_given).collect(),
        evidence,
        overlap,
    })
}

/// Sums the weights of the correspondences that agree with a map, each query feature once.
fn support(correspondences: &[Correspondence], map: &Affine, tolerance: f32) -> f32 {
    let check = InlierTest::new(map, tolerance);
    let mut sum = 0.0;
    let mut last = None;
    for pair in correspondences {
        if last != Some(pair.feature) && check.agrees(pair) {
            sum += pair.weight;
            last = Some(pair.feature);
        }
    }
    sum
}

fn refine(
    correspondences: &[Correspondence],
    mut map: Affine,
    diagonal: f32,
) -> Option<(Affine, Vec<&Correspondence>)> {
    let shrink = (LAST_TOLERANCE / FIRST_TOLERANCE).powf(1.0 / ROUNDS as f32);
    let mut tolerance = FIRST_TOLERANCE;
    let mut inliers = distinct(correspondences, &map, tolerance * diagonal);
    for _ in 0..ROUNDS {
        let fitted = if inliers.len() >= MIN_AFFINE_INLIERS {
            Affine::least_squares(&inliers)
        } else {
            None
        };
        map = fitted
            .filter(|fitted| fitted.determinant() > 0.0 && fitted.anisotropy() <= MAX_ANISOTROPY)
            .or_else(|| Affine::similarity_least_squares(&inliers))?;
        tolerance *= shrink;
        inliers = distinct(correspondences, &map, tolerance * diagonal);
        if inliers.len() < 3 {
            return None;
        }
    }
    Some((map, inliers))
}

/// Returns the correspondences that agree with a map, the nearest first, and of each cell of either
/// image only one.
fn distinct<'a>(
    correspondences: &'a [Correspondence],
    map: &Affine,
    tolerance: f32,
) -> Vec<&'a Correspondence> {
    let check = InlierTest::new(map, tolerance);
    let mut inliers: Vec<&Correspondence> = correspondences
        .iter()
        .filter(|pair| check.agrees(pair))
        .collect();
    inliers.sort_by_key(|pair| pair.distance);
    let cell = |point: &Keypoint, cells: f32| ((point.x * cells) as i32, (point.y * cells) as i32);
    let (mut in_query, mut in_library) = (HashSet::new(), HashSet::new());
    inliers.retain(|pair| {
        let (query, library) = (
            cell(&pair.query, QUERY_CELLS),
            cell(&pair.library, LIBRARY_CELLS),
        );
        let free = !in_query.contains(&query) && !in_library.contains(&library);
        free && in_query.insert(query) && in_library.insert(library)
    });
    inliers
}

/// Tests whether a correspondence agrees with a map in position, scale and angle.
struct InlierTest<'a> {
    map: &'a Affine,
    tolerance_squared: f32,
    min_scale: f32,
    max_scale: f32,
    rotation: f32,
}

impl<'a> InlierTest<'a> {
    fn new(map: &'a Affine, tolerance: f32) -> Self {
        let scale = map.determinant().abs().sqrt();
        Self {
            map,
            tolerance_squared: tolerance * tolerance,
            min_scale: scale * (-SCALE_TOLERANCE).exp2(),
            max_scale: scale * SCALE_TOLERANCE.exp2(),
            rotation: map.rotation(),
        }
    }

    fn agrees(&self, pair: &Correspondence) -> bool {
        let (x, y) = self.map.apply(pair.query.x, pair.query.y);
        let error = (x - pair.library.x).powi(2) + (y - pair.library.y).powi(2);
        if error > self.tolerance_squared {
            return false;
        }
        let scale = pair.library.sigma / pair.query.sigma;
        let difference = pair.library.angle - pair.query.angle - self.rotation;
        let off = (difference + PI).rem_euclid(TAU) - PI;
        (self.min_scale..=self.max_scale).contains(&scale) && off.abs() <= ANGLE_TOLERANCE
    }
}

#[cfg(test)]
mod tests;
