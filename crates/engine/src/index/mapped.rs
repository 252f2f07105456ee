//! The only module with unsafe code: maps a segment file into memory.
//!
//! The segments of a million images have gigabytes. Of a mapped file only the pages that searches
//! read are resident, and the system can evict them again.
#![allow(unsafe_code, reason = "a file can only be mapped by an unsafe call")]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a whole file for reading.
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the mapped bytes change only if another process writes into the file. Segment files
    // are in the engine's own folder; the engine writes them to another name, renames them once and
    // never opens them for writing again. If another process changes them nevertheless, results are
    // wrong, but every access is checked against the lengths, so no invalid memory is read.
    unsafe { Mmap::map(&file) }
}
