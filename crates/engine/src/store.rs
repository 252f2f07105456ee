//! The library on disk: one redb file, the source of truth of the engine.
//!
//! A write is one durable transaction over all tables (`store::batch`) and returns what it changed
//! (`store::changes`). Reads see the last commit and never wait for a write. After a failed disk
//! operation redb rejects every call until the file is opened again, so the store reopens the file:
//! a failed write does not make the next one fail. redb panics on some damaged pages; such a panic
//! is an error of the call too, and the file is reopened. This module does not depend on searching.
//!
//! Tables of formats 2 and 3, file `library.redb`:
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `"format"` | 2; 3 from the first preview on |
//! | `meta` | `"library"` | a random number, the identity of this library; also in its segment files |
//! | `meta` | `"next_id"` | number of the next image; a number is never reused |
//! | `meta` | `"images"` | number of records |
//! | `meta` | `"digest"` | sum of the checksums of all records |
//! | `meta` | `"checksum"` | checksum over the four above |
//! | `hashes` | BLAKE3 of the file, 32 bytes | number (u32) |
//! | `signs` | sign (u64) | number (u32) |
//! | `records` | number (u32) | record, see `store::record` |
//! | `features` | number (u32) | local features, see `features::encoding`; opaque here |
//! | `thumbnails` | number (u32) | JPEG |
//! | `previews` | number (u32) | JPEG; no row for an image without a preview |
//!
//! Features, thumbnails and previews have tables of their own, so that a listing reads 170 bytes per
//! image instead of 20 to 200 kB, and an open 7 kB. Every value is checked when it is read
//! (`store::snapshot`): a record has a checksum of itself, its features, its thumbnail and its
//! preview; what a sign or a hash leads to must be its record; the totals in `meta` show missing
//! records. Every key is looked up at open (`store::integrity`). A library of format 2 may have no
//! table `previews`; the first write makes it. Format 1 has no checksums; it is converted at open
//! (`store::migration`).
//!
//! The file `library.id` has the identity too (`store::marker`): a lost library file is an error,
//! not an empty library.

mod batch;
mod changes;
mod checksum;
mod error;
#[cfg(test)]
pub(crate) mod failing_disk;
mod health;
mod integrity;
pub(crate) mod lock_holder;
mod marker;
mod migration;
mod open_error;
#[cfg(test)]
pub(crate) mod power_cut;
mod record;
mod requests;
mod snapshot;
mod tables;
mod totals;

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase};

use crate::identity::LibraryId;

pub(crate) use batch::{Batch, Inserted, now_ms};
pub(crate) use changes::{Changes, ImageChange, ImageSummary};
pub use error::{StoreError, WriteError};
pub use health::StorageHealth;
pub(crate) use marker::{FILE_NAME, INDEX_FOLDER, MARKER_NAME, create_private};
pub use open_error::OpenError;
pub(crate) use record::StoredRecord;
#[cfg(fuzzing)]
pub(crate) use record::decode_fields;
pub use requests::{Added, MAX_BRIEF_BYTES, NewRecord, RecordUpdate, Target};
pub(crate) use snapshot::Snapshot;

use error::caught;
use health::HealthRecorder;
use marker::Marker;
use tables::{FEATURES, HASHES, META, PREVIEWS, RECORDS, SIGNS, THUMBNAILS};
use totals::{FORMAT, FORMAT_KEY, FORMAT_WITH_PREVIEWS, Totals};

/// Opens the database file; called again after each failure.
type Opener = Box<dyn Fn() -> Result<Database, redb::DatabaseError> + Send + Sync>;

/// The open library file.
pub(crate) struct Store {
    path: PathBuf,
    opener: Opener,
    state: RwLock<FileState>,
    health: HealthRecorder,
}

struct FileState {
    database: Handle,
    /// Number of reopens. When several callers see one failure, only the first of them reopens.
    opening: u64,
}

enum Handle {
    Open(Database),
    /// Dropped after a failure; the next call reopens the file.
    Lost,
    Closed,
}

// === impl Store ===

