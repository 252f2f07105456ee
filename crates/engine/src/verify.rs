//! Geometric verification: do the matches of an image agree on one way to lay it over the query?
//!
//! Each match alone gives a similarity, because features carry scale and angle → the seed on which
//! most others agree → four rounds of least squares with a shrinking tolerance, a similarity first,
//! an affine map from six inliers → inliers that are one-to-one and spatially distinct → evidence.
//! Sources: Lowe 2004, section 7.4 (affine least squares from clustered matches); Philbin et al.
//! 2007, section 3.3 (one correspondence gives a hypothesis); engine design, section 2. Knows
//! places and distances only, no descriptors and no index. Cost: seeds × matches per image, below
//! 0.1 ms for an image that does not match.

#![allow(
    clippy::cast_possible_truncation,
    reason = "places are rounded to cells of a small grid"
)]

mod fit;
mod overlap;

use std::collections::HashSet;
use std::f32::consts::{PI, TAU};

use crate::features::Place;

pub use fit::Affine;
pub use overlap::Overlap;

/// Largest error of a seed, in diagonals of the library image (engine design, section 2).
const SEED_TOLERANCE: f32 = 0.045;
/// The same after the last round.
const LAST_TOLERANCE: f32 = 0.0125;
/// Rounds of least squares.
const ROUNDS: usize = 4;
/// Largest difference of scales in octaves.
const SCALE_TOLERANCE: f32 = 0.8;
/// Largest difference of angles in radians: 30°.
const ANGLE_TOLERANCE: f32 = PI / 6.0;
/// Seeds tried per image, the nearest matches first.
const SEEDS: usize = 60;
/// Inliers from which an affine map is fitted.
const AFFINE_FROM: usize = 6;
/// Largest ratio of the stretches of an affine map: an image seen from 65° aside.
const ANISOTROPY: f32 = 2.5;
/// Cells along the longest side in which at most one inlier counts: 4 pixels of a query, 3 of a
/// library image.
const QUERY_CELLS: f32 = 240.0;
const LIBRARY_CELLS: f32 = 213.0;

/// Describes the shape of an image whose longest side has the length 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Width, in (0, 1].
    pub width: f32,
    /// Height, in (0, 1].
    pub height: f32,
}

/// Says in which form the query was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Left and right are exchanged.
    pub mirrored: bool,
    /// Colours are inverted.
    pub inverted: bool,
}

/// Holds a query feature and a library feature that look alike.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Number of the query feature; a feature may be in several pairs.
    pub feature: u16,
    /// Distance of the signatures in bits.
    pub distance: u8,
    /// Place in the query in the form that was compared (see [`Form::place`]).
    pub query: Place,
    /// Place in the library image.
    pub library: Place,
    /// Weight of the pair in (0, 1], falling with the distance.
    pub closeness: f32,
}

/// Says how a library image lies in the query.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// Maps query places (as given, not mirrored) to library places, both in parts of the longest
    /// side.
    pub affine: Affine,
    /// The form in which the query was compared.
    pub form: Form,
    /// Number of distinct inliers.
    pub inliers: usize,
    /// Sum of the closeness of the inliers.
    pub evidence: f32,
    /// Where the images cover each other.
    pub overlap: Overlap,
}

