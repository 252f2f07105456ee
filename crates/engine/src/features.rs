//! The local-feature pipeline: computes visual words with keypoints from a grey image.
//!
//! Order: `scale_space` (working size, scale space) → `detect` (extrema) → `describe`
//! (orientations, descriptors) → `quantise` (visual words of the `codebook`). A library image has
//! only words ([`Features`], stored in the format of `encoding`). A query keeps its descriptors
//! ([`QueryFeatures`]), because it is compared with several cells and in mirrored and inverted
//! form. This module does not depend on files, decoding, the index or the store. Cost on one core:
//! 30–60 ms for a library image, twice that for a query.

#![allow(
    clippy::cast_possible_truncation,
    reason = "pixel coordinates, counts and codes are rounded on purpose and are in range"
)]

pub mod codebook;
mod describe;
mod detect;
mod encoding;
mod keypoint;
mod permute;
mod plane;
pub mod quantise;
mod restore;
mod scale_space;

pub use describe::{DESCRIPTOR, Descriptor};
pub use encoding::{Feature, Features, FeaturesError};
pub use keypoint::{Keypoint, PackedKeypoint};
pub use permute::{inverted, mirrored};
pub use plane::GreyView;
pub use quantise::Word;
pub(crate) use quantise::{QueryWord, query_words_of_each};
pub use restore::restored;
pub(crate) use restore::restored_descriptor;

use codebook::Codebook;
use detect::Extremum;
use scale_space::Octave;

/// The working size and the number of features of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtractionProfile {
    /// 640 pixels, 400 features: for images of the library.
    Library,
    /// 960 pixels, 1,200 features: a query may contain its match small or in pieces.
    Query,
    /// 1,280 pixels, 2,400 features, and small images enlarged more: for queries of which the
    /// other profile finds nothing.
    CloseQuery,
}

/// The features of a query image.
#[derive(Clone, Debug)]
pub struct QueryFeatures {
    /// Width of the decoded pixels, 1 or more; only its ratio to the height counts.
    pub width: u32,
    /// Height of the decoded pixels, 1 or more.
    pub height: u32,
    /// The features, the strongest first.
    pub features: Vec<DescribedFeature>,
}

/// A feature with its descriptor.
#[derive(Clone, Copy, Debug)]
pub struct DescribedFeature {
    /// Position, scale and orientation.
    pub keypoint: Keypoint,
    /// Appearance.
    pub descriptor: Descriptor,
}

/// Extracts the features of a library image; a side above 65,535 pixels counts as 65,535.
pub fn extract(image: &GreyView<'_>) -> Features {
    let codebook = Codebook::embedded();
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    let features = extract_descriptors(image, ExtractionProfile::Library)
        .into_iter()
        .map(|feature| Feature {
            word: quantise::nearest_word(codebook, &feature.descriptor),
            keypoint: feature.keypoint.pack(),
        });
    Features {
        width: side(image.width()),
        height: side(image.height()),
        working_side: ExtractionProfile::Library.working_side() as u16,
        features: features.collect(),
    }
}

/// Extracts the features of a query image.
pub fn extract_query(image: &GreyView<'_>) -> QueryFeatures {
    extract_query_by(ExtractionProfile::Query, image)
}

/// Extracts the features of a query image by one of the profiles for queries.
pub(crate) fn extract_query_by(profile: ExtractionProfile, image: &GreyView<'_>) -> QueryFeatures {
    QueryFeatures {
        width: image.width(),
        height: image.height(),
        features: extract_descriptors(image, profile),
    }
}

/// Finds and describes the strongest features of an image.
pub fn extract_descriptors(
    image: &GreyView<'_>,
    profile: ExtractionProfile,
) -> Vec<DescribedFeature> {
    let (plane, factor) =
        scale_space::working_size(image, profile.working_side(), profile.max_enlargement());
    let side = plane.width.max(plane.height) as f32;
    let octaves = scale_space::octaves(&plane, factor);
    let mut extrema = detect::extrema(&octaves);
    extrema.sort_by(|a, b| b.response.total_cmp(&a.response));
    let mut features = Vec::with_capacity(profile.max_features());
    for extremum in &extrema {
        features.extend(describe_extremum(&octaves, extremum, side));
        if features.len() >= profile.max_features() {
            break;
        }
    }
    features.truncate(profile.max_features());
    features
}

/// Describes an extremum once per orientation.
fn describe_extremum(
    octaves: &[Octave],
    extremum: &Extremum,
    side: f32,
) -> impl Iterator<Item = DescribedFeature> {
    let image = &octaves[extremum.octave].blurred[extremum.layer];
    // Pixel centres are integers; half a pixel of the first octave is the offset from the corner.
    let unit = (extremum.octave as f32).exp2() / side;
    let half = 0.5 / side;
    describe::orientations(image, extremum).map(move |angle| DescribedFeature {
        keypoint: Keypoint {
            x: extremum.x * unit + half,
            y: extremum.y * unit + half,
            sigma: extremum.sigma * unit,
            angle,
        },
        descriptor: describe::descriptor(image, extremum, angle),
    })
}

// === impl ExtractionProfile ===

impl ExtractionProfile {
    /// Returns the longer side of the working size in pixels (engine design, section 2).
    pub fn working_side(self) -> u32 {
        match self {
            Self::Library => 640,
            Self::Query => 960,
            Self::CloseQuery => 1280,
        }
    }

    /// Returns the maximum number of features (engine design, section 3: more in the library have
    /// no measurable effect).
    pub fn max_features(self) -> usize {
        match self {
            Self::Library => 400,
            Self::Query => 1200,
            Self::CloseQuery => 2400,
        }
    }

    /// Returns how much a small image is enlarged at most. Up to 3.2 the blur of the enlarged pixels
    /// is below [`scale_space::SIGMA`].
    pub fn max_enlargement(self) -> f32 {
        match self {
            Self::Library | Self::Query => 2.0,
            Self::CloseQuery => 3.0,
        }
    }
}
