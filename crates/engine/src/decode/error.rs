//! Why an image is rejected.

use super::limits::{MAX_FILE_BYTES, MIN_SIDE};

/// Why bytes are not a usable image. Nothing was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file has no bytes.
    #[error("the image is empty")]
    Empty,
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error("the image has {bytes} bytes, more than {MAX_FILE_BYTES}")]
    FileTooLarge {
        /// Size of the rejected file in bytes.
        bytes: usize,
    },
    /// The first bytes are those of no [`Format`](super::Format).
    #[error("the image is neither JPEG, PNG, BMP, GIF, WebP nor TIFF")]
    UnknownFormat,
    /// A side is below [`MIN_SIDE`] or above the maximum of the library.
    #[error("the image is {width} x {height} pixels, each side must be {MIN_SIDE} to {max}")]
    Sides {
        /// Width in pixels from the header.
        width: u32,
        /// Height in pixels from the header.
        height: u32,
        /// Maximum side in pixels.
        max: u32,
    },
    /// Decoding would need more memory than any image of the allowed sides.
    #[error("the image needs too much memory to decode")]
    TooMuchMemory,
    /// The file ends before the image does.
    #[error("the image is cut off")]
    Truncated,
    /// The file starts like an image but its content cannot be decoded.
    #[error("the image is broken: {reason}")]
    Broken {
        /// The message of the decoder; it never contains pixels.
        reason: String,
    },
}

/// Returns the error of a file with this damage.
pub(super) fn broken(reason: &str) -> DecodeError {
    DecodeError::Broken {
        reason: reason.to_owned(),
    }
}
