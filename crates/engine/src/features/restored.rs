//! Approximate descriptors of stored features, so that a stored image can be compared as a query.
//!
//! A stored feature has its word and no descriptor. The cell says where the projected descriptor is
//! up to the size of the cell, and each bit of the signature on which side of the median it is: the
//! centre of that side, projected back, is the approximation. It keeps its own word. Its mirrored and
//! inverted forms, and the cells beside its own, are less exact than those of a file: see
//! docs/engine.md for what is lost.

use super::codebook::{Codebook, HALF};
use super::describe::{DESCRIPTOR, Descriptor};
use super::encoding::Features;
use super::quantise::Word;
use super::{DescribedFeature, QueryFeatures};

/// Mean distance of a residual from its median, per half (measured on the
/// features of a photo).
const SPREAD: [f32; 2] = [0.039, 0.037];

/// Returns the features of a stored image as those of a query.
pub(crate) fn restored(image: &Features) -> QueryFeatures {
    let features = image.features.iter().map(|feature| DescribedFeature {
        keypoint: feature.keypoint.unpack(),
        descriptor: descriptor(Codebook::embedded(), feature.word),
    });
    QueryFeatures {
        width: u32::from(image.width),
        height: u32::from(image.height),
        features: features.collect(),
    }
}

/// Returns the approximate descriptor of a word.
pub(crate) fn descriptor(codebook: &Codebook, word: Word) -> Descriptor {
    let mut projected = [[0.0; HALF]; 2];
    let signatures = [word.signature as u32, (word.signature >> 32) as u32];
    for (number, point) in projected.iter_mut().enumerate() {
        let centroid = word.centroids()[number];
        codebook.halves[number].restore(centroid, signatures[number], SPREAD[number], point);
    }
    let point = projected.as_flattened_mut();
    for (value, offset) in point.iter_mut().zip(&codebook.offset) {
        *value += offset;
    }
    // The columns of the projection are orthonormal, so its transpose takes a point back.
    let mut descriptor = [0.0; DESCRIPTOR];
    for (value, row) in descriptor.iter_mut().zip(&codebook.projection) {
        *value = row.iter().zip(&*point).map(|(a, b)| a * b).sum();
    }
    descriptor
}

#[cfg(test)]
mod tests {
    use super::super::quantise::nearest_words;
    use super::super::{ExtractionProfile, GreyView, extract_descriptors};
    use super::*;

    #[test]
    fn a_restored_descriptor_has_its_word_in_its_own_cell() {
        let image = crate::draw::image(3, 320, 240);
        let grey = image::imageops::grayscale(&image);
        let view = GreyView::new(grey.as_raw(), 320, 240).unwrap();
        let codebook = Codebook::embedded();
        let described = extract_descriptors(&view, ExtractionProfile::Library);
        assert!(described.len() > 50, "{} features", described.len());

        for feature in &described {
            let [word] = nearest_words::<1>(codebook, &feature.descriptor);
            let restored = descriptor(codebook, word);

            let words = nearest_words::<16>(codebook, &restored);
            let own = words.iter().find(|other| other.cell == word.cell);
            assert_eq!(own, Some(&word));
            let near = |a: &Descriptor, b: &Descriptor| -> f32 {
                a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
            };
            assert!(near(&restored, &feature.descriptor) < 0.5);
        }
    }
}
