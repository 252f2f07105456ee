//! The document of an image: its form in the index, and in the gateway.
//!
//! A document has what a search compares and returns, under the terms of its words (`terms`) and of
//! its hash (`hash_terms`). These two are indexed and not stored: an update writes the whole document
//! again, with terms that are computed from the stored features.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use same_image as engine;
use serde::{Deserialize, Serialize};

use crate::domain::{ContSign, Record};
use crate::error::{Error, Kind, Result};
use crate::library::embedded::convert::cont_sign;
use crate::library::embedded::errors::storage;

/// An image of a library.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) image: engine::ImageDocument,
    pub(super) brief: String,
    /// In the caller's order.
    pub(super) tags: Vec<u16>,
    /// Milliseconds since the Unix epoch, by the clock of the gateway that added it.
    pub(super) added_at_ms: u64,
}

/// What the index stores of a document; a response has only the fields that were asked for.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Source {
    /// BLAKE3 hash of the file, hexadecimal.
    content: String,
    size_bytes: u64,
    width: u32,
    height: u32,
    /// PDQ hash, base64.
    hash: String,
    hash_quality: u8,
    /// Base64.
    features: String,
    /// JPEG, base64.
    thumbnail: String,
    brief: String,
    tags: Vec<u16>,
    added_at_ms: u64,
}

/// What is written: also the fields that are indexed and not stored.
#[derive(Serialize)]
struct Written {
    #[serde(flatten)]
    source: Source,
    /// Orders documents of the same millisecond.
    sign: String,
    /// In lower case, for conditions.
    folded_brief: String,
    terms: String,
    hash_terms: String,
}

/// The fields of a record.
pub(super) const RECORD: [&str; 7] = [
    "content",
    "size_bytes",
    "width",
    "height",
    "brief",
    "tags",
    "added_at_ms",
];
/// The fields that a search compares and returns.
pub(super) const COMPARED: [&str; 10] = [
    "content",
    "size_bytes",
    "width",
    "height",
    "hash",
    "hash_quality",
    "features",
    "brief",
    "tags",
    "added_at_ms",
];

// === impl Document ===

impl Document {
    /// Returns the sign, which is also the id of the document.
    pub(super) fn sign(&self) -> engine::Sign {
        self.image.content.first_sign()
    }

    /// Writes the document in one line.
    ///
    /// # Errors
    ///
    /// `Storage` for features that are damaged or of another codebook.
    pub(super) fn to_json(&self) -> Result<Bytes> {
        let image = &self.image;
        let terms = image.terms().map_err(|error| storage(&error))?;
        let written = Written {
            sign: self.sign().to_string(),
            folded_brief: engine::lower_case(&self.brief),
            terms: text(&terms),
            hash_terms: text(&image.hash_terms()),
            source: Source {
                content: image.content.to_string(),
                size_bytes: image.size_bytes,
                width: image.width,
                height: image.height,
                hash: STANDARD.encode(image.hash),
                hash_quality: image.hash_quality,
                features: STANDARD.encode(&image.features),
                thumbnail: STANDARD.encode(&image.thumbnail),
                brief: self.brief.clone(),
                tags: self.tags.clone(),
                added_at_ms: self.added_at_ms,
            },
        };
        let line = serde_json::to_vec(&written);
        let line = line.map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        Ok(line.into())
    }

    /// Reads what the index stores.
    ///
    /// # Errors
    ///
    /// `Storage` for a field that is damaged.
    pub(super) fn from_source(source: Source) -> Result<Self> {
        let damaged = |field: &str| {
            let message = format!("`{field}` of a document is damaged");
            Error::new(Kind::Storage, message)
        };
        let decoded = |field: &str, text: &str| STANDARD.decode(text).map_err(|_| damaged(field));
        let content = engine::ContentHash::parse(&source.content);
        let hash = match source.hash.as_str() {
            "" => [0; 32],
            text => decoded("hash", text)?
                .try_into()
                .map_err(|_| damaged("hash"))?,
        };
        Ok(Document {
            image: engine::ImageDocument {
                content: content.ok_or_else(|| damaged("content"))?,
                size_bytes: source.size_bytes,
                width: source.width,
                height: source.height,
                hash,
                hash_quality: source.hash_quality,
                features: decoded("features", &source.features)?,
                thumbnail: decoded("thumbnail", &source.thumbnail)?,
            },
            brief: source.brief,
            tags: source.tags,
            added_at_ms: source.added_at_ms,
        })
    }

    /// Returns the record of the image, with the thumbnail if that was fetched.
    pub(super) fn into_record(self) -> Result<Record> {
        let cont_sign: ContSign = cont_sign(self.sign())?;
        Ok(Record {
            cont_sign,
            brief: self.brief,
            tags: self.tags,
            width: self.image.width,
            height: self.image.height,
            size_bytes: self.image.size_bytes,
            added_at_ms: self.added_at_ms,
            thumbnail: self.image.thumbnail.into(),
            preview: Bytes::new(),
        })
    }
}

/// Writes terms as a text that the analyzer takes apart at white space.
pub(super) fn text(terms: &[engine::Term]) -> String {
    let mut text = String::with_capacity(8 * terms.len());
    for term in terms {
        // Writing to a String does not fail.
        let _ = write!(text, "{term} ");
    }
    text
}