impl Store {
    /// Opens the library in a directory; creates both if they do not exist.
    pub(crate) fn open(dir: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        let storage = |source: StoreError| OpenError::Storage {
            dir: dir.to_owned(),
            source,
        };
        fs::create_dir_all(dir).map_err(|error| storage(error.into()))?;

        let path = dir.join(FILE_NAME);
        let marker = Marker::of(dir);
        let is_new = match fs::metadata(&path) {
            Ok(file) => file.len() == 0,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(storage(error.into())),
        };
        if is_new {
            reject_lost(dir)?;
            create_private(OpenOptions::new().create(true).truncate(false), &path)
                .map_err(|error| storage(error.into()))?;
        }
        let file = path.clone();
        let opener = move || {
            // Does not create the file: one that vanishes later must not become an empty library.
            let file = OpenOptions::new().read(true).write(true).open(&file)?;
            Database::builder()
                .set_cache_size(cache_bytes)
                .create_with_backend(FileBackend::new(file)?)
        };
        let store = Self::with_opener(dir, path, Box::new(opener))?;

        let id = store
            .read(|snapshot| snapshot.library_id())
            .map_err(storage)?;
        match marker.read().map_err(|error| storage(error.into()))? {
            Some(expected) if expected != id.to_string() => {
                return Err(OpenError::OtherLibrary {
                    dir: dir.to_owned(),
                    expected,
                    found: id,
                });
            }
            Some(_) => {}
            None => marker.write(id).map_err(|error| storage(error.into()))?,
        }
        // The directory entries must survive a power cut too, not only the content of the files.
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| storage(error.into()))?;
        Ok(store)
    }

    /// Opens the library in a directory that has one; creates nothing.
    pub(crate) fn open_existing(dir: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        if fs::metadata(dir.join(FILE_NAME)).is_ok_and(|file| file.len() > 0) {
            return Self::open(dir, cache_bytes);
        }
        reject_lost(dir)?;
        Err(OpenError::NotFound {
            dir: dir.to_owned(),
        })
    }

    /// Opens a library with any way to open its database; tests pass one with a failing disk.
    fn with_opener(dir: &Path, path: PathBuf, opener: Opener) -> Result<Self, OpenError> {
        let dir = dir.to_owned();
        let storage = |source| OpenError::Storage {
            dir: dir.clone(),
            source,
        };
        let mut database = match caught(|| Ok(opener())).map_err(storage)? {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                let pid = lock_holder::of(&path);
                return Err(OpenError::InUse { dir, pid });
            }
            Err(error) => return Err(storage(error.into())),
        };
        match caught(|| format_of(&database)).map_err(storage)? {
            Some(FORMAT | FORMAT_WITH_PREVIEWS) => {}
            Some(1) => caught(|| migration::migrate(&mut database)).map_err(storage)?,
            Some(found) => return Err(OpenError::Format { dir, found }),
            None => {
                reject_lost(&dir)?;
                caught(|| create_tables(&database)).map_err(storage)?;
            }
        }
        let state = RwLock::new(FileState {
            database: Handle::Open(database),
            opening: 0,
        });
        Ok(Self {
            path,
            opener,
            state,
            health: HealthRecorder::default(),
        })
    }

    /// Runs a read on the last committed state.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let state = self.opened()?;
        let opening = state.opening;
        let snapshot = Snapshot::of(database(&state)?);
        drop(state);

        let result = snapshot.and_then(|snapshot| {
            let result = read(&snapshot);
            snapshot.close().and(result)
        });
        self.health.record(&result);
        self.recover_from(&result, opening);
        result
    }

    /// Runs writes as one durable transaction and returns what changed; on an error none of them
    /// was done.
    ///
    /// Cost: two disk syncs, unless nothing changed.
    pub(crate) fn write(
        &self,
        capacity: u64,
        write: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
    ) -> Result<Changes, StoreError> {
        let state = self.opened()?;
        let opening = state.opening;
        let (mut is_begun, mut is_written) = (false, false);
        let write = |batch: &mut Batch<'_>| {
            is_begun = true;
            write(batch)?;
            is_written = batch.has_changes();
            Ok(())
        };
        let result =
            database(&state).and_then(|database| caught(|| commit(database, capacity, write)));
        drop(state);

        self.health.record(&result);
        if is_written {
            self.health.record_commit(&result);
        }
        self.recover_from(&result, opening);
        // redb writes no more after a commit that found damage. A damaged row that a write only
        // reads needs no reopen, which ends the reads of other callers.
        if matches!(result, Err(StoreError::Damaged { .. })) && (is_written || !is_begun) {
            // If this fails, the handle remains lost, and the next call returns its own error.
            let _ = self.reopen(opening);
        }
        result
    }

    /// Checks every page of the file by its checksum, and repairs the map of its free pages;
    /// returns whether it was right.
    pub(crate) fn check_integrity(&self) -> Result<bool, StoreError> {
        self.with_whole_file(|database| Ok(database.check_integrity()?))
    }

    /// Moves pages to the begin of the file and cuts off its unused end.
    pub(crate) fn compact(&self) -> Result<(), StoreError> {
        self.with_whole_file(|database| {
            database.compact()?;
            Ok(())
        })
    }

    /// Runs an operation of redb that no other read or write may accompany.
    fn with_whole_file<T>(
        &self,
        operation: impl FnOnce(&mut Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        drop(self.opened()?);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let opening = state.opening;
        let result = match &mut state.database {
            Handle::Open(database) => caught(|| operation(database)),
            Handle::Lost => Err(being_reopened()),
            Handle::Closed => Err(StoreError::Closed),
        };
        drop(state);

        self.health.record(&result);
        self.recover_from(&result, opening);
        result
    }

    /// Returns whether the file works.
    pub(crate) fn health(&self) -> StorageHealth {
        self.health.health()
    }

    /// Returns the size of the library file in bytes.
    pub(crate) fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(fs::metadata(&self.path)?.len())
    }

    /// Closes the file; all later calls return [`StoreError::Closed`].
    pub(crate) fn close(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        release(&mut state.database, Handle::Closed);
    }

    /// Waits until no other thread reopens the file, and reopens it after a failure.
    fn opened(&self) -> Result<RwLockReadGuard<'_, FileState>, StoreError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if !matches!(state.database, Handle::Lost) {
            return Ok(state);
        }
        let opening = state.opening;
        drop(state);
        self.reopen(opening)?;
        Ok(self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reopens the file after a failed disk operation or a panic, from which redb does not recover.
    fn recover_from<T>(&self, result: &Result<T, StoreError>, opening: u64) {
        if let Err(StoreError::DiskFull | StoreError::Io { .. } | StoreError::Panicked { .. }) =
            result
        {
            // If this fails too, the handle remains lost, and the next call returns its own error.
            let _ = self.reopen(opening);
        }
    }

    fn reopen(&self, opening: u64) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.opening != opening || matches!(state.database, Handle::Closed) {
            return Ok(());
        }
        // The old handle holds the lock of the file, so it is dropped first.
        release(&mut state.database, Handle::Lost);
        let opened = caught(|| Ok((self.opener)()?));
        self.health.record_reopen(opened.is_ok());
        state.database = Handle::Open(opened?);
        state.opening += 1;
        Ok(())
    }
}

