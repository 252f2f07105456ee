//! Checks everything in a library, and rebuilds what can be rebuilt.
//!
//! Order of events: every page of the file by its checksum (redb), every image with all its rows,
//! every segment file. Records, features, thumbnails and previews are the truth: a damaged one is
//! lost, and only a backup has it. Keys of images and segments are derived from them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::features::{Features, FeaturesError};
use crate::identity::{ImageId, LibraryId};
use crate::index::Segment;
use crate::search_state::SEGMENT_EXTENSION;
use crate::store::{FILE_NAME, INDEX_FOLDER, Snapshot, Store, StoreError, StoredRecord};

use super::Progress;

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Images that were checked.
    pub images: u64,
    /// Index segments that were checked.
    pub segments: u64,
    /// What is wrong, in the order in which it was found.
    pub damages: Vec<Damage>,
}

/// One damaged part of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The part: `library.redb`, `image 17 (sign 1,2)`, a segment file.
    pub part: String,
    /// What is wrong with it.
    pub problem: String,
    /// Whether it was repaired.
    pub repaired: bool,
}

/// Checks a store and the segment files in `dir`.
pub(super) fn verify(
    store: &Store,
    dir: &Path,
    repair: bool,
    progress: Progress<'_>,
) -> Result<Verification, StoreError> {
    let mut found = Verification::default();
    match store.check_integrity() {
        Ok(true) => {}
        Ok(false) => found.damage(FILE_NAME, "the map of its free pages was wrong", true),
        Err(error) => found.damage(FILE_NAME, &error.to_string(), false),
    }

    let mut images = Images::default();
    let checked = store.read(|snapshot| {
        images.check(snapshot, &mut found, progress)?;
        if found.damages.is_empty() && images.without_keys.is_empty() {
            // Whether all images are there, and all rows can be found.
            snapshot.check_each_record(|_, _| {})?;
        }
        snapshot.library_id()
    });
    let library = match checked {
        Ok(library) => library,
        Err(error) => {
            found.damage(FILE_NAME, &error.to_string(), false);
            return Ok(found);
        }
    };
    if !images.without_keys.is_empty() {
        // redb writes nothing to a file with damaged pages.
        let repair = repair && found.is_whole();
        if repair {
            store.write(u64::MAX, |batch| batch.restore_keys(&images.without_keys))?;
        }
        for id in &images.without_keys {
            let problem = "it cannot be found by its sign or its content";
            found.damage(&format!("image {id}"), problem, repair);
        }
        if repair && let Err(error) = store.read(|snapshot| snapshot.check_each_record(|_, _| {})) {
            found.damage(FILE_NAME, &error.to_string(), false);
        }
    }
    check_segments(&dir.join(INDEX_FOLDER), library, repair, &mut found)?;
    Ok(found)
}

/// Returns the error of an image that is known, but has no record.
pub(super) fn no_record(id: ImageId) -> StoreError {
    StoreError::damaged(format!("image {id} has no record"))
}

/// The check of all images.
#[derive(Default)]
struct Images {
    /// Images that the tables `signs` and `hashes` do not lead to.
    without_keys: Vec<ImageId>,
}

// === impl Images ===

impl Images {
    /// Checks every image that has a record or a sign. A damage of one image is noted; an error
    /// means that the images cannot be listed.
    fn check(
        &mut self,
        snapshot: &Snapshot,
        found: &mut Verification,
        progress: Progress<'_>,
    ) -> Result<(), StoreError> {
        let mut ids = snapshot.image_ids()?;
        ids.extend(snapshot.named_ids()?);
        ids.sort_unstable();
        ids.dedup();
        found.images = ids.len() as u64;
        for (done, id) in ids.iter().enumerate() {
            if let Err(damage) = self.check_image(snapshot, *id) {
                found.damages.push(damage);
            }
            progress(done as u64 + 1, found.images);
        }
        Ok(())
    }

    fn check_image(&mut self, snapshot: &Snapshot, id: ImageId) -> Result<(), Damage> {
        let unnamed = |error: StoreError| Damage::of(format!("image {id}"), &error);
        let record = snapshot.record(id).map_err(unnamed)?;
        let record = record.ok_or_else(|| unnamed(no_record(id)))?;
        let named =
            |error: StoreError| Damage::of(format!("image {id} (sign {})", record.sign), &error);
        check_values(snapshot, id, &record).map_err(named)?;
        if !has_keys(snapshot, id, &record).map_err(named)? {
            self.without_keys.push(id);
        }
        Ok(())
    }
}

fn check_values(snapshot: &Snapshot, id: ImageId, record: &StoredRecord) -> Result<(), StoreError> {
    snapshot.features(id, |features| match Features::decode(features) {
        // Features of another version are whole, but only that version reads them.
        Ok(_) | Err(FeaturesError::Version(_) | FeaturesError::Codebook(_)) => Ok(()),
        Err(FeaturesError::Damaged) => Err(StoreError::damaged("its features cannot be read")),
    })?;
    snapshot.thumbnail(id, record)?;
    snapshot.preview(id, record).map(drop)
}

fn has_keys(snapshot: &Snapshot, id: ImageId, record: &StoredRecord) -> Result<bool, StoreError> {
    Ok(leads_to(id, snapshot.by_sign(record.sign))?
        && leads_to(id, snapshot.by_content(&record.content))?)
}

fn leads_to(
    id: ImageId,
    found: Result<Option<(ImageId, StoredRecord)>, StoreError>,
) -> Result<bool, StoreError> {
    match found {
        Ok(found) => Ok(found.is_some_and(|(found, _)| found == id)),
        // A damaged key can be rebuilt.
        Err(StoreError::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Checks every segment file. A repair deletes the unusable ones: the next open of the library
/// indexes their images again.
fn check_segments(
    folder: &Path,
    library: LibraryId,
    repair: bool,
    found: &mut Verification,
) -> io::Result<()> {
    for path in segment_files(folder)? {
        found.segments += 1;
        if let Err(error) = Segment::open(&path, library.as_raw()) {
            if repair {
                fs::remove_file(&path)?;
            }
            found.damage(&path.display().to_string(), &error.to_string(), repair);
        }
    }
    Ok(())
}

fn segment_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|name| name == SEGMENT_EXTENSION)
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

// === impl Verification ===

impl Verification {
    /// Returns whether nothing is damaged, or everything damaged was repaired.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damages.iter().all(|damage| damage.repaired)
    }

    fn damage(&mut self, part: &str, problem: &str, repaired: bool) {
        self.damages.push(Damage {
            part: part.to_owned(),
            problem: problem.to_owned(),
            repaired,
        });
    }
}

// === impl Damage ===

impl Damage {
    fn of(part: String, error: &StoreError) -> Self {
        Self {
            part,
            problem: error.to_string(),
            repaired: false,
        }
    }
}