/// Finds the alignment with the most evidence; `None` when not even three pairs agree.
pub fn align(pairs: &[Pair], query: Frame, library: Frame, form: Form) -> Option<Alignment> {
    let diagonal = library.width.hypot(library.height);
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by_key(|&at| pairs[at].distance);
    let mut best: Option<(f32, Vec<&Pair>, Affine)> = None;
    let mut best_seed = 0.0;
    for &seed in order.iter().take(SEEDS) {
        let map = Affine::from_places(&pairs[seed].query, &pairs[seed].library);
        let agreeing = support(pairs, &map, SEED_TOLERANCE * diagonal);
        if agreeing <= best_seed {
            continue;
        }
        best_seed = agreeing;
        let Some((map, inliers)) = refine(pairs, map, diagonal) else {
            continue;
        };
        let evidence = inliers.iter().map(|pair| pair.closeness).sum();
        if best.as_ref().is_none_or(|(most, ..)| evidence > *most) {
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
    Some(Alignment {
        affine,
        form,
        inliers: inliers.len(),
        evidence,
        overlap,
    })
}

/// Sums the closeness of the pairs that agree with a map, each query feature once.
fn support(pairs: &[Pair], map: &Affine, tolerance: f32) -> f32 {
    let check = Check::new(map, tolerance);
    let mut sum = 0.0;
    let mut last = None;
    for pair in pairs {
        if last != Some(pair.feature) && check.agrees(pair) {
            sum += pair.closeness;
            last = Some(pair.feature);
        }
    }
    sum
}

fn refine(pairs: &[Pair], mut map: Affine, diagonal: f32) -> Option<(Affine, Vec<&Pair>)> {
    let shrink = (LAST_TOLERANCE / SEED_TOLERANCE).powf(1.0 / ROUNDS as f32);
    let mut tolerance = SEED_TOLERANCE;
    let mut inliers = distinct(pairs, &map, tolerance * diagonal);
    for _ in 0..ROUNDS {
        let fitted = if inliers.len() >= AFFINE_FROM {
            Affine::least_squares(&inliers)
        } else {
            None
        };
        map = fitted
            .filter(|fitted| fitted.determinant() > 0.0 && fitted.anisotropy() <= ANISOTROPY)
            .or_else(|| Affine::similarity_least_squares(&inliers))?;
        tolerance *= shrink;
        inliers = distinct(pairs, &map, tolerance * diagonal);
        if inliers.len() < 3 {
            return None;
        }
    }
    Some((map, inliers))
}

/// Returns the agreeing pairs, the nearest first, no two of them in the same cell of either
/// image.
fn distinct<'a>(pairs: &'a [Pair], map: &Affine, tolerance: f32) -> Vec<&'a Pair> {
    let check = Check::new(map, tolerance);
    let mut inliers: Vec<&Pair> = pairs.iter().filter(|pair| check.agrees(pair)).collect();
    inliers.sort_by_key(|pair| pair.distance);
    let cell = |place: &Place, cells: f32| ((place.x * cells) as i32, (place.y * cells) as i32);
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

/// Tests pairs against a map: position, scale and angle.
struct Check<'a> {
    map: &'a Affine,
    tolerance_squared: f32,
    least_scale: f32,
    largest_scale: f32,
    turn: f32,
}

impl<'a> Check<'a> {
    fn new(map: &'a Affine, tolerance: f32) -> Self {
        let scale = map.determinant().abs().sqrt();
        Self {
            map,
            tolerance_squared: tolerance * tolerance,
            least_scale: scale * (-SCALE_TOLERANCE).exp2(),
            largest_scale: scale * SCALE_TOLERANCE.exp2(),
            turn: map.turn(),
        }
    }

    fn agrees(&self, pair: &Pair) -> bool {
        let (x, y) = self.map.apply(pair.query.x, pair.query.y);
        let error = (x - pair.library.x).powi(2) + (y - pair.library.y).powi(2);
        if error > self.tolerance_squared {
            return false;
        }
        let scale = pair.library.sigma / pair.query.sigma;
        let turned = pair.library.angle - pair.query.angle - self.turn;
        let off = (turned + PI).rem_euclid(TAU) - PI;
        (self.least_scale..=self.largest_scale).contains(&scale) && off.abs() <= ANGLE_TOLERANCE
    }
}

// === impl Frame ===

impl Frame {
    /// Makes the frame of an image with sides in pixels.
    pub fn new(width: u32, height: u32) -> Self {
        let longest = width.max(height).max(1) as f32;
        Self {
            width: width as f32 / longest,
            height: height as f32 / longest,
        }
    }
}

// === impl Form ===

impl Form {
    /// Moves a place of the query to where it is in this form of the query.
    pub fn place(self, place: Place, query: Frame) -> Place {
        let mut place = place;
        if self.inverted {
            place.angle += PI;
        }
        if self.mirrored {
            place.x = query.width - place.x;
            place.angle = PI - place.angle;
        }
        place
    }
}

#[cfg(test)]
mod tests;
