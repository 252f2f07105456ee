//! The checksum of stored data: 64 bits of BLAKE3 over the image's number and the bytes.
//!
//! The number is part of it, so that data of one image in the row of another is found too. redb has
//! a checksum of each page, but verifies it only when it repairs a file after a crash.

use crate::identity::ImageId;

/// Returns the checksum of data of an image.
pub(super) fn checksum(id: ImageId, data: &[u8]) -> u64 {
    checksum_of_parts(id, [data, &[]])
}

/// Returns the checksum of data of an image that is in two parts.
pub(super) fn checksum_of_parts(id: ImageId, [first, second]: [&[u8]; 2]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let hasher = hasher
        .update(&id.to_le_bytes())
        .update(first)
        .update(second);
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The sum of the checksums of a table's rows, in any order: changes when any row does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(pub(super) u64);

// === impl Digest ===

impl Digest {
    pub(super) fn add(&mut self, checksum: u64) {
        self.0 = self.0.wrapping_add(checksum);
    }

    pub(super) fn subtract(&mut self, checksum: u64) {
        self.0 = self.0.wrapping_sub(checksum);
    }
}
