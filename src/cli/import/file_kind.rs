//! What a file is, by its first bytes: names may end with anything, or have no ending.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use same_image::Format;

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// An image of a format that the gateway takes.
    Image,
    /// An image of another format.
    OtherFormat,
    /// No image.
    Other,
}

/// Longest part of a file that a check below reads, in bytes.
const HEAD_BYTES: u64 = 18;

/// Offset and bytes that name HEIC and AVIF, which phones write.
const OTHER_FORMATS: [(usize, &[u8]); 4] = [
    (4, b"ftyphei"),
    (4, b"ftyphev"),
    (4, b"ftypmif1"),
    (4, b"ftypavi"),
];

/// Lengths of the known second headers of a BMP file, in bytes: without them, each text that begins
/// with `BM` is one.
const BMP_HEADERS: [u8; 8] = [12, 16, 40, 52, 56, 64, 108, 124];

// === impl FileKind ===

impl FileKind {
    /// Reads the first bytes of a regular file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut head = Vec::new();
        File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
        Ok(FileKind::of_head(&head))
    }

    fn of_head(head: &[u8]) -> Self {
        let contains = |&(at, bytes): &(usize, &[u8])| {
            let rest = head.get(at..);
            rest.is_some_and(|rest| rest.starts_with(bytes))
        };
        match Format::detect(head) {
            Some(Format::Bmp) if !has_bmp_header(head) => FileKind::Other,
            // A library at the vendor rejects some of them, and says so.
            Some(_) => FileKind::Image,
            None if OTHER_FORMATS.iter().any(contains) => FileKind::OtherFormat,
            None => FileKind::Other,
        }
    }
}

fn has_bmp_header(head: &[u8]) -> bool {
    let length = head.get(14..18);
    matches!(length, Some([length, 0, 0, 0]) if BMP_HEADERS.contains(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_name_the_format() {
        let bmp = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0";
        for (head, kind) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..], FileKind::Image),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", FileKind::Image),
            (bmp, FileKind::Image),
            (b"BMW and Mini: a list of prices", FileKind::Other),
            (b"GIF89a\x01\0\x01\0", FileKind::Image),
            (b"RIFF\x24\0\0\0WEBPVP8 ", FileKind::Image),
            (b"RIFF\x24\0\0\0WAVEfmt ", FileKind::Other),
            (b"II+\0\x08\0\0\0", FileKind::Image),
            (b"II*\0\x08\0\0\0", FileKind::Image),
            (b"\0\0\0\x18ftypheic\0\0\0\0", FileKind::OtherFormat),
            (b"\0\0\0\x1cftypavif\0\0\0\0", FileKind::OtherFormat),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", FileKind::Other),
            (b"\xff\xd8", FileKind::Other),
            (b"", FileKind::Other),
        ] {
            assert_eq!(FileKind::of_head(head), kind, "{head:?}");
        }
    }
}
