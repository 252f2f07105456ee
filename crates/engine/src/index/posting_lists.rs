//! The interface that every component of the index offers to a search.

use super::image_entry::ImageEntry;
use super::posting::Posting;

/// Reads the postings of one component: of the memtable or of a segment.
pub(crate) trait PostingLists {
    /// Returns the number of postings of a cell.
    fn length(&self, cell: u32) -> usize;
    /// Passes the postings of a cell to `each`, which must be quick: the memtable is locked
    /// meanwhile.
    fn read(&self, cell: u32, each: &mut dyn FnMut(&[Posting]));
    /// Prefetches the beginning of a cell's postings into memory.
    fn prefetch(&self, cell: u32);
    /// Returns the entry of an image; `None` for a number that does not exist.
    fn image(&self, number: u32) -> Option<ImageEntry>;
    /// Returns the number of images.
    fn images(&self) -> u32;
}
