//! The prefix of each message (gRPC over HTTP/2, Length-Prefixed-Message; Connect,
//! Enveloped-Message): one byte of flags, 1 for a compressed message, and four with its length.

use bytes::{BufMut, Bytes, BytesMut};

/// Length of a prefix.
pub(super) const PREFIX_BYTES: usize = 5;

/// Returns the length of the message behind a prefix.
pub(super) fn message_length(prefix: &[u8]) -> usize {
    let length = prefix[1..].iter();
    length.fold(0, |n, byte| n << 8 | usize::from(*byte))
}

/// Writes the prefix of a plain message.
pub(super) fn plain_prefix(length: usize) -> Bytes {
    prefix(0, length)
}

/// Writes the prefix of a message.
pub(super) fn prefix(flags: u8, length: usize) -> Bytes {
    let mut prefix = BytesMut::with_capacity(PREFIX_BYTES);
    prefix.put_u8(flags);
    prefix.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    prefix.freeze()
}
