//! Descriptors of the mirrored and the colour-inverted image, without a second extraction.
//!
//! Mirroring an image flips the keypoint's frame: the order of the rows of cells and the sense of
//! all orientations are reversed. Inverting the colours reverses every gradient, so the frame
//! rotates by 180° and rows and columns are reversed, while orientations relative to the frame are
//! unchanged. Both are permutations of the descriptor.

use super::describe::{CELLS, DESCRIPTOR, Descriptor, ORIENTATIONS};

/// Returns the descriptor of the same feature in the mirrored image.
pub fn mirrored(descriptor: &Descriptor) -> Descriptor {
    permuted(descriptor, |row, column, orientation| {
        (
            CELLS - 1 - row,
            column,
            (ORIENTATIONS - orientation) % ORIENTATIONS,
        )
    })
}

/// Returns the descriptor of the same feature in the colour-inverted image.
pub fn inverted(descriptor: &Descriptor) -> Descriptor {
    permuted(descriptor, |row, column, orientation| {
        (CELLS - 1 - row, CELLS - 1 - column, orientation)
    })
}

fn permuted(
    descriptor: &Descriptor,
    source: impl Fn(usize, usize, usize) -> (usize, usize, usize),
) -> Descriptor {
    let mut target = [0.0; DESCRIPTOR];
    for (at, value) in target.iter_mut().enumerate() {
        let (row, column) = (at / ORIENTATIONS / CELLS, at / ORIENTATIONS % CELLS);
        let (row, column, orientation) = source(row, column, at % ORIENTATIONS);
        *value = descriptor[(row * CELLS + column) * ORIENTATIONS + orientation];
    }
    target
}

#[cfg(test)]
mod tests {
    use super::super::{DescribedFeature, ExtractionProfile, GreyView, extract_descriptors};
    use super::*;

    const WIDTH: u32 = 320;
    const HEIGHT: u32 = 240;

    /// Draws soft blobs, so that features do not depend on single pixels.
    fn drawn() -> Vec<u8> {
        let mut chance = crate::draw::Chance::new(9);
        let mut random = |below: u32| chance.below(below * 16) as f32 / 16.0;
        let blobs: Vec<[f32; 4]> = (0..500)
            .map(|_| {
                [
                    random(WIDTH),
                    random(HEIGHT),
                    2.0 + random(5),
                    random(120) - 60.0,
                ]
            })
            .collect();
        let value = |x: u32, y: u32| {
            let add = |sum: f32, [left, top, radius, height]: &[f32; 4]| {
                let distance = (x as f32 - left).powi(2) + (y as f32 - top).powi(2);
                sum + height * (-distance / (2.0 * radius * radius)).exp()
            };
            blobs.iter().fold(128.0, add).clamp(0.0, 255.0) as u8
        };
        let all = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        all.map(|(x, y)| value(x, y)).collect()
    }

    fn features(pixels: &[u8]) -> Vec<DescribedFeature> {
        extract_descriptors(
            &GreyView::new(pixels, WIDTH, HEIGHT).unwrap(),
            ExtractionProfile::Library,
        )
    }

    /// Returns the fraction of the features that have a feature of nearly the same descriptor among
    /// the others.
    fn found_again(features: &[DescribedFeature], others: &[DescribedFeature]) -> f32 {
        let near = |feature: &DescribedFeature| {
            others.iter().any(|other| {
                let pairs = feature.descriptor.iter().zip(&other.descriptor);
                pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>() < 0.02
            })
        };
        features.iter().filter(|feature| near(feature)).count() as f32 / features.len() as f32
    }

    #[test]
    fn permuting_twice_changes_nothing() {
        let descriptor: Descriptor = std::array::from_fn(|at| at as f32);

        assert_eq!(mirrored(&mirrored(&descriptor)), descriptor);
        assert_eq!(inverted(&inverted(&descriptor)), descriptor);
        assert_ne!(mirrored(&descriptor), inverted(&descriptor));
    }

    #[test]
    fn mirrored_descriptors_are_those_of_the_mirrored_image() {
        let pixels = drawn();
        let flipped: Vec<u8> = pixels
            .chunks(WIDTH as usize)
            .flat_map(|row| row.iter().rev().copied())
            .collect();
        let (plain, seen) = (features(&pixels), features(&flipped));
        let expected: Vec<DescribedFeature> = plain
            .iter()
            .map(|feature| DescribedFeature {
                descriptor: mirrored(&feature.descriptor),
                ..*feature
            })
            .collect();

        assert!(plain.len() > 100, "{} features", plain.len());
        let (with, without) = (found_again(&expected, &seen), found_again(&plain, &seen));
        assert!(with > 0.75 && without < 0.4, "{with} {without}");
    }

    #[test]
    fn inverted_descriptors_are_those_of_the_inverted_image() {
        let pixels = drawn();
        let negative: Vec<u8> = pixels.iter().map(|value| 255 - value).collect();
        let (plain, seen) = (features(&pixels), features(&negative));
        let expected: Vec<DescribedFeature> = plain
            .iter()
            .map(|feature| DescribedFeature {
                descriptor: inverted(&feature.descriptor),
                ..*feature
            })
            .collect();

        let (with, without) = (found_again(&expected, &seen), found_again(&plain, &seen));
        assert!(with > 0.75 && without < 0.4, "{with} {without}");
    }
}
