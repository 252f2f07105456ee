//! The data that the index keeps per image, besides its postings.
//!
//! ```text
//! offset  bytes  content (little endian)
//! 0       8      id
//! 8       2      width in pixels
//! 10      2      height in pixels
//! 12      2      number of features
//! 14      2      0
//! ```

use crate::features::Features;

/// Size of an entry in bytes.
pub(crate) const IMAGE_ENTRY: usize = 16;

/// An image of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageEntry {
    pub(crate) id: u64,
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) features: u16,
}

// === impl ImageEntry ===

impl ImageEntry {
    pub(crate) fn new(id: u64, features: &Features) -> Self {
        let count = u16::try_from(features.features.len()).unwrap_or(u16::MAX);
        Self {
            id,
            width: features.width,
            height: features.height,
            features: count,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; IMAGE_ENTRY] {
        let mut bytes = [0; IMAGE_ENTRY];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.width.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.height.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.features.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; IMAGE_ENTRY]) -> Self {
        let [a, b, c, d, e, f, g, h, w0, w1, h0, h1, n0, n1, ..] = *bytes;
        Self {
            id: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            width: u16::from_le_bytes([w0, w1]),
            height: u16::from_le_bytes([h0, h1]),
            features: u16::from_le_bytes([n0, n1]),
        }
    }
}
