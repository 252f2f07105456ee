//! Turns parts of the index into one new segment file.
//!
//! Order: decide which images stay → count their postings per cell → write header, images,
//! starts and postings to a file beside the target → sync → rename → sync the folder → open it as
//! any other segment, checksum and all. Needs no lock: the parts are immutable, and searches go on
//! reading them. Cost: reads every posting of the parts twice, writes it once; memory: 8 MB and 24
//! bytes per image.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::features::codebook::{CELL_COUNT, Codebook};

use super::Sealed;
use super::posting;
use super::segment::{MAGIC, Segment, SegmentError};

/// Names the parts that are to become one segment; made by [`super::Index::plan_merge`].
pub struct Merge {
    pub(super) parts: Vec<Sealed>,
}

/// Says which parts a merge takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The newest part and every older one that is at most twice as large as all newer ones
    /// together: the number of segments grows with the logarithm of the library, and each posting
    /// is rewritten as often.
    Grown,
    /// Everything, to be rid of deleted images.
    All,
}

/// What a segment is written from besides its parts.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The number of the library, see [`Segment::open`].
    pub library: u64,
    /// Says which images stay.
    pub keep: &'a dyn Fn(u64) -> bool,
    /// Ends the writing early once it is set.
    pub stop: &'a AtomicBool,
}

/// The number that an image gets in the new segment, per part and old number; `None` leaves it
/// out.
type Numbers = Vec<Vec<Option<u32>>>;

// === impl Merge ===

impl Merge {
    pub(super) fn of(sealed: &[Sealed], extent: Extent) -> Option<Self> {
        let mut together = 0;
        let taken = sealed.iter().rev().take_while(|part| {
            let images = u64::from(part.postings().images());
            let large = part.segment().is_some() && images > 2 * together;
            together += images;
            extent == Extent::All || !large
        });
        let parts = sealed[sealed.len() - taken.count()..].to_vec();
        (!parts.is_empty()).then_some(Self { parts })
    }

