//! The one place with unsafe code: mapping a segment file into memory.
//!
//! Segments of a million images have gigabytes; mapped, only the pages that searches touch are
//! resident, and the system may drop them again.
#![allow(unsafe_code, reason = "a file can only be mapped by an unsafe call")]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a whole file for reading.
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the bytes may change under the map only if somebody writes into the file. Segment
    // files are written aside, renamed into place once and never opened for writing again; they lie
    // in the engine's own folder. Whoever changes them from outside makes wrong answers, but every
    // access is checked against the lengths, so no wrong memory is read.
    unsafe { Mmap::map(&file) }
}
