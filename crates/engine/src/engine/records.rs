//! What listings are asked for and return: records, stored images, pages and the cursor between
//! them.

use std::fmt;
use std::str::FromStr;

use crate::filter::{ImageFilter, Order};
use crate::identity::{ContentHash, ImageId, Sign};
use crate::store::StoredRecord;

/// The record of one stored image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The public sign of the image.
    pub sign: Sign,
    /// The hash of the file bytes.
    pub content: ContentHash,
    /// The text that the caller added.
    pub brief: String,
    /// Up to [`crate::MAX_TAGS`] tags, in the caller's order.
    pub tags: Vec<u16>,
    /// Size of the file in bytes; the file itself is not stored.
    pub size_bytes: u64,
    /// Width of the upright image in pixels.
    pub width: u32,
    /// Height of the upright image in pixels.
    pub height: u32,
    /// Time of the add, milliseconds since 1970-01-01 UTC.
    pub added_at_ms: u64,
}

/// A record with its thumbnail.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// The record.
    pub record: Record,
    /// Upright JPEG, longer side up to 256 pixels; empty in a listing without thumbnails.
    pub thumbnail: Vec<u8>,
}

/// What a page of a listing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Which images.
    pub filter: ImageFilter,
    /// In which order.
    pub order: Order,
    /// The cursor of the page; `None` for the first one.
    pub after: Option<Cursor>,
    /// Maximum number of images. Default 100.
    pub limit: usize,
    /// Thumbnails too, up to this many bytes on a page, but at least one; `None`, the default, means
    /// without.
    pub max_thumbnail_bytes: Option<usize>,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of the listing.
    pub images: Vec<StoredImage>,
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<Cursor>,
    /// Number of images that the filter admits, on all pages; `None` with a condition on the brief.
    pub total: Option<u64>,
}

/// A position in a listing. It remains valid while images are added and deleted, also over a
/// restart: no remaining image is listed twice or skipped. A cursor of another order or filter
/// means another position.
///
/// Its text form (`Display`, `FromStr`) is for page tokens and has no other guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub(super) ImageId);

/// Refers to a stored image by the number that it has in this library until it is deleted, and that
/// no other image gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRef(pub(super) ImageId);

/// Images that a filter admits, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The images.
    pub images: Vec<ImageRef>,
    /// Where to continue; `None` when the whole library was examined.
    pub next: Option<Cursor>,
}

// === impl Record ===

impl From<StoredRecord> for Record {
    fn from(stored: StoredRecord) -> Self {
        Self {
            sign: stored.sign,
            content: stored.content,
            tags: stored.tags.to_vec(),
            brief: stored.brief,
            size_bytes: stored.size_bytes,
            width: stored.width,
            height: stored.height,
            added_at_ms: stored.added_at_ms,
        }
    }
}

impl fmt::Debug for StoredImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredImage")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

// === impl ListQuery ===

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            filter: ImageFilter::default(),
            order: Order::default(),
            after: None,
            limit: 100,
            max_thumbnail_bytes: None,
        }
    }
}

// === impl Cursor ===

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
