//! What callers pass to a write and what a successful write returns.

use crate::identity::{ContentHash, Sign};

/// Maximum length of a brief in bytes, enough for ids and short texts (the same_hq service itself
/// allows 256). Longer briefs are rejected.
pub const MAX_BRIEF_BYTES: usize = 4096;

/// Identifies the stored image of an update or a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The image with this sign.
    Sign(Sign),
    /// The image with exactly these file bytes. A similar image does not match.
    Content(ContentHash),
}

/// The caller's data for a new image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Free text that searches return, up to 4096 bytes.
    pub brief: String,
    /// Up to [`crate::MAX_TAGS`] tags of 1 to 65535; duplicates are allowed.
    pub tags: Vec<u16>,
}

/// The fields that an update replaces; `None` keeps the stored value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordUpdate {
    /// The new brief, up to 4096 bytes.
    pub brief: Option<String>,
    /// The new tags. They replace all stored tags; the rules of [`NewRecord::tags`] apply.
    pub tags: Option<Vec<u16>>,
}

/// The result of an add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The image's sign; for a duplicate the sign of the stored image.
    pub sign: Sign,
    /// Whether the same bytes were stored before. The stored record is then unchanged.
    pub existed: bool,
}
