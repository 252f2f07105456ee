//! Reads the header of an image file: format, sides, and what decoding needs of memory.
//!
//! This is the only reader of sides: callers check them before an image is queued, and the decoder
//! rejects a file whose decoded sides are different. It reads a few bytes, whatever the header
//! declares; only in a JPEG it passes over the segments before the frame, up to 4096. The name and the declared
//! content type of a file are ignored.

use std::fmt;

use super::bytes::bytes;
use super::error::{DecodeError, broken};
use super::tiff::Directory;
use super::{bmp, jpeg, png, webp};

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
    /// Size of the copy of the file that decoding may make: a BMP is repaired, a PNG completed.
    pub(super) copied_bytes: u64,
}

// === impl Format ===

impl Format {
    /// Detects a format by the first bytes, of which 12 are enough; `None` for any other file.
    #[must_use]
    pub fn detect(file: &[u8]) -> Option<Self> {
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
                // RGBA, and RGB without transparency.
                (width, height, 4 + 3)
            }
            Format::Gif => gif(file)?,
            Format::WebP => webp::header(file)?,
            Format::Tiff => tiff(file)?,
        };
        Ok(Header {
            format,
            width,
            height,
            bytes_per_pixel,
            copied_bytes: match format {
                Format::Png | Format::Bmp => file.len() as u64,
                Format::Jpeg | Format::Gif | Format::WebP | Format::Tiff => 0,
            },
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
        self.pixel_memory().saturating_add(self.copied_bytes)
    }

    /// Returns the part of it that grows with the pixels.
    pub(super) fn pixel_memory(&self) -> u64 {
        self.pixels().saturating_mul(self.bytes_per_pixel)
    }
}

fn u16_at(file: &[u8], at: usize) -> Result<u32, DecodeError> {
    Ok(u16::from_le_bytes(bytes(file, at)?).into())
}

/// Reads the logical screen of a GIF (`GIF89a`, section 18).
fn gif(file: &[u8]) -> Result<(u32, u32, u64), DecodeError> {
    // RGBA of the canvas and of a frame that is smaller, and the colour numbers of the frame.
    Ok((u16_at(file, 6)?, u16_at(file, 8)?, 4 + 4 + 1))
}

/// Reads the first directory of a TIFF (TIFF 6.0, section 8).
fn tiff(file: &[u8]) -> Result<(u32, u32, u64), DecodeError> {
    const WIDTH: u16 = 256;
    const HEIGHT: u16 = 257;
    const BITS: u16 = 258;
    const SAMPLES: u16 = 277;
    /// Four inks and transparency.
    const MAX_SAMPLES: u32 = 5;
    let directory =
        Directory::first(file).ok_or_else(|| broken("its first directory cannot be read"))?;
    let side = |tag| {
        let side = directory.number(tag);
        side.ok_or(DecodeError::Truncated)
    };
    let (width, height) = (side(WIDTH)?, side(HEIGHT)?);
    check_tiff(&directory, (width, height))?;
    let number = |tag| match directory.number(tag) {
        None if directory.has(tag) => Err(broken("a field of its directory is no number")),
        number => Ok(number.unwrap_or(1)),
    };
    let (bits, samples) = (number(BITS)?.clamp(8, 64), number(SAMPLES)?);
    if !(1..=MAX_SAMPLES).contains(&samples) {
        return Err(broken("it has too many samples per pixel"));
    }
    // Decoded samples, and either a rotated copy or what a strip needs; RGB besides them.
    let bytes_per_pixel = 2 * u64::from(samples) * u64::from(bits.div_ceil(8)) + 3;
    Ok((width, height, bytes_per_pixel))
}

/// Rejects what the decoder reads without a limit: each tile is decoded whole, and a JPEG in it has
/// sides of its own.
fn check_tiff(directory: &Directory<'_>, (width, height): (u32, u32)) -> Result<(), DecodeError> {
    const COMPRESSION: u16 = 259;
    const TILE_WIDTH: u16 = 322;
    const TILE_LENGTH: u16 = 323;
    /// None, LZW, Deflate (two numbers) and `PackBits`.
    const COMPRESSIONS: [u32; 5] = [1, 5, 8, 32946, 32773];
    /// Length of a tile's side that small images have too, in pixels.
    const TILE_SIDE: u32 = 512;
    if directory.has_duplicates() {
        return Err(broken("a field of its directory is there twice"));
    }
    let compression = directory.number(COMPRESSION);
    let is_known = compression.is_some_and(|number| COMPRESSIONS.contains(&number));
    if directory.has(COMPRESSION) && !is_known {
        return Err(broken("its compression is not supported"));
    }
    for (tag, side) in [(TILE_WIDTH, width), (TILE_LENGTH, height)] {
        let max = side.saturating_add(15).max(TILE_SIDE);
        if directory.has(tag) && directory.number(tag).is_none_or(|tile| tile > max) {
            return Err(broken("its tiles are larger than the image"));
        }
    }
    Ok(())
}
