//! Prepares an image for an add or a search: everything that is computed from its bytes alone.
//!
//! This is the expensive part. An add and a search need different data, so each has a type. Nothing
//! here locks, waits or accesses the disk; callers may run it on any number of threads.

use std::fmt;

use image::GrayImage;

use crate::decode::{self, DecodeError, DecodedImage, Header};
use crate::features::{self, ExtractionProfile, Features, GreyView, QueryFeatures};
use crate::identity::{ContentHash, ImageId};
use crate::pdq::{PdqDigest, PdqHash};
use crate::store::StoredRecord;
use crate::tags::Tags;

/// Memory of the feature extraction: a scale space of up to 1280 x 1280 pixels, whatever the image's
/// size, of nine planes of 4 bytes. Measured: 25.5 MB for 960 x 720 (`cargo test -p same-image --test
/// memory`).
const EXTRACTION: u64 = 60 << 20;

/// Longer side in pixels of the query that the dense check compares and that is looked at again:
/// enough for a stored image that is a fifth of it.
const QUERY_SIDE: u32 = 1280;

/// Returns the peak memory of preparing a file for an add or a search, in bytes.
#[must_use]
pub fn prepare_memory(header: &Header) -> u64 {
    let decoded = header.pixels().saturating_mul(decode::DECODED);
    header
        .decode_memory()
        .max(decoded.saturating_add(EXTRACTION))
}

/// An image prepared for an add: its data, hashes, thumbnail and preview, without the file itself.
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
    /// Empty when it has none.
    pub(crate) preview: Vec<u8>,
}

/// An image prepared for a search.
#[derive(Clone)]
pub struct PreparedQuery {
    /// The stored image that the query is; a search leaves it out.
    pub(crate) stored: Option<ImageId>,
    pub(crate) content: ContentHash,
    pub(crate) pdq: [PdqHash; 8],
    pub(crate) pdq_quality: u8,
    pub(crate) features: QueryFeatures,
    /// Luminance, its longer side up to [`QUERY_SIDE`].
    pub(crate) grey: GrayImage,
}

/// How a query of which nothing was found is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Half as wide: for a copy that was stretched across.
    NarrowedByHalf,
    /// Half as high: for a copy that was stretched down.
    LoweredByHalf,
    /// With more and finer features: for a copy of a small part, and for a small copy.
    Close,
}

/// Decodes an image once, and extracts what a library stores, without a preview, and what a search
/// compares.
///
/// # Errors
///
/// [`DecodeError`] when the bytes are not an image within the limits.
pub fn prepare_both(
    bytes: &[u8],
    max_side: u32,
) -> Result<(PreparedImage, PreparedQuery), DecodeError> {
    prepare_both_with_preview(bytes, max_side, 0)
}

/// Does what [`prepare_both`] does, with a preview whose longer side has up to `preview_side` pixels.
pub(crate) fn prepare_both_with_preview(
    bytes: &[u8],
    max_side: u32,
    preview_side: u32,
) -> Result<(PreparedImage, PreparedQuery), DecodeError> {
    let image = DecodedImage::decode_for(needed_side(preview_side), bytes, max_side)?;
    let digest = PdqDigest::of(image.grey());
    let query = PreparedQuery::of(&image, &digest, bytes);
    let prepared = PreparedImage::of(&image, &digest, bytes, preview_side)?;
    Ok((prepared, query))
}

/// Returns the longer side in pixels that is needed of an image: features, hash, thumbnail and preview are
/// made of the same pixels.
fn needed_side(preview_side: u32) -> u32 {
    QUERY_SIDE.max(preview_side)
}

// === impl PreparedImage ===

impl PreparedImage {
    /// Decodes an image with sides of up to `max_side` pixels and extracts what a library stores,
    /// without a preview; see [`Engine::prepare`](crate::Engine::prepare).
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not an image within the limits.
    pub fn new(bytes: &[u8], max_side: u32) -> Result<Self, DecodeError> {
        Self::with_preview(bytes, max_side, 0)
    }

    /// Does what [`PreparedImage::new`] does, with a preview whose longer side has up to
    /// `preview_side` pixels; 0 means none.
    pub(crate) fn with_preview(
        bytes: &[u8],
        max_side: u32,
        preview_side: u32,
    ) -> Result<Self, DecodeError> {
        let image = DecodedImage::decode_for(needed_side(preview_side), bytes, max_side)?;
        Self::of(&image, &PdqDigest::of(image.grey()), bytes, preview_side)
    }

