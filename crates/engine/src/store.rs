//! The library on disk: one redb file, the only truth of the engine.
//!
//! Every write is one durable transaction over all tables (`store::batch`), made by the one writer
//! thread (`store::writer`); reads see the last commit and never wait for a write. After a failed
//! disk operation redb rejects everything until the file is opened again, so the store drops it
//! and opens it anew: one failed write never stops the next. This module knows nothing of searching.
//!
//! Tables of format 1, file `library.redb`:
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `"format"` | 1 |
//! | `meta` | `"library"` | a random number that tells this library's segment files from others |
//! | `meta` | `"next_id"` | number of the next image; numbers are never used twice |
//! | `hashes` | BLAKE3 of the file, 32 bytes | number (u32) |
//! | `signs` | sign (u64) | number (u32) |
//! | `records` | number (u32) | record, see `store::record` |
//! | `features` | number (u32) | local features, see `features::record`; opaque here |
//! | `thumbnails` | number (u32) | JPEG |
//!
//! Features and thumbnails stand apart so that listing reads 150 bytes an image and not 20 kB, and
//! opening 7 kB.

mod batch;
mod error;
mod record;
mod snapshot;
mod writer;

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, ReadableDatabase, TableDefinition};

pub(crate) use batch::Batch;
pub use batch::{Added, Change, MAX_BRIEF_BYTES, NewRecord, Target};
pub use error::{StoreError, WriteError};
pub(crate) use record::StoredRecord;
pub(crate) use snapshot::Snapshot;
pub(crate) use writer::Writer;

use crate::memory::Changes;

const FILE_NAME: &str = "library.redb";

/// The one format this version reads and writes.
const FORMAT: u64 = 1;

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const HASHES: TableDefinition<[u8; 32], u32> = TableDefinition::new("hashes");
const SIGNS: TableDefinition<u64, u32> = TableDefinition::new("signs");
const RECORDS: TableDefinition<u32, &[u8]> = TableDefinition::new("records");
const FEATURES: TableDefinition<u32, &[u8]> = TableDefinition::new("features");
const THUMBNAILS: TableDefinition<u32, &[u8]> = TableDefinition::new("thumbnails");

/// Why a library could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another engine of this one, has the library open.
    #[error("the library in `{}` is in use by another process", dir.display())]
    InUse {
        /// The library's directory.
        dir: PathBuf,
    },
    /// The library was written by a version of the engine with another format.
    #[error(
        "the library in `{}` has format {found}, this version reads format {FORMAT}: open it with \
         the version that wrote it, or add its images to a new library",
        dir.display()
    )]
    Format {
        /// The library's directory.
        dir: PathBuf,
        /// The format found there.
        found: u64,
    },
    /// The directory or the database file cannot be used.
    #[error("the library in `{}` cannot be opened", dir.display())]
    Storage {
        /// The library's directory.
        dir: PathBuf,
        /// What went wrong.
        source: StoreError,
    },
}

/// Opens the database file; called again after each failure.
type Opener = Box<dyn Fn() -> Result<Database, redb::DatabaseError> + Send + Sync>;

/// The open library file.
pub(crate) struct Store {
    path: PathBuf,
    opener: Opener,
    state: RwLock<State>,
}

struct State {
    database: Handle,
    /// Counts openings, so that of several callers that saw one failure only the first reopens.
    opening: u64,
}

enum Handle {
    Open(Database),
    /// Dropped after a failure; the next call opens the file again.
    Lost,
    Closed,
}

// === impl Store ===

