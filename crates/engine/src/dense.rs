//! The dense check: compares the pixels of a stored thumbnail with those of the query.
//!
//! Local features agree wherever two images share a background, a template or a print. A copy also
//! agrees between its features. Order of events: the inliers of an alignment give their mean
//! distance and the residual of an affine fit → the query is warped onto the thumbnail (`warp`) →
//! both are compared cell by cell (`correlation`) → a log-odds of these three. Cost: 2 to 3 ms for
//! a candidate. This module does not read the store and does not decide what is a match.

#![allow(
    clippy::cast_possible_truncation,
    reason = "pixel coordinates are rounded on purpose and are in range"
)]

mod correlation;
mod homography;
mod warp;

use image::GrayImage;

use crate::verify::{Affine, Alignment, Correspondence, ImageShape};

use homography::Homography;

pub(crate) use warp::Pyramid;

/// Weights of the log-odds: a logistic regression of a prototype on 561 garments on shared floors
/// against copies of 56 kinds of attack. Checked by the calibration table of `make eval HARD=DIR`.
const BIAS: f32 = -13.455;
const DISTANCE_WEIGHT: f32 = -0.421;
const AGREEMENT_WEIGHT: f32 = 23.38;
const RESIDUAL_WEIGHT: f32 = 9.114;
/// Residual of which a copy is likely, in longer sides of the stored image. Copies of pixels have
/// 0.0004, the rounding of keypoints; other photos before the same background 0.0009 and more.
const RESIDUAL_SCALE: f32 = 0.0008;
/// Minimum number of inliers to fit a homography.
const MIN_HOMOGRAPHY_INLIERS: usize = 12;
/// Maximum ratio of the residuals of a homography and an affine map at which the homography is
/// used: it has two parameters more, so it always fits better.
const HOMOGRAPHY_GAIN: f32 = 0.85;
/// Correlation from which a cell agrees, for [`Agreement::coverage`].
const MIN_CORRELATION: f32 = 0.5;

/// An image of two tones has this minimum share of each, and of both together, in the darkest and
/// the brightest quarter of a range of this many grey levels.
const MIN_TONE: f32 = 0.2;
const MIN_TWO_TONES: f32 = 0.9;
const MIN_TONE_RANGE: usize = 100;
/// Minimum number of changes between its tones in a row, on average; the smallest QR code has 7.
const MIN_CHANGES: usize = 5;

/// How well a stored image agrees with the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Agreement {
    /// Logarithm of the odds that the images show the same content.
    pub(crate) log_odds: f32,
    /// Mean correlation of the cells, in [0, 1].
    pub(crate) agreement: f32,
    /// Fraction of the stored image's area that agrees, in [0, 1].
    pub(crate) coverage: f32,
}

/// Compares a thumbnail with the query; `None` when it has too little detail in the shared part.
pub(crate) fn compare(
    query: &mut Pyramid<'_>,
    thumbnail: &GrayImage,
    stored: ImageShape,
    alignment: &Alignment,
) -> Option<Agreement> {
    let inliers: Vec<&Correspondence> = alignment.inliers.iter().collect();
    let affine = Affine::least_squares(&inliers).unwrap_or(alignment.affine);
    let residual = median_residual(&inliers, |x, y| affine.apply(x, y));
    let map = best_map(&inliers, &affine, residual);
    let pair = warp::onto_thumbnail(query, thumbnail, stored, &map, alignment.form.inverted)?;
    let cells = correlation::cells(&pair)?;

    let agreement = cells.iter().sum::<f32>() / cells.len() as f32;
    let agreeing = cells
        .iter()
        .filter(|cell| **cell >= MIN_CORRELATION)
        .count();
    let closeness = (-(residual / RESIDUAL_SCALE).powi(2)).exp();
    Some(Agreement {
        log_odds: BIAS
            + DISTANCE_WEIGHT * mean_distance(&inliers)
            + AGREEMENT_WEIGHT * agreement
            + RESIDUAL_WEIGHT * closeness,
        agreement,
        coverage: alignment.overlap.of_library * agreeing as f32 / cells.len() as f32,
    })
}

/// Returns the map of the query to the stored image: a homography where it fits clearly better.
fn best_map(inliers: &[&Correspondence], affine: &Affine, residual: f32) -> Homography {
    let fitted = (inliers.len() >= MIN_HOMOGRAPHY_INLIERS)
        .then(|| Homography::least_squares(inliers))
        .flatten();
    fitted
        .filter(|map| median_residual(inliers, |x, y| map.apply(x, y)) < HOMOGRAPHY_GAIN * residual)
        .unwrap_or_else(|| Homography::from(affine))
}

fn mean_distance(inliers: &[&Correspondence]) -> f32 {
    let weights: f32 = inliers.iter().map(|pair| pair.weight).sum();
    let sum: f32 = inliers
        .iter()
        .map(|pair| pair.weight * f32::from(pair.distance))
        .sum();
    sum / weights.max(f32::MIN_POSITIVE)
}

/// Returns the median error of a map, in longer sides of the stored image.
fn median_residual(inliers: &[&Correspondence], map: impl Fn(f32, f32) -> (f32, f32)) -> f32 {
    let mut errors: Vec<f32> = inliers
        .iter()
        .map(|pair| {
            let (x, y) = map(pair.query.x, pair.query.y);
            (x - pair.library.x).hypot(y - pair.library.y)
        })
        .collect();
    let middle = errors.len() / 2;
    let (_, median, _) = errors.select_nth_unstable_by(middle, f32::total_cmp);
    *median
}

/// Returns whether an image has two tones only, both in large parts of it and often changing, as a
/// QR code has. A silhouette changes rarely.
pub(crate) fn is_two_tone(thumbnail: &GrayImage) -> bool {
    let mut counts = [0_u32; 256];
    for value in thumbnail.iter() {
        counts[usize::from(*value)] += 1;
    }
    let all: u32 = counts.iter().sum();
    let quantile = |part: f32| {
        let mut sum = 0;
        counts.iter().position(|count| {
            sum += count;
            sum as f32 >= part * all as f32
        })
    };
    let (Some(darkest), Some(brightest)) = (quantile(0.02), quantile(0.98)) else {
        return false;
    };
    let range = brightest - darkest;
    let share = |values: &[u32]| values.iter().sum::<u32>() as f32 / all as f32;
    let (dark, bright) = (
        share(&counts[..=darkest + range / 4]),
        share(&counts[brightest - range / 4..]),
    );
    let middle = darkest + range / 2;
    let is_bright = |value: u8| usize::from(value) > middle;
    let changes = thumbnail.rows().map(|row| {
        let tones: Vec<bool> = row.map(|pixel| is_bright(pixel.0[0])).collect();
        tones.windows(2).filter(|pair| pair[0] != pair[1]).count()
    });
    range >= MIN_TONE_RANGE
        && dark.min(bright) >= MIN_TONE
        && dark + bright >= MIN_TWO_TONES
        && changes.sum::<usize>() >= MIN_CHANGES * thumbnail.height() as usize
}

#[cfg(test)]
mod tests;
