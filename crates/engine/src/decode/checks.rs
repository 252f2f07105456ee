//! The checks before any pixel is decoded, and the conversion of a decoder's errors.

use image::ImageFormat;
use image::error::ImageError;

use super::error::DecodeError;
use super::limits::{MAX_FILE_BYTES, MIN_SIDE};

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
pub(super) fn sides(width: u32, height: u32, max: u32) -> Result<(), DecodeError> {
    if width.min(height) < MIN_SIDE || width.max(height) > max {
        return Err(DecodeError::Sides { width, height, max });
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
    let scan = jpeg_header(bytes).ok_or(DecodeError::Truncated)?.scan;
    // In entropy-coded data a 0xFF byte is always followed by 0x00 or a restart marker (ITU-T T.81
    // section B.1.1.5), so these two bytes are the end of the image; any bytes may follow.
    if !bytes[scan..].windows(2).any(|pair| pair == [0xff, 0xd9]) {
        return Err(DecodeError::Truncated);
    }
    Ok(())
}

/// Returns whether a JPEG may need more than one scan: it is progressive, or its first scan has not
/// all components.
pub(super) fn has_several_scans(bytes: &[u8]) -> bool {
    jpeg_header(bytes).is_none_or(|header| header.is_progressive || header.is_partial)
}

/// What the marker segments of a JPEG say, up to its first scan.
struct JpegHeader {
    /// Index of the first entropy-coded byte.
    scan: usize,
    is_progressive: bool,
    /// Whether the first scan has not all components.
    is_partial: bool,
}

/// Reads the marker segments up to the first scan, and skips with them an EXIF thumbnail, which has
/// an end marker too.
fn jpeg_header(bytes: &[u8]) -> Option<JpegHeader> {
    const START_OF_SCAN: u8 = 0xda;
    const PROGRESSIVE: u8 = 0xc2;
    // Numbers of components in the frame header (T.81 section B.2.2) and in the scan header (B.2.3),
    // counted from the marker's length.
    const FRAME_COMPONENTS: usize = 7;
    const SCAN_COMPONENTS: usize = 2;
    let (mut is_progressive, mut components) = (false, 0);
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
        let segment = bytes.get(at..)?;
        let length = u16::from_be_bytes([*segment.first()?, *segment.get(1)?]);
        at += usize::from(length);
        match marker {
            0xc0..=PROGRESSIVE => {
                is_progressive |= marker == PROGRESSIVE;
                components = *segment.get(FRAME_COMPONENTS)?;
            }
            START_OF_SCAN => {
                return (at <= bytes.len()).then_some(JpegHeader {
                    scan: at,
                    is_progressive,
                    is_partial: *segment.get(SCAN_COMPONENTS)? < components,
                });
            }
            _ => {}
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