    fn of(
        image: &DecodedImage,
        digest: &PdqDigest,
        bytes: &[u8],
        preview_side: u32,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            content: ContentHash::of(bytes),
            size_bytes: bytes.len() as u64,
            width: image.width(),
            height: image.height(),
            pdq: digest.hash(),
            pdq_quality: digest.quality(),
            features: features::extract(&image.view()).encode(),
            thumbnail: image.thumbnail()?,
            preview: image.preview(preview_side)?.unwrap_or_default(),
        })
    }

    /// Returns the hash by which duplicates are detected.
    #[must_use]
    pub fn content(&self) -> ContentHash {
        self.content
    }

    /// Returns the size of the preview in bytes; 0 without one.
    #[must_use]
    pub fn preview_bytes(&self) -> usize {
        self.preview.len()
    }

    /// Returns the record of the image as far as it is known before an add.
    pub(crate) fn record(&self) -> StoredRecord {
        StoredRecord {
            sign: self.content.first_sign(),
            content: self.content,
            size_bytes: self.size_bytes,
            width: self.width,
            height: self.height,
            added_at_ms: 0,
            pdq: self.pdq,
            pdq_quality: self.pdq_quality,
            tags: Tags::default(),
            features_checksum: 0,
            thumbnail_checksum: 0,
            preview_checksum: None,
            brief: String::new(),
        }
    }
}

impl fmt::Debug for PreparedImage {
    /// Omits thumbnail, preview and features: logs must not contain images.
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
    /// Decodes an image with sides of up to `max_side` pixels and extracts what a search compares;
    /// see [`Engine::prepare_query`](crate::Engine::prepare_query).
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not an image within the limits.
    pub fn new(bytes: &[u8], max_side: u32) -> Result<Self, DecodeError> {
        let image = DecodedImage::decode_for(needed_side(0), bytes, max_side)?;
        Ok(Self::of(&image, &PdqDigest::of(image.grey()), bytes))
    }

    fn of(image: &DecodedImage, digest: &PdqDigest, bytes: &[u8]) -> Self {
        Self {
            stored: None,
            content: ContentHash::of(bytes),
            pdq: digest.dihedral(),
            pdq_quality: digest.quality(),
            features: features::extract_query(&image.view()),
            grey: image.grey_within(QUERY_SIDE),
        }
    }

    /// Makes the query of a stored image from what the library has of it.
    ///
    /// Its descriptors are estimates ([`features::restored`]), the hashes of its rotated and
    /// mirrored forms are those of the thumbnail, and so are the pixels of the dense check. Without
    /// usable features it finds whole copies only.
    pub(crate) fn of_stored(
        id: ImageId,
        record: &StoredRecord,
        stored: Option<&Features>,
        thumbnail: &[u8],
    ) -> Self {
        // Without pixels the dense check compares nothing.
        let grey = decode::thumbnail_grey(thumbnail).unwrap_or_else(|| GrayImage::new(1, 1));
        let mut pdq = PdqDigest::of(&grey).dihedral();
        pdq[0] = record.pdq;
        let features = stored.map_or_else(
            || QueryFeatures {
                width: record.width,
                height: record.height,
                features: Vec::new(),
            },
            features::restored,
        );
        Self {
            stored: Some(id),
            content: record.content,
            pdq,
            pdq_quality: record.pdq_quality,
            features,
            grey,
        }
    }

    /// Prepares the same image for another look; its bytes and hashes are not compared again.
    ///
    /// Cost: that of extracting the features of a query, 40 to 150 ms.
    #[expect(clippy::expect_used, reason = "the message is the proof")]
    pub(crate) fn seen(&self, look: Look) -> Self {
        let (width, height) = self.grey.dimensions();
        let half = |side: u32| (side / 2).max(1);
        let (grey, profile) = match look {
            Look::NarrowedByHalf => (
                decode::scaled_grey(&self.grey, half(width), height),
                ExtractionProfile::Query,
            ),
            Look::LoweredByHalf => (
                decode::scaled_grey(&self.grey, width, half(height)),
                ExtractionProfile::Query,
            ),
            Look::Close => (self.grey.clone(), ExtractionProfile::CloseQuery),
        };
        let view = GreyView::new(grey.as_raw(), grey.width(), grey.height())
            .expect("an image has pixels, and one byte of luminance for each");
        Self {
            features: features::extract_query_by(profile, &view),
            pdq_quality: 0,
            grey,
            ..*self
        }
    }
}

impl fmt::Debug for PreparedQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedQuery")
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}
