//! A segment: an immutable component of the index in a file, checksummed and mapped into memory.
//!
//! ```text
//! offset   bytes      content (little endian)
//! 0        8          "SAMESG02"
//! 8        4          id of the codebook
//! 12       4          number of images p
//! 16       8          number of postings n, below 2^32
//! 24       8          number of the library
//! 32       10 · p     image entries (see `image_entry`)
//! …        4·(2^20+1) start of each cell's postings, counted in postings; the last is n
//! …        8 · n      postings (see `posting`), cell by cell, and run by run in a cell
//! …        32         BLAKE3 of everything before
//! ```
//!
//! A segment is a cache. One that is damaged or that belongs to another codebook or library is
//! rejected at open and rebuilt.

use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::features::codebook::{CELL_COUNT, Codebook};

use super::image_entry::{IMAGE_ENTRY, ImageEntry};
use super::mapped;
use super::posting::{self, POSTING, Posting};
use super::posting_lists::PostingLists;

pub(super) const MAGIC: &[u8; 8] = b"SAMESG02";
pub(super) const HEADER: usize = 32;
pub(super) const CHECKSUM: usize = 32;
const OFFSET: usize = 4;

/// An open segment file.
pub struct Segment {
    path: PathBuf,
    map: Mmap,
    images: usize,
    postings: usize,
}

/// Why a segment cannot be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The file system returned an error.
    #[error("the segment file cannot be read or written: {0}")]
    Io(io::Error),
    /// The file is not a segment, or one of another format, codebook or library.
    #[error("the file is not a segment of this version and library")]
    Foreign,
    /// The length, the checksum or the order of the cells is wrong.
    #[error("the segment file is damaged")]
    Damaged,
    /// More images or postings than a segment can number.
    #[error("the segment would be too large")]
    TooLarge,
    /// The caller cancelled the write.
    #[error("writing the segment was cancelled")]
    Cancelled,
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

// === impl Segment ===

impl Segment {
    /// Opens a file and checks every byte of it against its checksum.
    ///
    /// Cost: reads the whole file once, about a second per gigabyte on one core.
    ///
    /// # Errors
    ///
    /// `Io` when it cannot be mapped, `Foreign` for another format, codebook or library, `Damaged`
    /// for everything else.
    pub fn open(path: &Path, library: u64) -> Result<Self, SegmentError> {
        let map = mapped::map(path)?;
        let (header, _) = map
            .split_first_chunk::<HEADER>()
            .ok_or(SegmentError::Foreign)?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let of_library = header[24..] == library.to_le_bytes();
        if header[..8] != *MAGIC || word(8) != Codebook::embedded().id() || !of_library {
            return Err(SegmentError::Foreign);
        }
        let (images, postings) = (word(12) as usize, word(16) as usize);
        let length = HEADER
            + images * IMAGE_ENTRY
            + (CELL_COUNT + 1) * OFFSET
            + postings * POSTING
            + CHECKSUM;
        if word(20) != 0 || map.len() != length {
            return Err(SegmentError::Damaged);
        }
        let (content, checksum) = map.split_at(length - CHECKSUM);
        if blake3::hash(content).as_bytes() != checksum {
            return Err(SegmentError::Damaged);
        }
        let segment = Self {
            path: path.to_owned(),
            map,
            images,
            postings,
        };
        if segment.is_ordered() {
            Ok(segment)
        } else {
            Err(SegmentError::Damaged)
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the size of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// Returns the ids of all images, including those deleted since.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.entries().map(|image| image.id)
    }

    /// Returns the entries of all images, including those deleted since.
    pub(crate) fn entries(&self) -> impl Iterator<Item = ImageEntry> {
        self.image_entries().iter().map(ImageEntry::from_bytes)
    }

    fn list(&self, cell: u32) -> &[Posting] {
        let start = |cell: usize| u32::from_le_bytes(self.starts()[cell]) as usize;
        // `get`, because the offsets could be out of order if the mapped file was changed.
        self.postings()
            .get(start(cell as usize)..start(cell as usize + 1))
            .unwrap_or(&[])
    }

    fn is_ordered(&self) -> bool {
        let mut starts = self.starts().iter().map(|bytes| u32::from_le_bytes(*bytes));
        starts.clone().is_sorted()
            && starts
                .next_back()
                .is_some_and(|last| last as usize == self.postings)
    }

    fn image_entries(&self) -> &[[u8; IMAGE_ENTRY]] {
        self.map[HEADER..HEADER + self.images * IMAGE_ENTRY]
            .as_chunks()
            .0
    }

    fn starts(&self) -> &[[u8; OFFSET]] {
        let start = HEADER + self.images * IMAGE_ENTRY;
        self.map[start..start + (CELL_COUNT + 1) * OFFSET]
            .as_chunks()
            .0
    }

    fn postings(&self) -> &[Posting] {
        let start = HEADER + self.images * IMAGE_ENTRY + (CELL_COUNT + 1) * OFFSET;
        self.map[start..start + self.postings * POSTING]
            .as_chunks()
            .0
    }
}

impl PostingLists for Segment {
    fn read(&self, cell: u32, each: &mut dyn FnMut(&[Posting])) {
        each(self.list(cell));
    }

    fn prefetch(&self, cell: u32, run: u8) {
        let list = self.list(cell);
        black_box(list.get(posting::likely_start(list.len(), run)).copied());
    }

    fn image(&self, number: u32) -> Option<ImageEntry> {
        self.image_entries()
            .get(number as usize)
            .map(ImageEntry::from_bytes)
    }

    fn images(&self) -> u32 {
        self.images as u32
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Segment({} images, {} postings)",
            self.images, self.postings
        )
    }
}
