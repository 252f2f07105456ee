//! The 16 bytes that say "this image has this feature", as they lie in tables and segment files.
//!
//! ```text
//! offset  bytes  content (little endian)
//! 0       8      signature
//! 8       4      image: its number in the table or segment
//! 12      4      place (see `features::place`)
//! ```
//!
//! Kept as bytes in memory too, so that a mapped file is searched in place without any conversion.

use crate::features::{PackedPlace, Word};

/// Bytes of a posting.
pub(crate) const POSTING: usize = 16;

/// A posting as it is stored.
pub(crate) type Posting = [u8; POSTING];

/// Puts a posting together.
pub(crate) fn posting(word: Word, image: u32, place: PackedPlace) -> Posting {
    let mut bytes = [0; POSTING];
    bytes[..8].copy_from_slice(&word.signature.to_le_bytes());
    bytes[8..12].copy_from_slice(&image.to_le_bytes());
    bytes[12..].copy_from_slice(&place.0.to_le_bytes());
    bytes
}

/// Returns the number of bits in which the signatures differ, 0 to 64.
#[inline(always)]
pub(crate) fn hamming(posting: &Posting, signature: u64) -> u32 {
    let [a, b, c, d, e, f, g, h, ..] = *posting;
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ signature).count_ones()
}

/// Returns the image's number.
pub(crate) fn image(posting: &Posting) -> u32 {
    u32::from_le_bytes([posting[8], posting[9], posting[10], posting[11]])
}

/// Returns the feature's place.
pub(crate) fn place(posting: &Posting) -> PackedPlace {
    PackedPlace(u32::from_le_bytes([
        posting[12],
        posting[13],
        posting[14],
        posting[15],
    ]))
}

/// Returns the posting with another image's number.
pub(crate) fn renumbered(posting: &Posting, image: u32) -> Posting {
    let mut bytes = *posting;
    bytes[8..12].copy_from_slice(&image.to_le_bytes());
    bytes
}
