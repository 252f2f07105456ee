//! A posting: the 16 bytes that record one feature of one image, in memtables and segment files.
//!
//! ```text
//! offset  bytes  content (little endian)
//! 0       8      signature
//! 8       4      image: its number in the memtable or segment
//! 12      4      keypoint (see `features::keypoint`)
//! ```
//!
//! Postings are bytes in memory too, so that a mapped file is searched without conversion.

use crate::features::{PackedKeypoint, Word};

/// Size of a posting in bytes.
pub(crate) const POSTING: usize = 16;

/// An encoded posting.
pub(crate) type Posting = [u8; POSTING];

/// Encodes a posting.
pub(crate) fn encode(word: Word, image: u32, keypoint: PackedKeypoint) -> Posting {
    let mut bytes = [0; POSTING];
    bytes[..8].copy_from_slice(&word.signature.to_le_bytes());
    bytes[8..12].copy_from_slice(&image.to_le_bytes());
    bytes[12..].copy_from_slice(&keypoint.0.to_le_bytes());
    bytes
}

/// Returns the number of bits in which the signatures differ, 0 to 64.
#[inline(always)]
pub(crate) fn hamming(posting: &Posting, signature: u64) -> u32 {
    let [a, b, c, d, e, f, g, h, ..] = *posting;
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ signature).count_ones()
}

/// Returns the number of the image.
pub(crate) fn image(posting: &Posting) -> u32 {
    u32::from_le_bytes([posting[8], posting[9], posting[10], posting[11]])
}

/// Returns the feature's keypoint.
pub(crate) fn keypoint(posting: &Posting) -> PackedKeypoint {
    PackedKeypoint(u32::from_le_bytes([
        posting[12],
        posting[13],
        posting[14],
        posting[15],
    ]))
}

/// Returns the posting with another image number.
pub(crate) fn renumbered(posting: &Posting, image: u32) -> Posting {
    let mut bytes = *posting;
    bytes[8..12].copy_from_slice(&image.to_le_bytes());
    bytes
}
