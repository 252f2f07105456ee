//! The interface that every component of the index offers to a search and to a merge.

use super::image_entry::ImageEntry;
use super::posting::Posting;

/// Reads the postings of one component: of the memtable or of a segment.
pub(crate) trait PostingLists {
    /// Passes the postings of a cell, in the order of their runs, to `each`, which must be quick:
    /// the memtable is locked meanwhile.
    fn read(&self, cell: u32, each: &mut dyn FnMut(&[Posting]));
    /// Prefetches the likely place of a run into memory.
    fn prefetch(&self, cell: u32, run: u8);
    /// Returns the entry of an image; `None` for a number that does not exist.
    fn image(&self, number: u32) -> Option<ImageEntry>;
    /// Returns the number of images.
    fn images(&self) -> u32;
}
