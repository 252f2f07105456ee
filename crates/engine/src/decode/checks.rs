//! The checks before any pixel is decoded, and the conversion of a decoder's errors.

use image::ImageFormat;
use image::error::ImageError;

use super::error::DecodeError;
use super::limits::{MAX_FILE_BYTES, MAX_SIDE, MIN_SIDE};

/// Detects the format by the first bytes; the name of a file is ignored.
pub(super) fn format(bytes: &[u8]) -> Result<ImageFormat, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() > MAX_FILE_BYTES {
        return Err(DecodeError::FileTooLarge { bytes: bytes.len() });
    }
    match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Bmp)) => Ok(format),
        _ => Err(DecodeError::UnknownFormat),
    }
}

/// Checks the sides in the header; the orientation can swap them later.
pub(super) fn sides(width: u32, height: u32) -> Result<(), DecodeError> {
    if width.min(height) < MIN_SIDE || width.max(height) > MAX_SIDE {
        return Err(DecodeError::Sides { width, height });
    }
    Ok(())
}

/// Rejects a JPEG without its end marker.
///
/// The JPEG decoder fills missing pixels with grey and reports success, so an incomplete upload
/// would be stored as an image. PNG and BMP decoders detect it themselves.
pub(super) fn complete(bytes: &[u8], format: ImageFormat) -> Result<(), DecodeError> {
    if format != ImageFormat::Jpeg {
        return Ok(());
    }
    let scan = jpeg_scan_start(bytes).ok_or(DecodeError::Truncated)?;
    // In entropy-coded data a 0xFF byte is always followed by 0x00 or a restart marker (ITU-T T.81
    // section B.1.1.5), so these two bytes are the end of the image; any bytes may follow.
    if !bytes[scan..].windows(2).any(|pair| pair == [0xff, 0xd9]) {
        return Err(DecodeError::Truncated);
    }
    Ok(())
}

/// Skips the marker segments up to the first scan, and with them an EXIF thumbnail, which has an
/// end marker too.
fn jpeg_scan_start(bytes: &[u8]) -> Option<usize> {
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 2;
    loop {
        // Any number of fill bytes may precede a marker (T.81 section B.1.1.2); bytes that are no
        // marker are skipped, as decoders do.
        while *bytes.get(at)? != 0xff || matches!(bytes.get(at + 1)?, 0x00 | 0xff) {
            at += 1;
        }
        let marker = *bytes.get(at + 1)?;
        at += 2;
        // Markers without a length.
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            continue;
        }
        let length = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
        at += usize::from(length);
        if marker == START_OF_SCAN {
            return (at <= bytes.len()).then_some(at);
        }
    }
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
    DecodeError::Broken {
        reason: error.to_string(),
    }
}