    /// Writes the segment to `path` and opens it.
    ///
    /// A file `path` with the ending `partial` is written first and may stay behind after a crash;
    /// it can be deleted. An id that occurs several times is kept once.
    ///
    /// # Errors
    ///
    /// `Io` when the disk rejects and `Stopped`: then `path` does not exist and the index is as it
    /// was. `TooLarge` above 2^32 postings. `Damaged` when the file does not read back as it was
    /// written.
    pub fn write(&self, path: &Path, terms: Terms<'_>) -> Result<Segment, SegmentError> {
        let partial = path.with_extension("partial");
        let written = self
            .write_synced(&partial, terms)
            .and_then(|()| Ok(fs::rename(&partial, path)?));
        if let Err(error) = written {
            // The error that matters is the first one; a file left behind is harmless.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Segment::open(path, terms.library)
    }

    fn write_synced(&self, path: &Path, terms: Terms<'_>) -> Result<(), SegmentError> {
        let numbers = self.numbers(terms.keep);
        let starts = self.starts(&numbers, terms.stop)?;
        let mut out = Hashed::new(File::create(path)?);
        let images = numbers.iter().flatten().flatten().count() as u32;
        out.put(MAGIC)?;
        out.put(&Codebook::embedded().id().to_le_bytes())?;
        out.put(&images.to_le_bytes())?;
        out.put(&u64::from(starts[CELL_COUNT]).to_le_bytes())?;
        out.put(&terms.library.to_le_bytes())?;
        for (part, numbers) in self.parts.iter().zip(&numbers) {
            for (number, kept) in (0..).zip(numbers) {
                if kept.is_some() {
                    let image = part.postings().image(number);
                    out.put(&image.ok_or(SegmentError::Damaged)?.to_bytes())?;
                }
            }
        }
        for start in &starts {
            out.put(&start.to_le_bytes())?;
        }
        for cell in 0..CELL_COUNT as u32 {
            self.put_postings(&mut out, &numbers, cell)?;
            if terms.stop.load(Ordering::Relaxed) {
                return Err(SegmentError::Stopped);
            }
        }
        Ok(out.finish()?)
    }

    /// Numbers the images that stay, in the order of parts; of equal ids the newest stays.
    fn numbers(&self, keep: &dyn Fn(u64) -> bool) -> Numbers {
        let mut seen = HashSet::new();
        let mut stays: Vec<Vec<bool>> = Vec::new();
        for part in self.parts.iter().rev().map(Sealed::postings) {
            let mut of_part = vec![false; part.images() as usize];
            for (number, stays) in of_part.iter_mut().enumerate().rev() {
                *stays = part
                    .image(number as u32)
                    .is_some_and(|image| keep(image.id) && seen.insert(image.id));
            }
            stays.push(of_part);
        }
        let mut free = 0..;
        let mut number = |stays: bool| if stays { free.next() } else { None };
        stays
            .into_iter()
            .rev()
            .map(|part| part.into_iter().map(&mut number).collect())
            .collect()
    }

    fn starts(&self, numbers: &Numbers, stop: &AtomicBool) -> Result<Vec<u32>, SegmentError> {
        let mut starts = Vec::with_capacity(CELL_COUNT + 1);
        let mut total = 0u64;
        for cell in 0..CELL_COUNT as u32 {
            starts.push(u32::try_from(total).map_err(|_| SegmentError::TooLarge)?);
            for (part, numbers) in self.parts.iter().zip(numbers) {
                part.postings().read(cell, &mut |list| {
                    let kept = |old: &&_| number(numbers, posting::image(old)).is_some();
                    total += list.iter().filter(kept).count() as u64;
                });
            }
            if stop.load(Ordering::Relaxed) {
                return Err(SegmentError::Stopped);
            }
        }
        starts.push(u32::try_from(total).map_err(|_| SegmentError::TooLarge)?);
        Ok(starts)
    }

    fn put_postings(&self, out: &mut Hashed, numbers: &Numbers, cell: u32) -> io::Result<()> {
        let mut outcome = Ok(());
        for (part, numbers) in self.parts.iter().zip(numbers) {
            part.postings().read(cell, &mut |list| {
                for old in list {
                    if let Some(number) = number(numbers, posting::image(old))
                        && outcome.is_ok()
                    {
                        outcome = out.put(&posting::renumbered(old, number));
                    }
                }
            });
        }
        outcome
    }
}

fn number(numbers: &[Option<u32>], old: u32) -> Option<u32> {
    numbers.get(old as usize).copied().flatten()
}

impl std::fmt::Debug for Merge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Merge({} parts)", self.parts.len())
    }
}

impl std::fmt::Debug for Terms<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms").finish_non_exhaustive()
    }
}

/// Bytes gathered before they are hashed and written: a posting alone would cost more in the call
/// than in the hashing.
const BLOCK: usize = 1 << 20;
/// Bytes after which the disk is made to keep up: a gigabyte waiting in the system's memory would
/// hold up the commits of adds, which wait for the same disk.
const SYNC_EVERY: usize = 64 << 20;

/// Writes to a file and hashes what it writes.
struct Hashed {
    file: File,
    block: Vec<u8>,
    hasher: blake3::Hasher,
    unsynced: usize,
}

impl Hashed {
    fn new(file: File) -> Self {
        Self {
            file,
            block: Vec::with_capacity(BLOCK + posting::POSTING),
            hasher: blake3::Hasher::new(),
            unsynced: 0,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hasher.update(&self.block);
        self.file.write_all(&self.block)?;
        self.unsynced += self.block.len();
        self.block.clear();
        if self.unsynced >= SYNC_EVERY {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Adds the checksum and waits until the disk has everything.
    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.write_all(self.hasher.finalize().as_bytes())?;
        self.file.sync_all()
    }
}
