//! The folder of segment files: their names, and which of them are usable.
//!
//! The files are a cache. One that is damaged or that belongs to another version or library is
//! logged and deleted, and its images are indexed again from the store.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::features::ExtractionProfile;
use crate::identity::{ImageId, LibraryId};
use crate::index::Segment;

/// Extension of the names of segment files.
pub(crate) const EXTENSION: &str = "segment";

/// The segment files of one library.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    /// Identifies the segments of this library, in case files of another one were copied here.
    pub(super) library: LibraryId,
    next: AtomicU64,
}

/// The usable segments at the open of a library.
pub(super) struct LoadedSegments {
    /// Oldest first.
    pub(super) segments: Vec<Segment>,
    /// The images in the segments.
    pub(super) covered: HashSet<ImageId>,
    /// How many of these were described at a smaller size than this version does.
    pub(super) coarse: u64,
}

// === impl Segments ===

impl Segments {
    /// Opens the folder; creates it if it does not exist.
    pub(super) fn open(folder: PathBuf, library: LibraryId) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            library,
            next: AtomicU64::new(1),
        })
    }

    /// Opens the usable files and deletes the others.
    ///
    /// `known` returns whether an image is stored, `next_id` is the number of the next image.
    pub(super) fn load(
        &self,
        next_id: u64,
        known: impl Fn(ImageId) -> bool,
    ) -> io::Result<LoadedSegments> {
        let mut loaded = LoadedSegments {
            segments: Vec::new(),
            covered: HashSet::new(),
            coarse: 0,
        };
        // The newest first: after a crash between the write of a merged segment and the deletion of
        // the old ones, the old ones have no image that the merged one does not have.
        for (_, path) in self.files()?.iter().rev() {
            let segment = match Segment::open(path, self.library.as_raw()) {
                Ok(segment) if segment.ids().all(|id| id < next_id) => segment,
                // A restored backup does not have these images and will use their numbers for other
                // images.
                Ok(_) => {
                    discard(path, "it is newer than the library")?;
                    continue;
                }
                Err(error) => {
                    discard(path, &error.to_string())?;
                    continue;
                }
            };
            let covered = loaded.covered.len();
            for image in segment.entries() {
                let id = ImageId::try_from(image.id).ok().filter(|id| known(*id));
                if id.is_some_and(|id| loaded.covered.insert(id)) {
                    loaded.coarse += u64::from(is_coarse(image.working_side));
                }
            }
            if loaded.covered.len() > covered {
                loaded.segments.insert(0, segment);
            } else {
                fs::remove_file(path)?;
            }
        }
        Ok(loaded)
    }

    /// Returns the path of a file that does not exist yet.
    pub(super) fn new_path(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{number:010}.{EXTENSION}"))
    }

    /// Lists the segment files by number, and deletes the temporary files of interrupted merges.
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

/// Returns whether this version describes images at a larger size than this working side.
pub(super) fn is_coarse(working_side: u16) -> bool {
    u32::from(working_side) < ExtractionProfile::Library.working_side()
}

fn numbered(path: &Path) -> Option<u64> {
    if path.extension()? != EXTENSION {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

fn discard(path: &Path, reason: &str) -> io::Result<()> {
    tracing::warn!(
        path = %path.display(),
        error = reason,
        "index segment unusable, rebuilding it from the library"
    );
    fs::remove_file(path)
}
