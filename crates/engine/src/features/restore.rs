//! Descriptors of stored features: what a search with a stored image compares.
//!
//! A library image has words only, so its descriptors are estimated: a cell and a signature give a
//! point of the projection, the centroid moved by a typical residual to the side of the median that
//! each bit says, and the point gives the descriptor of which it is the projection. Projected
//! again, it has the same word, and [`mirrored`] and [`inverted`] apply to it as to a descriptor of
//! pixels.

use std::sync::LazyLock;

use multiversion::multiversion;

use super::codebook::{CENTROIDS, Codebook, LANES, PROJECTED};
use super::describe::{DESCRIPTOR, Descriptor};
use super::encoding::Features;
use super::permute::{inverted, mirrored};
use super::quantise::{Word, project};
use super::{DescribedFeature, QueryFeatures};

/// Rounds in which the mean descriptor is made symmetric and brought back to its projection.
const ROUNDS: usize = 50;

/// The mean of all descriptors: the projection says only its part in the principal components. It
/// is symmetric, because images are mirrored and inverted as often as not.
static MEAN: LazyLock<Descriptor> = LazyLock::new(|| mean(Codebook::embedded()));

/// Returns the features of a stored image as those of a query.
pub fn restored(stored: &Features) -> QueryFeatures {
    let features = stored.features.iter().map(|feature| DescribedFeature {
        keypoint: feature.keypoint.unpack(),
        descriptor: restored_descriptor(feature.word),
    });
    QueryFeatures {
        width: u32::from(stored.width),
        height: u32::from(stored.height),
        features: features.collect(),
    }
}

/// Estimates the descriptor of a stored word.
pub(crate) fn restored_descriptor(word: Word) -> Descriptor {
    descriptor(Codebook::embedded(), &MEAN, word)
}

fn descriptor(codebook: &Codebook, mean: &Descriptor, word: Word) -> Descriptor {
    let [left, right] = [
        word.cell as usize / CENTROIDS,
        word.cell as usize % CENTROIDS,
    ];
    let [low, high] = [word.signature as u32, (word.signature >> 32) as u32];
    let mut point = [0.0; PROJECTED];
    let (first, second) = point.split_at_mut(PROJECTED / 2);
    first.copy_from_slice(&codebook.halves[0].point(left, low));
    second.copy_from_slice(&codebook.halves[1].point(right, high));
    let mut descriptor = *mean;
    add(codebook, &mut descriptor, &point);
    descriptor
}

/// Adds the descriptor of which a point is the projection; the components are orthonormal.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn add(codebook: &Codebook, descriptor: &mut Descriptor, point: &[f32; PROJECTED]) {
    for (value, row) in descriptor.iter_mut().zip(&codebook.projection) {
        // One sum a lane: a single one would wait for each addition in turn.
        let mut sums = [0.0; LANES];
        for (row, point) in row.as_chunks().0.iter().zip(point.as_chunks().0) {
            let lanes: (&[f32; LANES], &[f32; LANES]) = (row, point);
            for (sum, (a, b)) in sums.iter_mut().zip(lanes.0.iter().zip(lanes.1)) {
                *sum += a * b;
            }
        }
        *value += sums.iter().sum::<f32>();
    }
}

fn mean(codebook: &Codebook) -> Descriptor {
    let mut mean = [0.0; DESCRIPTOR];
    for _ in 0..ROUNDS {
        let mut symmetric = [0.0; DESCRIPTOR];
        for form in [
            mean,
            mirrored(&mean),
            inverted(&mean),
            inverted(&mirrored(&mean)),
        ] {
            for (sum, value) in symmetric.iter_mut().zip(form) {
                *sum += value / 4.0;
            }
        }
        mean = symmetric;
        let off = project(codebook, &mean).map(|value| -value);
        add(codebook, &mut mean, &off);
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::super::quantise::{nearest_word, nearest_words};
    use super::super::{ExtractionProfile, GreyView, extract_descriptors};
    use super::*;

    /// Maximum distance of the signatures of a match, in bits.
    const MAX_DISTANCE: u32 = 20;

    /// Returns the share of features that a form of their estimated descriptors finds, where the
    /// same form of the true ones was stored.
    fn found(form: fn(&Descriptor) -> Descriptor) -> f32 {
        let codebook = Codebook::embedded();
        let image = image::imageops::grayscale(&crate::draw::image(7, 640, 480));
        let view = GreyView::new(image.as_raw(), 640, 480).unwrap();
        let features = extract_descriptors(&view, ExtractionProfile::Library);
        assert!(features.len() > 100, "{} features", features.len());
        let is_found = |feature: &&DescribedFeature| {
            let stored = nearest_word(codebook, &form(&feature.descriptor));
            let word = nearest_word(codebook, &feature.descriptor);
            let estimate = form(&descriptor(codebook, &MEAN, word));
            let words = nearest_words::<8>(codebook, &estimate);
            words.iter().any(|word| {
                let distance = (word.signature ^ stored.signature).count_ones();
                word.cell == stored.cell && distance <= MAX_DISTANCE
            })
        };
        features.iter().filter(is_found).count() as f32 / features.len() as f32
    }

    #[test]
    fn estimated_descriptors_find_their_own_words_and_those_of_copies() {
        let (plain, mirror, negative) = (found(|own| *own), found(mirrored), found(inverted));

        let shares = format!("{plain} {mirror} {negative}");
        assert!(plain > 0.8 && mirror > 0.6 && negative > 0.6, "{shares}");
    }

    #[test]
    fn the_mean_has_the_projection_that_is_subtracted_and_is_symmetric() {
        let off = project(Codebook::embedded(), &MEAN);

        assert!(off.iter().all(|value| value.abs() < 1e-3), "{off:?}");
        for form in [mirrored(&MEAN), inverted(&MEAN)] {
            let pairs = form.iter().zip(MEAN.iter());
            assert!(pairs.map(|(a, b)| (a - b).abs()).all(|off| off < 0.01));
        }
    }
}
