//! Images on their way from one library to another, with everything that a library stores of them.
//!
//! The bytes are a small backup of the engine, so every backend with the engine reads what another
//! one has written; this file, and whatever sends the bytes, does not look into them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Maximum number of images of a page.
pub const MAX_PAGE_IMAGES: usize = 256;
/// Maximum number of images that are read by their signs at once: a preview has up to 1 MiB.
pub const MAX_PAGE_SIGNS: usize = 16;
/// Size of features, thumbnails and previews at which a page ends; 256 images without previews usually
/// have 5 MB.
pub const PAGE_BYTES: usize = 8 << 20;
/// Maximum size of a page: one that ends with its largest image, and the records.
pub const MAX_PAGE_BYTES: usize = 16 << 20;

/// Header with the identity of the library that a page is of.
pub const LIBRARY_HEADER: &str = "samegate-library";
/// Header with the number of its images.
pub const TOTAL_HEADER: &str = "samegate-image-count";
/// Header with the maximum number of its images.
pub const CAPACITY_HEADER: &str = "samegate-capacity";
/// Header with `after` of the next page, or [`LAST_PAGE`]: a page whose header is lost must not pass
/// for the last one.
pub const NEXT_HEADER: &str = "samegate-next";
/// Says that no page follows; no page token.
pub const LAST_PAGE: &str = "end";

/// Images of a library.
#[derive(Clone, Debug)]
pub struct ImagePage {
    /// A backup of the images.
    pub images: Bytes,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
    /// The identity of the library.
    pub library: String,
    /// Number of images in the library.
    pub total: u64,
    /// Maximum number of images in the library.
    pub capacity: u64,
}

/// What became of an image that was sent to a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Insertion {
    /// It is added.
    Added,
    /// It was stored before, with the same brief and tags.
    Unchanged,
    /// It was stored before, with another brief or tags, which are replaced.
    Replaced,
    /// It was stored before, with another brief or tags, which are kept.
    Kept,
}
