//! Compaction: merges components of the index into one new segment file.
//!
//! Order: select the images to keep → count their postings per cell → write header, images, offsets
//! and postings to a temporary file → sync → rename → sync the folder → open the segment and verify
//! its checksum. It needs no lock: the components are immutable, and searches continue to read
//! them. Cost: reads every posting twice and writes it once; memory: 16 MB and 24 bytes per image.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::features::codebook::{CELL_COUNT, Codebook};

use super::posting::{self, Posting};
use super::sealed::Sealed;
use super::segment::{MAGIC, Segment, SegmentError};

/// A planned merge of components into one segment, returned by `Index::plan_merge`.
pub struct Merge {
    pub(super) components: Vec<Sealed>,
}

/// Selects the components of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeScope {
    /// Size-tiered: the newest component and every older one that is up to twice as large as all
    /// newer ones together. The number of segments grows with the logarithm of the library, and so
    /// does the number of times that a posting is rewritten.
    Tiered,
    /// All components, to drop deleted images.
    All,
}

/// The parameters of writing a segment.
#[derive(Clone, Copy)]
pub struct MergeOptions<'a> {
    /// The number of the library, see [`Segment::open`].
    pub library: u64,
    /// Returns whether an image is kept.
    pub keep: &'a dyn Fn(u64) -> bool,
    /// Cancels the write once it is set.
    pub stop: &'a AtomicBool,
}

/// Maximum number of postings that are sorted in memory: 8 MB, a thousand times the usual cell of a
/// million images.
const MAX_SORTED_POSTINGS: u32 = 1 << 20;

/// The new number of each image, by component and old number; `None` for a dropped image.
type Numbers = Vec<Vec<Option<u32>>>;

// === impl Merge ===

impl Merge {
    pub(super) fn of(sealed: &[Sealed], scope: MergeScope) -> Option<Self> {
        let mut together = 0;
        let selected = sealed.iter().rev().take_while(|component| {
            let images = u64::from(component.postings().images());
            let large = component.segment().is_some() && images > 2 * together;
            together += images;
            scope == MergeScope::All || !large
        });
        let components = sealed[sealed.len() - selected.count()..].to_vec();
        (!components.is_empty()).then_some(Self { components })
    }

