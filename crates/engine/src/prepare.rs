//! Everything computed from an image's bytes before the library is asked: the expensive part.
//!
//! Adding and searching prepare differently, so they have a type each. Nothing here locks, waits
//! or touches the disk; callers run it on as many threads as they like.

use std::fmt;

use crate::features::{self, QueryFeatures};
use crate::identity::ContentHash;
use crate::pdq::{Digest, Hash};
use crate::picture::{DecodeError, Image};

/// An image ready to be added: its facts, hashes and thumbnail, without the file itself.
#[derive(Clone)]
pub struct Prepared {
    pub(crate) content: ContentHash,
    pub(crate) size_bytes: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pdq: Hash,
    pub(crate) pdq_quality: u8,
    /// As `features::record` writes them.
    pub(crate) features: Vec<u8>,
    pub(crate) thumbnail: Vec<u8>,
}

/// An image ready to be searched for.
#[derive(Clone)]
pub struct PreparedQuery {
    pub(crate) content: ContentHash,
    pub(crate) pdq: [Hash; 8],
    pub(crate) pdq_quality: u8,
    pub(crate) features: QueryFeatures,
}

// === impl Prepared ===

impl Prepared {
    /// Decodes and digests an image for the library.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, DecodeError> {
        let image = Image::decode(bytes)?;
        let digest = Digest::of(image.grey());
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

    /// Returns the hash that decides whether this is a duplicate.
    #[must_use]
    pub fn content(&self) -> ContentHash {
        self.content
    }
}

impl fmt::Debug for Prepared {
    /// Leaves out the thumbnail and the features: images do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("content", &self.content)
            .field("size_bytes", &self.size_bytes)
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

// === impl PreparedQuery ===

impl PreparedQuery {
    /// Decodes and digests an image for one search.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, DecodeError> {
        let image = Image::decode(bytes)?;
        let digest = Digest::of(image.grey());
        Ok(Self {
            content: ContentHash::of(bytes),
            pdq: digest.dihedral(),
            pdq_quality: digest.quality(),
            features: features::extract_query(&image.view()),
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
