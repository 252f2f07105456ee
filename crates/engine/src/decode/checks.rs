//! The checks before any pixel is decoded, and the conversion of a decoder's errors.

use image::error::ImageError;

use super::error::DecodeError;
use super::limits::{MAX_FILE_BYTES, MIN_SIDE};

/// Maximum length of a decoder's message in bytes.
const MAX_REASON: usize = 200;

/// Checks the size of the file.
pub(super) fn size(file: &[u8]) -> Result<(), DecodeError> {
    if file.len() > MAX_FILE_BYTES {
        return Err(DecodeError::FileTooLarge { bytes: file.len() });
    }
    Ok(())
}

/// Checks the sides in the header; the orientation can swap them later.
pub(super) fn sides(width: u32, height: u32, max: u32) -> Result<(), DecodeError> {
    if width.min(height) < MIN_SIDE || width.max(height) > max {
        return Err(DecodeError::Sides { width, height, max });
    }
    Ok(())
}

/// Converts an error of a decoder.
#[expect(
    clippy::needless_pass_by_value,
    reason = "used as a plain function in `map_err`"
)]
pub(super) fn rejection(error: ImageError) -> DecodeError {
    if let ImageError::Limits(_) = error {
        return DecodeError::TooMuchMemory;
    }
    if let ImageError::IoError(error) = &error
        && error.kind() == std::io::ErrorKind::UnexpectedEof
    {
        return DecodeError::Truncated;
    }
    // Some decoders quote whole fields of the file.
    let mut reason = error.to_string();
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    DecodeError::Broken { reason }
}
