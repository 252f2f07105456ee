//! The local-feature pipeline: from a grey image to words with places.
//!
//! Order: `scale` (working size, scale space) → `detect` (extrema) → `describe` (directions,
//! descriptors) → `quantise` (words of the `codebook`). An image of the library keeps only words
//! ([`Features`], stored as `record` says); a query keeps its descriptors ([`QueryFeatures`]),
//! because it looks into several cells and in mirrored and inverted form. Nothing here knows of
//! files, decoding, the index or the store. Cost: 30–60 ms for a library image, twice that for a
//! query, on one core.

#![allow(
    clippy::cast_possible_truncation,
    reason = "pixel coordinates, counts and codes are rounded on purpose and stay in range"
)]

pub mod codebook;
mod describe;
mod detect;
mod permute;
mod place;
mod plane;
pub mod quantise;
mod record;
mod scale;

pub use describe::{DESCRIPTOR, Descriptor};
pub use permute::{inverted, mirrored};
pub use place::{PackedPlace, Place};
pub use plane::GreyView;
pub use quantise::Word;
pub use record::RecordError;

use codebook::Codebook;
use detect::Keypoint;
use scale::Octave;

/// Says how much of an image is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// 640 pixels, 400 features: what the library keeps.
    Library,
    /// 960 pixels, 1,200 features: a query may hold its match small or in pieces.
    Query,
}

/// Holds the features of a library image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Width of the image in pixels, at least 1.
    pub width: u16,
    /// Height of the image in pixels, at least 1.
    pub height: u16,
    /// The features, the strongest first.
    pub features: Vec<Feature>,
}

/// Holds a feature of a library image: 16 bytes when stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// What the feature looks like.
    pub word: Word,
    /// Where it is.
    pub place: PackedPlace,
}

/// Holds the features of a query image.
#[derive(Clone, Debug)]
pub struct QueryFeatures {
    /// Width of the image in pixels, at least 1.
    pub width: u32,
    /// Height of the image in pixels, at least 1.
    pub height: u32,
    /// The features, the strongest first.
    pub features: Vec<Described>,
}

/// Holds a feature of a query image.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Where it is.
    pub place: Place,
    /// What it looks like.
    pub descriptor: Descriptor,
}

/// Extracts what the library keeps of an image; a side above 65,535 pixels counts as that.
pub fn extract(image: &GreyView<'_>) -> Features {
    let codebook = Codebook::embedded();
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    let features = described(image, Budget::Library)
        .into_iter()
        .map(|feature| Feature {
            word: quantise::nearest_word(codebook, &feature.descriptor),
            place: feature.place.pack(),
        });
    Features {
        width: side(image.width()),
        height: side(image.height()),
        features: features.collect(),
    }
}

/// Extracts what a search needs of an image.
pub fn extract_query(image: &GreyView<'_>) -> QueryFeatures {
    QueryFeatures {
        width: image.width(),
        height: image.height(),
        features: described(image, Budget::Query),
    }
}

/// Finds and describes the strongest features of an image.
pub fn described(image: &GreyView<'_>, budget: Budget) -> Vec<Described> {
    let (plane, factor) = scale::working_size(image, budget.longest_side());
    let longest = plane.width.max(plane.height) as f32;
    let octaves = scale::octaves(&plane, factor);
    let mut keypoints = detect::keypoints(&octaves);
    keypoints.sort_by(|a, b| b.response.total_cmp(&a.response));
    let mut features = Vec::with_capacity(budget.features());
    for keypoint in &keypoints {
        features.extend(describe_keypoint(&octaves, keypoint, longest));
        if features.len() >= budget.features() {
            break;
        }
    }
    features.truncate(budget.features());
    features
}

/// Describes a keypoint once per direction.
fn describe_keypoint(
    octaves: &[Octave],
    keypoint: &Keypoint,
    longest: f32,
) -> impl Iterator<Item = Described> {
    let image = &octaves[keypoint.octave].blurred[keypoint.layer];
    // Pixel centres are whole numbers; half a pixel of the first octave moves them from the corner.
    let unit = (keypoint.octave as f32).exp2() / longest;
    let half = 0.5 / longest;
    describe::directions(image, keypoint).map(move |angle| Described {
        place: Place {
            x: keypoint.x * unit + half,
            y: keypoint.y * unit + half,
            sigma: keypoint.sigma * unit,
            angle,
        },
        descriptor: describe::descriptor(image, keypoint, angle),
    })
}

// === impl Budget ===

impl Budget {
    /// Returns the longest side of the working size in pixels (engine design, section 2).
    pub fn longest_side(self) -> u32 {
        match self {
            Self::Library => 640,
            Self::Query => 960,
        }
    }

    /// Returns the most features kept (engine design, section 3: more in the library buys nothing
    /// measurable).
    pub fn features(self) -> usize {
        match self {
            Self::Library => 400,
            Self::Query => 1200,
        }
    }
}
