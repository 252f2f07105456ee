//! Prepares an image for an add or a search: everything that is computed from its bytes alone.
//!
//! This is the expensive part. An add and a search need different data, so each has a type. Nothing
//! here locks, waits or accesses the disk; callers may run it on any number of threads.

use std::fmt;

use image::GrayImage;

use crate::decode::{self, DecodeError, DecodedImage, Header};
use crate::features::{self, QueryFeatures};
use crate::identity::ContentHash;
use crate::pdq::{PdqDigest, PdqHash};

/// Memory of the feature extraction: a scale space of up to 960 x 960 pixels, whatever the image's
/// size. Measured: 25.5 MB for 960 x 720 (`cargo test -p same-image --test memory`).
const EXTRACTION: u64 = 40 << 20;

/// Longer side in pixels of the query that the dense check compares: enough for a stored image that
/// is a quarter of it.
const QUERY_SIDE: u32 = 1024;

/// Returns the peak memory of preparing a file for an add or a search, in bytes.
#[must_use]
pub fn prepare_memory(header: &Header) -> u64 {
    let decoded = header.pixels().saturating_mul(decode::DECODED);
    header
        .decode_memory()
        .max(decoded.saturating_add(EXTRACTION))
}

/// An image prepared for an add: its data, hashes and thumbnail, without the file itself.
#[derive(Clone)]
pub struct PreparedImage {
    pub(crate) content: ContentHash,
    pub(crate) size_bytes: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pdq: PdqHash,
    pub(crate) pdq_quality: u8,
    /// Encoded by `features::encoding`.
    pub(crate) features: Vec<u8>,
    pub(crate) thumbnail: Vec<u8>,
}

/// An image prepared for a search.
#[derive(Clone)]
pub struct PreparedQuery {
    pub(crate) content: ContentHash,
    pub(crate) pdq: [PdqHash; 8],
    pub(crate) pdq_quality: u8,
    pub(crate) features: QueryFeatures,
    /// Luminance, its longer side up to [`QUERY_SIDE`].
    pub(crate) grey: GrayImage,
}

// === impl PreparedImage ===

impl PreparedImage {
    /// Decodes an image and extracts what the library stores.
    pub(crate) fn new(bytes: &[u8], max_side: u32) -> Result<Self, DecodeError> {
        let image = DecodedImage::decode(bytes, max_side)?;
        let digest = PdqDigest::of(image.grey());
        Ok(Self {
            content: ContentHash::of(bytes),
            size_bytes: bytes.len() as u64,
            width: image.width(),
            height: image.height(),
            pdq: digest.hash(),
            pdq_quality: digest.quality(),
            features: features::extract(&image.view()).encode(),
            thumbnail: image.thumbnail()?,
        })
    }

    /// Returns the hash by which duplicates are detected.
    #[must_use]
    pub fn content(&self) -> ContentHash {
        self.content
    }
}

impl fmt::Debug for PreparedImage {
    /// Omits the thumbnail and the features: logs must not contain images.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedImage")
            .field("content", &self.content)
            .field("size_bytes", &self.size_bytes)
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

// === impl PreparedQuery ===

impl PreparedQuery {
    /// Decodes an image and extracts what a search compares.
    pub(crate) fn new(bytes: &[u8], max_side: u32) -> Result<Self, DecodeError> {
        let image = DecodedImage::decode(bytes, max_side)?;
        let digest = PdqDigest::of(image.grey());
        Ok(Self {
            content: ContentHash::of(bytes),
            pdq: digest.dihedral(),
            pdq_quality: digest.quality(),
            features: features::extract_query(&image.view()),
            grey: image.grey_within(QUERY_SIDE),
        })
    }
}

impl fmt::Debug for PreparedQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedQuery")
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}
