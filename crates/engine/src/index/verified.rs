//! The second half of a search, second step: geometric verification of one candidate, and its
//! score.

use crate::features::{Features, Keypoint, QueryFeatures};
use crate::verify::{self, Alignment, Correspondence, ImageShape, QueryForm};

use super::burstiness::Burstiness;
use super::comparison::FeatureMatch;
use super::votes::distance_weight;

/// Minimum number of inliers of a match (engine design, section 2).
pub(super) const MIN_INLIERS: u8 = 5;
/// Minimum evidence of a match, which is also the evidence of the score 0.5. Of 307 queries with
/// photos the strongest false match had 3.1, once matches were weighted by burstiness (before: 5).
const MIN_EVIDENCE: f32 = 4.0;
/// Minimum fraction of the features in the overlap that are inliers. Bad copies have 5 % and more,
/// usually a third; another photo of the same repetitive facade has 1 to 3 % by chance.
const MIN_INLIER_FRACTION: f32 = 0.04;
/// Scale of the finest features, in pixels of the working size of the library image. Finer features
/// of the query cannot match.
const FINEST_SCALE: f32 = 1.8;

/// An image that shares a part with the query.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedMatch {
    /// The id that was passed to `insert`.
    pub id: u64,
    /// The confidence of the match: in [0.5, 1), or less when it is weak.
    pub score: f32,
    /// Whether the evidence is too weak for a match ([`SearchOptions::with_weak`]).
    ///
    /// [`SearchOptions::with_weak`]: super::SearchOptions::with_weak
    pub is_weak: bool,
    /// How the images are aligned.
    pub alignment: Alignment,
}

/// Aligns an image with the query; returns `None` when nothing agrees.
pub(super) fn verified(
    id: u64,
    image: &Features,
    query: &QueryFeatures,
    matches: &[FeatureMatch],
    form: QueryForm,
) -> Option<VerifiedMatch> {
    let query_shape = ImageShape::new(query.width, query.height);
    let library_shape = ImageShape::new(u32::from(image.width), u32::from(image.height));
    let burstiness = Burstiness::of(matches);
    let correspond = |found: &FeatureMatch| Correspondence {
        feature: found.feature,
        distance: found.distance,
        query: form.apply(
            query.features[usize::from(found.feature)].keypoint,
            query_shape,
        ),
        library: found.keypoint.unpack(),
        weight: distance_weight(found.distance) * burstiness.weight(found),
    };
    let correspondences: Vec<_> = matches.iter().map(correspond).collect();
    let alignment = verify::align(&correspondences, query_shape, library_shape, form)?;
    let min_inliers =
        MIN_INLIER_FRACTION * common_features(query, &alignment, image, library_shape);
    let inliers = alignment.inliers.len() as f32;
    Some(VerifiedMatch {
        id,
        score: alignment.evidence / (alignment.evidence + MIN_EVIDENCE),
        is_weak: alignment.evidence < MIN_EVIDENCE
            || inliers < min_inliers.max(f32::from(MIN_INLIERS)),
        alignment,
    })
}

/// Returns how many features could be inliers: the smaller number of the query's features inside
/// the library image and of the library image's features inside the query.
fn common_features(
    query: &QueryFeatures,
    alignment: &Alignment,
    image: &Features,
    library: ImageShape,
) -> f32 {
    let growth = alignment.affine.determinant().abs().sqrt();
    let finest = FINEST_SCALE / f32::from(image.working_side);
    let in_library = |keypoint: &Keypoint| {
        let (x, y) = alignment.affine.apply(keypoint.x, keypoint.y);
        let inside = (0.0..=library.width).contains(&x) && (0.0..=library.height).contains(&y);
        inside && keypoint.sigma * growth >= finest
    };
    let of_query = query
        .features
        .iter()
        .filter(|feature| in_library(&feature.keypoint))
        .count();
    let of_library = image.features.len() as f32 * alignment.overlap.of_library;
    of_library.min(of_query as f32)
}