    /// Writes the segment to `path` and opens it.
    ///
    /// The temporary file is `path` with the extension `partial`. After a crash it can be deleted.
    /// An id that occurs several times is kept once.
    ///
    /// # Errors
    ///
    /// `Io` when the disk fails and `Cancelled` on request: then `path` does not exist and the
    /// index is unchanged. `TooLarge` above 2^32 postings. `Damaged` when the file cannot be read
    /// back as it was written.
    pub fn write(&self, path: &Path, options: MergeOptions<'_>) -> Result<Segment, SegmentError> {
        let partial = path.with_extension("partial");
        let written = self
            .write_synced(&partial, options)
            .and_then(|()| Ok(fs::rename(&partial, path)?));
        if let Err(error) = written {
            // The first error is returned; a temporary file that is not deleted does no harm.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Segment::open(path, options.library)
    }

    fn write_synced(&self, path: &Path, options: MergeOptions<'_>) -> Result<(), SegmentError> {
        let numbers = self.numbers(options.keep);
        let starts = self.starts(&numbers, options.stop)?;
        let mut out = Hashed::new(File::create(path)?);
        let images = numbers.iter().flatten().flatten().count() as u32;
        out.put(MAGIC)?;
        out.put(&Codebook::embedded().id().to_le_bytes())?;
        out.put(&images.to_le_bytes())?;
        out.put(&u64::from(starts[CELL_COUNT]).to_le_bytes())?;
        out.put(&options.library.to_le_bytes())?;
        for (component, numbers) in self.components.iter().zip(&numbers) {
            for (number, kept) in (0..).zip(numbers) {
                if kept.is_some() {
                    let image = component.postings().image(number);
                    out.put(&image.ok_or(SegmentError::Damaged)?.to_bytes())?;
                }
            }
        }
        for start in &starts {
            out.put(&start.to_le_bytes())?;
        }
        for (cell, bounds) in (0..).zip(starts.windows(2)) {
            self.put_cell(&mut out, &numbers, cell, bounds[1] - bounds[0])?;
            if options.stop.load(Ordering::Relaxed) {
                return Err(SegmentError::Cancelled);
            }
        }
        Ok(out.finish()?)
    }

    /// Numbers the kept images in the order of components; of equal ids the newest is kept.
    fn numbers(&self, keep: &dyn Fn(u64) -> bool) -> Numbers {
        let mut seen = HashSet::new();
        let mut kept: Vec<Vec<bool>> = Vec::new();
        for component in self.components.iter().rev().map(Sealed::postings) {
            let mut kept_images = vec![false; component.images() as usize];
            for (number, kept) in kept_images.iter_mut().enumerate().rev() {
                *kept = component
                    .image(number as u32)
                    .is_some_and(|image| keep(image.id) && seen.insert(image.id));
            }
            kept.push(kept_images);
        }
        let mut free = 0..;
        let mut number = |kept: bool| if kept { free.next() } else { None };
        kept.into_iter()
            .rev()
            .map(|images| images.into_iter().map(&mut number).collect())
            .collect()
    }

    fn starts(&self, numbers: &Numbers, stop: &AtomicBool) -> Result<Vec<u32>, SegmentError> {
        let mut starts = Vec::with_capacity(CELL_COUNT + 1);
        let mut total = 0u64;
        for cell in 0..CELL_COUNT as u32 {
            starts.push(u32::try_from(total).map_err(|_| SegmentError::TooLarge)?);
            for (component, numbers) in self.components.iter().zip(numbers) {
                component.postings().read(cell, &mut |list| {
                    total += kept(list, numbers).count() as u64;
                });
            }
            if stop.load(Ordering::Relaxed) {
                return Err(SegmentError::Cancelled);
            }
        }
        starts.push(u32::try_from(total).map_err(|_| SegmentError::TooLarge)?);
        Ok(starts)
    }

    /// Writes the postings of a cell in the order of their runs: in memory up to
    /// [`MAX_SORTED_POSTINGS`], else run by run.
    fn put_cell(
        &self,
        out: &mut Hashed,
        numbers: &Numbers,
        cell: u32,
        postings: u32,
    ) -> io::Result<()> {
        if postings <= MAX_SORTED_POSTINGS {
            let mut sorted = Vec::with_capacity(postings as usize);
            for (component, numbers) in self.components.iter().zip(numbers) {
                component.postings().read(cell, &mut |list| {
                    sorted.extend(kept(list, numbers));
                });
            }
            sorted.sort_by_key(posting::run);
            return out.put(sorted.as_flattened());
        }
        let mut outcome = Ok(());
        for run in 0..=u8::MAX {
            for (component, numbers) in self.components.iter().zip(numbers) {
                component.postings().read(cell, &mut |list| {
                    for posting in kept(posting::of_run(list, run), numbers) {
                        if outcome.is_ok() {
                            outcome = out.put(&posting);
                        }
                    }
                });
            }
        }
        outcome
    }
}

/// Returns the postings of kept images with their new numbers.
fn kept<'a>(list: &'a [Posting], numbers: &'a [Option<u32>]) -> impl Iterator<Item = Posting> {
    list.iter().filter_map(|old| {
        // `get`, because a mapped file that was changed can contain any number.
        let number = numbers.get(posting::image(old) as usize).copied().flatten();
        number.map(|number| posting::renumbered(old, number))
    })
}

impl std::fmt::Debug for Merge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Merge({} components)", self.components.len())
    }
}

impl std::fmt::Debug for MergeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MergeOptions").finish_non_exhaustive()
    }
}

/// Bytes that are buffered before they are hashed and written: for a single posting the call would
/// cost more than the hash.
const BLOCK: usize = 1 << 20;
/// Bytes after which the file is synced: a gigabyte of unwritten pages would delay the commits of
/// adds, which use the same disk.
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

    /// Appends the checksum and syncs the file.
    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.write_all(self.hasher.finalize().as_bytes())?;
        self.file.sync_all()
    }
}
