//! Reads bytes at a position of a file.

use super::error::DecodeError;

/// Returns `N` bytes of a file.
///
/// # Errors
///
/// `Truncated` when the file ends before.
pub(super) fn bytes<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N], DecodeError> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk());
    bytes.copied().ok_or(DecodeError::Truncated)
}
