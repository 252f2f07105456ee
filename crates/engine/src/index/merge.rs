//! Turns parts of the index into one new segment file.
//!
//! Order: decide which pictures stay → count their postings per cell → write header, pictures,
//! starts and postings to a file beside the target → sync → rename → sync the folder → open it as
//! any other segment, checksum and all. Needs no lock: the parts are immutable, and searches go on
//! reading them. Cost: reads every posting of the parts twice, writes it once; memory: 8 MB and 4
//! bytes per picture.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use crate::features::codebook::{CELL_COUNT, Codebook};

use super::Sealed;
use super::posting::{self, Posting};
use super::segment::{MAGIC, Segment, SegmentError};

/// Names the parts that are to become one segment; made by [`super::Index::plan_merge`].
pub struct Merge {
    pub(super) parts: Vec<Arc<Sealed>>,
}

/// The number that a picture gets in the new segment, per part and old number; `None` leaves it
/// out.
type Numbers = Vec<Vec<Option<u32>>>;

// === impl Merge ===

impl Merge {
    /// Writes the segment to `path`, without the pictures that `keep` refuses, and opens it.
    ///
    /// A file `path` with the ending `partial` is written first and may stay behind after a crash;
    /// it can be deleted. An id that occurs several times is kept once.
    ///
    /// # Errors
    ///
    /// `Io` when the disk refuses; then `path` does not exist and the index is as it was.
    /// `TooLarge` above 2^32 postings. `Damaged` when the file does not read back as it was
    /// written.
    pub fn write(&self, path: &Path, keep: &dyn Fn(u64) -> bool) -> Result<Segment, SegmentError> {
        let partial = path.with_extension("partial");
        let written = self
            .write_synced(&partial, keep)
            .and_then(|()| Ok(fs::rename(&partial, path)?));
        if let Err(error) = written {
            // The error that matters is the first one; a file left behind is harmless.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Segment::open(path)
    }

    fn write_synced(&self, path: &Path, keep: &dyn Fn(u64) -> bool) -> Result<(), SegmentError> {
        let numbers = self.numbers(keep);
        let starts = self.starts(&numbers)?;
        let mut out = Hashed {
            file: BufWriter::new(File::create(path)?),
            hasher: blake3::Hasher::new(),
        };
        let pictures = numbers.iter().flatten().flatten().count() as u32;
        out.put(MAGIC)?;
        out.put(&Codebook::embedded().id().to_le_bytes())?;
        out.put(&pictures.to_le_bytes())?;
        out.put(&u64::from(starts[CELL_COUNT]).to_le_bytes())?;
        for (part, numbers) in self.parts.iter().zip(&numbers) {
            for number in (0..)
                .zip(numbers)
                .filter(|(_, kept)| kept.is_some())
                .map(|(number, _)| number)
            {
                let picture = part.picture(number).ok_or(SegmentError::Damaged)?;
                out.put(&picture.to_bytes())?;
            }
        }
        for start in &starts {
            out.put(&start.to_le_bytes())?;
        }
        for cell in 0..CELL_COUNT as u32 {
            for posting in self.kept_postings(&numbers, cell) {
                out.put(&posting)?;
            }
        }
        Ok(out.finish()?)
    }

    /// Numbers the pictures that stay, in the order of parts; of equal ids the newest stays.
    fn numbers(&self, keep: &dyn Fn(u64) -> bool) -> Numbers {
        let mut seen = HashSet::new();
        let mut stays: Vec<Vec<bool>> = Vec::new();
        for part in self.parts.iter().rev() {
            let mut of_part = vec![false; part.pictures() as usize];
            for (number, stays) in of_part.iter_mut().enumerate().rev() {
                *stays = part
                    .picture(number as u32)
                    .is_some_and(|picture| keep(picture.id) && seen.insert(picture.id));
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

    fn starts(&self, numbers: &Numbers) -> Result<Vec<u32>, SegmentError> {
        let mut starts = Vec::with_capacity(CELL_COUNT + 1);
        let mut total = 0u32;
        for cell in 0..CELL_COUNT as u32 {
            starts.push(total);
            let count = u32::try_from(self.kept_postings(numbers, cell).count()).ok();
            total = count
                .and_then(|count| total.checked_add(count))
                .ok_or(SegmentError::TooLarge)?;
        }
        starts.push(total);
        Ok(starts)
    }

    fn kept_postings(&self, numbers: &Numbers, cell: u32) -> impl Iterator<Item = Posting> {
        self.parts
            .iter()
            .zip(numbers)
            .flat_map(move |(part, numbers)| {
                part.list(cell).iter().filter_map(move |old| {
                    let number = numbers
                        .get(posting::picture(old) as usize)
                        .copied()
                        .flatten()?;
                    Some(posting::renumbered(old, number))
                })
            })
    }
}

impl std::fmt::Debug for Merge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Merge({} parts)", self.parts.len())
    }
}

/// Writes to a file and hashes what it writes.
struct Hashed {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
}

impl Hashed {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes)
    }

    /// Adds the checksum and waits until the disk has everything.
    fn finish(mut self) -> io::Result<()> {
        self.file.write_all(self.hasher.finalize().as_bytes())?;
        self.file.into_inner()?.sync_all()
    }
}
