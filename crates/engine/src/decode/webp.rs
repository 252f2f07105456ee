//! The chunks of WebP files (RFC 9649): the sides of the first frame, and EXIF.
//!
//! EXIF is read here because the decoder allocates what the length of its chunk announces.

use super::bytes::bytes;
use super::error::{DecodeError, broken};

/// Position of the first chunk.
const FIRST_CHUNK: usize = 12;
/// Maximum number of chunks up to the first frame, which are read before an image is queued. Files
/// have up to six: RFC 9649 names no other ones.
const MAX_CHUNKS: usize = 4096;

/// Reads the canvas of a WebP (RFC 9649, sections 2.5 to 2.7; VP8: RFC 6386, section 9.1).
pub(super) fn header(file: &[u8]) -> Result<(u32, u32, u64), DecodeError> {
    // The canvas and the output in RGBA; and of the first frame its RGBA, its YUV and its alpha.
    const BYTES_PER_PIXEL: u64 = 4 + 4 + 4 + 3;
    let (width, height) = match &bytes(file, FIRST_CHUNK)? {
        b"VP8X" => {
            let canvas = (1 + u24_at(file, 24)?, 1 + u24_at(file, 27)?);
            check_frame(file, canvas)?;
            canvas
        }
        b"VP8L" => {
            let sides = u32::from_le_bytes(bytes(file, 21)?);
            (1 + (sides & 0x3fff), 1 + (sides >> 14 & 0x3fff))
        }
        b"VP8 " => vp8_sides(file, FIRST_CHUNK)?,
        _ => return Err(broken("its first chunk has no image")),
    };
    Ok((width, height, BYTES_PER_PIXEL))
}

/// Returns the first EXIF block of an extended file (section 2.7.1.5): the TIFF file in it.
pub(super) fn exif(file: &[u8]) -> Option<&[u8]> {
    if bytes(file, FIRST_CHUNK).ok()? != *b"VP8X" {
        return None;
    }
    let mut at = FIRST_CHUNK;
    loop {
        let kind: [u8; 4] = bytes(file, at).ok()?;
        let length = u32::from_le_bytes(bytes(file, at + 4).ok()?) as usize;
        let data = file.get(at + 8..)?;
        if kind == *b"EXIF" {
            let block = data.get(..length)?;
            return Some(block.strip_prefix(b"Exif\0\0").unwrap_or(block));
        }
        at = (at + 8).checked_add(length)?.checked_add(length % 2)?;
    }
}

/// Checks that the first frame of an extended WebP has the sides that are declared for it: the
/// decoder allocates by those of the frame.
fn check_frame(file: &[u8], canvas: (u32, u32)) -> Result<(), DecodeError> {
    let (mut at, mut declared) = (FIRST_CHUNK, canvas);
    for _ in 0..MAX_CHUNKS {
        let length = u32::from_le_bytes(bytes(file, at + 4)?) as usize;
        let data = at + 8;
        match &bytes(file, at)? {
            b"VP8 " if vp8_sides(file, at)? != declared => {
                return Err(broken("its frame has other sides than its canvas"));
            }
            // The decoder compares the sides of a lossless frame itself.
            b"VP8 " | b"VP8L" => return Ok(()),
            b"ANMF" => {
                declared = (1 + u24_at(file, data + 6)?, 1 + u24_at(file, data + 9)?);
                if declared.0 > canvas.0 || declared.1 > canvas.1 {
                    return Err(broken("its frame is larger than its canvas"));
                }
                // The chunks of the frame follow its header.
                at = data + 16;
            }
            _ => at = data.saturating_add(length).saturating_add(length % 2),
        }
    }
    Err(broken("it has more than 4096 chunks before its frame"))
}

fn vp8_sides(file: &[u8], chunk: usize) -> Result<(u32, u32), DecodeError> {
    let side = |at| Ok::<_, DecodeError>(u16_at(file, at)? & 0x3fff);
    Ok((side(chunk + 14)?, side(chunk + 16)?))
}

fn u16_at(file: &[u8], at: usize) -> Result<u32, DecodeError> {
    Ok(u16::from_le_bytes(bytes(file, at)?).into())
}

fn u24_at(file: &[u8], at: usize) -> Result<u32, DecodeError> {
    let [low, middle, high] = bytes(file, at)?;
    Ok(u32::from_le_bytes([low, middle, high, 0]))
}
