//! The data that the index keeps per image, besides its postings.
//!
//! ```text
//! offset  bytes  content (little endian)
//! 0       8      id
//! 8       2      working side in pixels: the size at which the image was described
//! ```

use crate::features::Features;

/// Size of an entry in bytes.
pub(crate) const IMAGE_ENTRY: usize = 10;

/// An image of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageEntry {
    pub(crate) id: u64,
    pub(crate) working_side: u16,
}

// === impl ImageEntry ===

impl ImageEntry {
    pub(crate) fn new(id: u64, features: &Features) -> Self {
        Self {
            id,
            working_side: features.working_side,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; IMAGE_ENTRY] {
        let mut bytes = [0; IMAGE_ENTRY];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..].copy_from_slice(&self.working_side.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; IMAGE_ENTRY]) -> Self {
        let [a, b, c, d, e, f, g, h, side @ ..] = *bytes;
        Self {
            id: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            working_side: u16::from_le_bytes(side),
        }
    }
}
