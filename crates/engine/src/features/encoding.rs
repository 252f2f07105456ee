//! The features of a library image and their encoding in the store.
//!
//! ```text
//! offset  bytes   content (little endian)
//! 0       1       format version, 2
//! 1       1       0
//! 2       2       number of features n
//! 4       4       id of the codebook
//! 8       2       width of the image in pixels
//! 10      2       height of the image in pixels
//! 12      2       working side in pixels, see `ExtractionProfile`
//! 14      16 · n  features, the strongest first:
//!                   8  signature
//!                   4  keypoint (see `keypoint`)
//!                   4  cell in the low 20 bits, 0 above
//! ```
//!
//! Version 1 has no working side, which was 640 pixels, and its features begin at offset 12.

use super::codebook::{CELL_COUNT, Codebook};
use super::keypoint::PackedKeypoint;
use super::quantise::Word;

const VERSION: u8 = 2;
/// Bytes before the working side: the header of version 1.
const HEADER: usize = 12;
/// The working side of version 1.
const FIRST_WORKING_SIDE: u16 = 640;
const WORKING_SIDE: usize = 2;
const FEATURE: usize = 16;

/// The features of a library image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Width of the decoded pixels, 1 or more; only its ratio to the height counts.
    pub width: u16,
    /// Height of the decoded pixels, 1 or more.
    pub height: u16,
    /// The longer side in pixels at which the image was described, 1 or more; see
    /// [`ExtractionProfile`](super::ExtractionProfile).
    pub working_side: u16,
    /// The features, the strongest first.
    pub features: Vec<Feature>,
}

/// A feature of a library image: 16 bytes when stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Appearance.
    pub word: Word,
    /// Position, scale and orientation.
    pub keypoint: PackedKeypoint,
}

/// Why stored features cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeaturesError {
    /// The bytes violate the format: too short, too long or with values out of range.
    #[error("the stored features are damaged")]
    Damaged,
    /// The format is of another version.
    #[error("stored features of version {0} are unknown")]
    Version(u8),
    /// The words belong to another codebook; the features must be extracted again.
    #[error("the stored features are of the codebook {0:08x}")]
    Codebook(u32),
}

impl Features {
    /// Encodes the features: 14 bytes and 16 for each feature.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + WORKING_SIDE + FEATURE * self.features.len());
        bytes.extend([VERSION, 0]);
        bytes.extend((self.features.len() as u16).to_le_bytes());
        bytes.extend(Codebook::embedded().id().to_le_bytes());
        bytes.extend(self.width.to_le_bytes());
        bytes.extend(self.height.to_le_bytes());
        bytes.extend(self.working_side.to_le_bytes());
        for feature in &self.features {
            bytes.extend(feature.word.signature.to_le_bytes());
            bytes.extend(feature.keypoint.0.to_le_bytes());
            bytes.extend(feature.word.cell.to_le_bytes());
        }
        bytes
    }

    /// Decodes the bytes of [`Features::encode`]; never panics, whatever the bytes are.
    ///
    /// # Errors
    ///
    /// `Version` and `Codebook` for bytes of another release, `Damaged` for all other violations.
    pub fn decode(bytes: &[u8]) -> Result<Self, FeaturesError> {
        let (header, body) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or(FeaturesError::Damaged)?;
        let (working_side, body) = match header[0] {
            1 => (FIRST_WORKING_SIDE, body),
            VERSION => {
                let (side, body) = body
                    .split_first_chunk::<WORKING_SIDE>()
                    .ok_or(FeaturesError::Damaged)?;
                (u16::from_le_bytes(*side), body)
            }
            other => return Err(FeaturesError::Version(other)),
        };
        let codebook = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        if codebook != Codebook::embedded().id() {
            return Err(FeaturesError::Codebook(codebook));
        }
        let pair = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let (width, height) = (pair(8), pair(10));
        if header[1] != 0
            || width == 0
            || height == 0
            || working_side == 0
            || body.len() != FEATURE * usize::from(pair(2))
        {
            return Err(FeaturesError::Damaged);
        }
        let (features, _) = body.as_chunks::<FEATURE>();
        let features = features.iter().map(feature).collect::<Result<_, _>>()?;
        Ok(Self {
            width,
            height,
            working_side,
            features,
        })
    }
}

fn feature(bytes: &[u8; FEATURE]) -> Result<Feature, FeaturesError> {
    let (low, high) = bytes.split_at(8);
    let signature = u64::from_le_bytes(low.try_into().map_err(|_| FeaturesError::Damaged)?);
    let keypoint = u32::from_le_bytes([high[0], high[1], high[2], high[3]]);
    let cell = u32::from_le_bytes([high[4], high[5], high[6], high[7]]);
    if cell as usize >= CELL_COUNT {
        return Err(FeaturesError::Damaged);
    }
    Ok(Feature {
        word: Word { cell, signature },
        keypoint: PackedKeypoint(keypoint),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_features() -> impl Strategy<Value = Features> {
        let feature = (0..CELL_COUNT as u32, any::<u64>(), any::<u32>()).prop_map(
            |(cell, signature, keypoint)| Feature {
                word: Word { cell, signature },
                keypoint: PackedKeypoint(keypoint),
            },
        );
        (
            1..=u16::MAX,
            1..=u16::MAX,
            1..=u16::MAX,
            prop::collection::vec(feature, 0..50),
        )
            .prop_map(|(width, height, working_side, features)| Features {
                width,
                height,
                working_side,
                features,
            })
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(features in any_features()) {
            let bytes = features.encode();

            prop_assert_eq!(bytes.len(), 14 + 16 * features.features.len());
            prop_assert_eq!(Features::decode(&bytes), Ok(features));
        }

        #[test]
        fn cut_or_lengthened_bytes_are_rejected(features in any_features(), cut in 1usize..40) {
            let bytes = features.encode();
            let shorter = &bytes[..bytes.len().saturating_sub(cut)];
            let longer = [bytes.clone(), vec![0; cut]].concat();

            prop_assert_eq!(Features::decode(shorter), Err(FeaturesError::Damaged));
            prop_assert_eq!(Features::decode(&longer), Err(FeaturesError::Damaged));
        }

        #[test]
        fn any_bytes_are_rejected_or_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Ok(features) = Features::decode(&bytes) {
                prop_assert_eq!(Features::decode(&features.encode()), Ok(features));
            }
        }
    }

    proptest! {
        #[test]
        fn features_of_version_1_were_described_at_640_pixels(features in any_features()) {
            let mut first = features.encode();
            first[0] = 1;
            first.drain(12..14);

            let expected = Features { working_side: 640, ..features };
            prop_assert_eq!(Features::decode(&first), Ok(expected));
        }
    }

    #[test]
    fn features_of_another_release_are_distinguished_from_damaged_ones() {
        let bytes = Features {
            width: 5,
            height: 6,
            working_side: 960,
            features: Vec::new(),
        }
        .encode();
        let mut later = bytes.clone();
        later[0] = 3;
        let mut other = bytes;
        other[4..8].copy_from_slice(&7u32.to_le_bytes());

        assert_eq!(Features::decode(&later), Err(FeaturesError::Version(3)));
        assert_eq!(Features::decode(&other), Err(FeaturesError::Codebook(7)));
    }
}
