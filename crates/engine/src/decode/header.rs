//! Reads the header of an image file: format, sides, and what decoding needs of memory.
//!
//! This is the only reader of sides: callers check them before an image is queued, and the decoder
//! rejects a file whose decoded sides are different. It reads a few bytes, whatever the header
//! declares; only in a JPEG it passes over the segments before the frame. The name and the declared
//! content type of a file are ignored.

use std::fmt;

use super::bytes::bytes;
use super::error::{DecodeError, broken};
use super::tiff::Directory;
use super::{bmp, jpeg, png};

/// A format of image files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG (ITU-T T.81), sequential and progressive.
    Jpeg,
    /// PNG; of an APNG the default image.
    Png,
    /// BMP of Windows and OS/2.
    Bmp,
    /// GIF; the first frame.
    Gif,
    /// WebP; the first frame.
    WebP,
    /// TIFF; the first page.
    Tiff,
}

/// What the header of an image file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) format: Format,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Peak memory of decoding, in bytes per pixel.
    pub(super) bytes_per_pixel: u64,
}

// === impl Format ===

impl Format {
    /// Detects a format by the first bytes.
    fn detect(file: &[u8]) -> Option<Self> {
        Some(match file {
            [0xff, 0xd8, 0xff, ..] => Format::Jpeg,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Format::Png,
            [b'B', b'M', ..] => Format::Bmp,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Format::Gif,
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Format::WebP,
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Format::Tiff,
            _ => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::Bmp => "BMP",
            Format::Gif => "GIF",
            Format::WebP => "WebP",
            Format::Tiff => "TIFF",
        })
    }
}

// === impl Header ===

impl Header {
    /// Reads the header of a file. Cost: microseconds.
    ///
    /// # Errors
    ///
    /// `Empty`, `UnknownFormat`, `Truncated` when the file ends before its sides, `Broken` with the
    /// reason when no viewer shows such a file or its coding is not supported.
    pub fn read(file: &[u8]) -> Result<Self, DecodeError> {
        if file.is_empty() {
            return Err(DecodeError::Empty);
        }
        let format = Format::detect(file).ok_or(DecodeError::UnknownFormat)?;
        let (width, height, bytes_per_pixel) = match format {
            Format::Jpeg => {
                let frame = jpeg::header(file)?;
                (frame.width, frame.height, frame.bytes_per_pixel())
            }
            Format::Png => png::header(file)?,
            Format::Bmp => {
                let (width, height) = bmp::sides(file)?;
                // RGBA, and RGB without transparency; a repaired copy of a file that has up to
                // 4 bytes per pixel.
                (width, height, 4 + 4)
            }
            Format::Gif => gif(file)?,
            Format::WebP => webp(file)?,
            Format::Tiff => tiff(file)?,
        };
        Ok(Header {
            format,
            width,
            height,
            bytes_per_pixel,
        })
    }

    /// Returns the format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the width in pixels, before a rotation by EXIF.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels, before a rotation by EXIF.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns width × height.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Returns the peak memory of decoding in bytes: the largest sum of what is allocated at the
    /// same time.
    pub(crate) fn decode_memory(&self) -> u64 {
        self.pixels().saturating_mul(self.bytes_per_pixel)
    }
}

fn u16_at(file: &[u8], at: usize) -> Result<u32, DecodeError> {
    Ok(u16::from_le_bytes(bytes(file, at)?).into())
}

/// Reads the logical screen of a GIF (GIF89a, section 18).
fn gif(file: &[u8]) -> Result<(u32, u32, u64), DecodeError> {
    // RGBA of the canvas and of a frame that is smaller.
    Ok((u16_at(file, 6)?, u16_at(file, 8)?, 4 + 4))
}

/// Reads the canvas of a WebP (RFC 9649, sections 2.5 to 2.7; VP8: RFC 6386, section 9.1).
fn webp(file: &[u8]) -> Result<(u32, u32, u64), DecodeError> {
    // The frame's RGBA, its YUV or the planes of a lossless one, and a copy rotated by EXIF.
    const BYTES_PER_PIXEL: u64 = 4 + 4 + 4;
    let u24_at = |at| {
        let [low, middle, high] = bytes(file, at)?;
        Ok::<_, DecodeError>(u32::from_le_bytes([low, middle, high, 0]))
    };
    let (width, height) = match &bytes(file, 12)? {
        b"VP8X" => (1 + u24_at(24)?, 1 + u24_at(27)?),
        b"VP8L" => {
            let sides = u32::from_le_bytes(bytes(file, 21)?);
            (1 + (sides & 0x3fff), 1 + (sides >> 14 & 0x3fff))
        }
        b"VP8 " => (u16_at(file, 26)? & 0x3fff, u16_at(file, 28)? & 0x3fff),
        _ => {
            return Err(broken("its first chunk has no image"));
        }
    };
    Ok((width, height, BYTES_PER_PIXEL))
}

/// Reads the first directory of a TIFF (TIFF 6.0, section 8).
fn tiff(file: &[u8]) -> Result<(u32, u32, u64), DecodeError> {
    const WIDTH: u16 = 256;
    const HEIGHT: u16 = 257;
    const BITS: u16 = 258;
    const SAMPLES: u16 = 277;
    let directory =
        Directory::first(file).ok_or_else(|| broken("its first directory cannot be read"))?;
    let side = |tag| {
        let side = directory.number(tag);
        side.ok_or(DecodeError::Truncated)
    };
    let bits = directory.number(BITS).unwrap_or(1).clamp(8, 64);
    let samples = directory.number(SAMPLES).unwrap_or(1).clamp(1, 16);
    // Decoded samples, and either a rotated copy or what a strip needs; RGB besides them.
    let bytes_per_pixel = 2 * u64::from(samples) * u64::from(bits.div_ceil(8)) + 3;
    Ok((side(WIDTH)?, side(HEIGHT)?, bytes_per_pixel))
}
