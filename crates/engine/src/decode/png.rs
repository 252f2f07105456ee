//! What the decoder of PNG files does not do: it finds EXIF behind the pixels, and completes a file
//! without its end.

use std::borrow::Cow;

use super::bytes::bytes;
use super::error::{DecodeError, broken};

/// Length of the signature.
const SIGNATURE: usize = 8;

/// The chunk that ends a file (PNG specification, section 11.2.5).
const END: &[u8; 12] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// The chunks of a file that are complete.
struct Chunks<'a> {
    file: &'a [u8],
    at: usize,
}

/// Reads width, height and the peak memory in bytes per pixel (PNG specification, section 11.2.1).
pub(super) fn header(file: &[u8]) -> Result<(u32, u32, u64), DecodeError> {
    match &bytes(file, SIGNATURE + 4)? {
        b"IHDR" => {}
        b"CgBI" => {
            return Err(broken(
                "it is a CgBI file, which only programs of Apple show",
            ));
        }
        _ => return Err(broken("its first chunk is not the header")),
    }
    let side = |at| Ok::<_, DecodeError>(u32::from_be_bytes(bytes(file, at)?));
    let (width, height) = (side(16)?, side(20)?);
    let [depth] = bytes(file, 24)?;
    // RGBA, and its rotated copy.
    Ok((width, height, if depth == 16 { 8 + 8 } else { 4 + 4 }))
}

/// Returns the first EXIF block; it can be behind the pixels.
pub(super) fn exif(file: &[u8]) -> Option<&[u8]> {
    let mut chunks = Chunks::of(file);
    chunks.find_map(|(kind, data)| (kind == b"eXIf").then_some(data))
}

/// Adds the end chunk to a file that ends without it behind some pixels. The decoder decides whether
/// all rows are there.
pub(super) fn completed(file: &[u8]) -> Cow<'_, [u8]> {
    let mut chunks = Chunks::of(file);
    let mut has_pixels = false;
    for (kind, _) in chunks.by_ref() {
        match kind {
            b"IEND" => return Cow::Borrowed(file),
            b"IDAT" => has_pixels = true,
            _ => {}
        }
    }
    if !has_pixels {
        return Cow::Borrowed(file);
    }
    Cow::Owned([&file[..chunks.at], END].concat())
}

// === impl Chunks ===

impl<'a> Chunks<'a> {
    /// Starts after the signature, which the caller has checked.
    fn of(file: &'a [u8]) -> Self {
        Chunks {
            file,
            at: SIGNATURE,
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.file.get(self.at..)?.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let length = u32::from_be_bytes(*length) as usize;
        // The data and its checksum.
        let data = rest.get(..length.checked_add(4)?)?;
        self.at += 8 + length + 4;
        Some((kind, &data[..length]))
    }
}