impl Store {
    /// Opens the library in a directory, making both if they do not exist.
    pub(crate) fn open(dir: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        let storage = |source: StoreError| OpenError::Storage {
            dir: dir.to_owned(),
            source,
        };
        fs::create_dir_all(dir).map_err(|error| storage(error.into()))?;

        let path = dir.join(FILE_NAME);
        let file = path.clone();
        let opener = move || {
            Database::builder()
                .set_cache_size(cache_bytes)
                .create(&file)
        };
        let store = Self::with_opener(dir, path, Box::new(opener))?;
        // The file's name must survive a power cut as well as its content.
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| storage(error.into()))?;
        Ok(store)
    }

    /// Opens a library through any way to a database; tests pass one with an invalid disk.
    fn with_opener(dir: &Path, path: PathBuf, opener: Opener) -> Result<Self, OpenError> {
        let dir = dir.to_owned();
        let database = match opener() {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(OpenError::InUse { dir }),
            Err(error) => {
                return Err(OpenError::Storage {
                    dir,
                    source: error.into(),
                });
            }
        };
        match prepare_tables(&database) {
            Ok(FORMAT) => {}
            Ok(found) => return Err(OpenError::Format { dir, found }),
            Err(source) => return Err(OpenError::Storage { dir, source }),
        }
        let state = RwLock::new(State {
            database: Handle::Open(database),
            opening: 0,
        });
        Ok(Self {
            path,
            opener,
            state,
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

        let result = snapshot.and_then(|snapshot| read(&snapshot));
        self.recover_from(&result, opening);
        result
    }

    /// Runs writes as one transaction and makes them durable; on an error none of them happened.
    ///
    /// Returns what changed. Cost: two disk syncs, unless nothing changed.
    pub(crate) fn write(
        &self,
        capacity: u64,
        write: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
    ) -> Result<Changes, StoreError> {
        let state = self.opened()?;
        let opening = state.opening;
        let result = database(&state).and_then(|database| commit(database, capacity, write));
        drop(state);

        self.recover_from(&result, opening);
        result
    }

    /// Returns the size of the library file in bytes.
    pub(crate) fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(fs::metadata(&self.path)?.len())
    }

    /// Closes the file; all later calls get [`StoreError::Closed`].
    pub(crate) fn close(&self) {
        self.state
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .database = Handle::Closed;
    }

    /// Waits until the file is open and nobody is reopening it.
    fn opened(&self) -> Result<RwLockReadGuard<'_, State>, StoreError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if !matches!(state.database, Handle::Lost) {
            return Ok(state);
        }
        let opening = state.opening;
        drop(state);
        self.reopen(opening)?;
        Ok(self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the file anew after a failed disk operation, which redb does not forgive by itself.
    fn recover_from<T>(&self, result: &Result<T, StoreError>, opening: u64) {
        if let Err(StoreError::DiskFull | StoreError::Io { .. }) = result {
            // If this fails too, the handle stays lost and the next call reports its own attempt.
            let _ = self.reopen(opening);
        }
    }

    fn reopen(&self, opening: u64) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.opening != opening || matches!(state.database, Handle::Closed) {
            return Ok(());
        }
        // The old handle holds the file's lock: it has to go first.
        state.database = Handle::Lost;
        state.database = Handle::Open((self.opener)()?);
        state.opening += 1;
        Ok(())
    }
}

fn database<'a>(state: &'a RwLockReadGuard<'_, State>) -> Result<&'a Database, StoreError> {
    match &state.database {
        Handle::Open(database) => Ok(database),
        Handle::Lost => Err(StoreError::Io {
            reason: "the file is being reopened".to_owned(),
        }),
        Handle::Closed => Err(StoreError::Closed),
    }
}

fn commit(
    database: &Database,
    capacity: u64,
    write: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
) -> Result<Changes, StoreError> {
    let mut transaction = database.begin_write()?;
    // Costs a second sync a group, and saves reading the whole file (20 kB an image) at each open
    // after a crash or a failed write; on a full disk every rejected write ends in such an open.
    transaction.set_quick_repair(true);
    let mut batch = Batch::open(&transaction, capacity)?;
    write(&mut batch)?;
    let changes = batch.finish();
    if changes.catalog.is_empty() {
        transaction.abort()?;
    } else {
        transaction.commit()?;
    }
    Ok(changes)
}

/// Makes all tables in a new file, and returns the format of any file.
fn prepare_tables(database: &Database) -> Result<u64, StoreError> {
    let read = database.begin_read()?;
    let mut tables = read.list_tables()?.peekable();
    if tables.peek().is_some() {
        let meta = read.open_table(META)?;
        return meta
            .get("format")?
            .map(|format| format.value())
            .ok_or_else(|| StoreError::damaged("the library's format is missing"));
    }
    let write = database.begin_write()?;
    let mut meta = write.open_table(META)?;
    meta.insert("format", FORMAT)?;
    meta.insert("library", random())?;
    drop(meta);
    write.open_table(HASHES)?;
    write.open_table(SIGNS)?;
    write.open_table(RECORDS)?;
    write.open_table(FEATURES)?;
    write.open_table(THUMBNAILS)?;
    write.commit()?;
    Ok(FORMAT)
}

/// Draws a number from the system: the keys of the standard library's hasher are random.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests;