/// Replaces the handle of an open file; redb may panic where it closes a damaged one.
fn release(handle: &mut Handle, next: Handle) {
    let old = mem::replace(handle, next);
    // The file is given up in any case, and the panic is logged.
    let _ = caught(|| {
        drop(old);
        Ok(())
    });
}

fn database<'a>(state: &'a RwLockReadGuard<'_, FileState>) -> Result<&'a Database, StoreError> {
    match &state.database {
        Handle::Open(database) => Ok(database),
        Handle::Lost => Err(being_reopened()),
        Handle::Closed => Err(StoreError::Closed),
    }
}

fn being_reopened() -> StoreError {
    StoreError::Io {
        reason: "the file is being reopened".to_owned(),
    }
}

fn commit(
    database: &Database,
    capacity: u64,
    write: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
) -> Result<Changes, StoreError> {
    let mut transaction = database.begin_write()?;
    // Costs a second sync per group. It avoids reading the whole file (20 kB per image) at each
    // open after a crash or a failed write; on a full disk every failed write causes such an open.
    transaction.set_quick_repair(true);
    let mut batch = Batch::open(&transaction, capacity)?;
    write(&mut batch)?;
    let has_changes = batch.has_changes();
    let changes = batch.finish()?;
    if has_changes {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(changes)
}

/// Returns an error if the directory without a usable database file belonged to a library.
fn reject_lost(dir: &Path) -> Result<(), OpenError> {
    Marker::of(dir).trace_of_library().map_or(Ok(()), |trace| {
        Err(OpenError::Lost {
            dir: dir.to_owned(),
            trace,
        })
    })
}

/// Returns the format of a file; `None` for one without tables.
fn format_of(database: &Database) -> Result<Option<u64>, StoreError> {
    let read = database.begin_read()?;
    if read.list_tables()?.next().is_none() {
        return Ok(None);
    }
    let format = read.open_table(META)?.get(FORMAT_KEY)?;
    format
        .map(|format| Some(format.value()))
        .ok_or_else(|| StoreError::damaged("the library's format is missing"))
}

fn create_tables(database: &Database) -> Result<(), StoreError> {
    let write = database.begin_write()?;
    let mut meta = write.open_table(META)?;
    meta.insert(FORMAT_KEY, FORMAT)?;
    Totals::empty(LibraryId::from_raw(random())).write(&mut meta)?;
    drop(meta);
    write.open_table(HASHES)?;
    write.open_table(SIGNS)?;
    write.open_table(RECORDS)?;
    write.open_table(FEATURES)?;
    write.open_table(THUMBNAILS)?;
    write.open_table(PREVIEWS)?;
    write.commit()?;
    Ok(())
}

/// Returns a random number: the keys of the standard library's hasher are random.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests;
