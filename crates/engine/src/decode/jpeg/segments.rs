//! The marker segments of a file (T.81 section B.1.1).

use crate::decode::error::{DecodeError, broken};

pub(super) const HUFFMAN: u8 = 0xc4;
pub(super) const END_OF_IMAGE: u8 = 0xd9;
pub(super) const START_OF_SCAN: u8 = 0xda;
pub(super) const QUANTISATION: u8 = 0xdb;
pub(super) const RESTART_INTERVAL: u8 = 0xdd;
pub(super) const APP0: u8 = 0xe0;
pub(super) const APP1: u8 = 0xe1;
pub(super) const APP14: u8 = 0xee;

/// Maximum number of segments of a file. They are read before an image is queued, and there may be
/// one in each four bytes. The largest file has 1,040 segments of full length.
const MAX_SEGMENTS: usize = 4096;

/// A marker with what belongs to it.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// The parameters after the length; empty for a marker without parameters.
    pub(super) body: &'a [u8],
}

/// Finds the segments of a file in sequence.
pub(super) struct Segments<'a> {
    rest: &'a [u8],
    count: usize,
}

// === impl Segments ===

impl<'a> Segments<'a> {
    /// Starts after the start marker, which the caller has checked.
    pub(super) fn new(file: &'a [u8]) -> Self {
        Segments {
            rest: file.get(2..).unwrap_or_default(),
            count: 0,
        }
    }

    /// Returns the next segment; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, DecodeError> {
        let Some((marker, end)) = next_marker(self.rest) else {
            return Ok(None);
        };
        self.rest = &self.rest[end..];
        self.count += 1;
        if self.count > MAX_SEGMENTS {
            return Err(broken("it has more than 4096 segments"));
        }
        // Markers without parameters: TEM, restarts, start and end of the image.
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            return Ok(Some(Segment { marker, body: &[] }));
        }
        let length = self.rest.first_chunk().copied().map(u16::from_be_bytes);
        let length = usize::from(length.ok_or(DecodeError::Truncated)?);
        let segment = self.rest.split_at_checked(length);
        let (segment, rest) = segment.ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        let body = segment.get(2..);
        let body = body.ok_or_else(|| broken("a segment is shorter than its length"))?;
        Ok(Some(Segment { marker, body }))
    }

    /// Returns the bytes after the last segment: those of a scan after its header.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Skips the bytes of a scan.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

/// Finds the next marker, and the index after it. Bytes that belong to no segment are skipped; any
/// number of fill bytes precedes a marker (T.81 section B.1.1.2); 0xFF00 is a byte of a scan.
pub(super) fn next_marker(bytes: &[u8]) -> Option<(u8, usize)> {
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|byte| *byte == 0xff)?;
        at += bytes[at..].iter().position(|byte| *byte != 0xff)?;
        if bytes[at] != 0 {
            return Some((bytes[at], at + 1));
        }
    }
}

/// Returns whether a marker starts a frame, of any coding (T.81 table B.1).
pub(super) fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, HUFFMAN | 0xc8 | 0xcc)
}

/// Checks a marker whose segment has no effect here: application data, comments, restarts, number
/// of lines, and the conditioning of arithmetic coding, which only its frame needs.
pub(super) fn check_skipped(marker: u8) -> Result<(), DecodeError> {
    match marker {
        0x01 | 0xcc | 0xd0..=0xd7 | 0xdc | 0xe0..=0xef | 0xfe => Ok(()),
        0xd8 => Err(broken("it has two start markers")),
        _ => Err(broken("it has an unknown marker")),
    }
}
