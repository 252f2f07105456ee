//! The folder of segment files: which of them can be used, and their names.
//!
//! Everything in it is a cache: what is damaged, of another version or of another library is
//! deleted with a line in the log, and its images are indexed again from the store.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::identity::ImageId;
use crate::index::Segment;

const ENDING: &str = "segment";

/// The segment files of one library.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    /// Tells this library's segments from those of another whose folder was copied here.
    pub(super) library: u64,
    next: AtomicU64,
}

/// What the folder held at the opening of a library.
pub(super) struct Found {
    /// Oldest first.
    pub(super) segments: Vec<Segment>,
    /// The images in them.
    pub(super) covered: HashSet<ImageId>,
}

// === impl Segments ===

impl Segments {
    /// Opens the folder, or makes it.
    pub(super) fn open(folder: PathBuf, library: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            library,
            next: AtomicU64::new(1),
        })
    }

    /// Opens the files that can be used and deletes the others.
    ///
    /// `known` says whether an image is stored, `next_id` is the number of the next one.
    pub(super) fn load(&self, next_id: u64, known: impl Fn(ImageId) -> bool) -> io::Result<Found> {
        let mut found = Found {
            segments: Vec::new(),
            covered: HashSet::new(),
        };
        // The newest first: after a crash between the writing of a merged segment and the deleting
        // of what it was made of, the old ones hold nothing that the merged one does not.
        for (_, path) in self.files()?.iter().rev() {
            let segment = match Segment::open(path, self.library) {
                Ok(segment) if segment.ids().all(|id| id < next_id) => segment,
                // Images from a future that a restored backup does not have: their numbers will be
                // given to others.
                Ok(_) => {
                    discard(path, "it is newer than the library")?;
                    continue;
                }
                Err(error) => {
                    discard(path, &error.to_string())?;
                    continue;
                }
            };
            let ids = segment.ids().filter_map(|id| ImageId::try_from(id).ok());
            let held = found.covered.len();
            found.covered.extend(ids.filter(|id| known(*id)));
            if found.covered.len() > held {
                found.segments.insert(0, segment);
            } else {
                fs::remove_file(path)?;
            }
        }
        Ok(found)
    }

    /// Names a file that does not exist yet.
    pub(super) fn new_path(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{number:010}.{ENDING}"))
    }

    /// Lists the segment files by number, and deletes what an interrupted merge left behind.
    fn files(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match numbered(&path) {
                Some(number) => files.push((number, path)),
                None if path.extension() == Some(OsStr::new("partial")) => fs::remove_file(path)?,
                None => {}
            }
        }
        files.sort();
        let last = files.last().map_or(0, |(number, _)| *number);
        self.next.store(last + 1, Ordering::Relaxed);
        Ok(files)
    }
}

fn numbered(path: &Path) -> Option<u64> {
    if path.extension()? != ENDING {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

fn discard(path: &Path, reason: &str) -> io::Result<()> {
    tracing::warn!(
        path = %path.display(),
        error = reason,
        "index segment not usable: its images are indexed again from the library"
    );
    fs::remove_file(path)
}
