//! A library that no engine has open: everything that needs the file for itself.
//!
//! Opening it reads no index and needs little memory. The lock of the file keeps engines out
//! meanwhile, and this module out while an engine runs.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::engine::Record;
use crate::identity::Sign;
use crate::store::{OpenError, RecordUpdate, Store, StoreError, Target, WriteError};

use super::Progress;
use super::backup::{BackupError, BackupInfo, backup_of};
use super::integrity::{self, Verification};

/// Cache of database pages: each page is read once, in order.
const CACHE_BYTES: usize = 64 << 20;

/// A library opened for maintenance. Dropping it closes the file.
pub struct OfflineLibrary {
    dir: PathBuf,
    store: Store,
}

/// Size of the library file before and after a compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Bytes before.
    pub before_bytes: u64,
    /// Bytes after.
    pub after_bytes: u64,
}

// === impl OfflineLibrary ===

impl OfflineLibrary {
    /// Opens the library in a directory; never creates one.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotFound`] when the directory has no library, [`OpenError::InUse`] when another
    /// process has it open, and the other errors of [`crate::Engine::open`].
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Ok(Self {
            dir: dir.to_owned(),
            store: Store::open_existing(dir, CACHE_BYTES)?,
        })
    }

    /// Writes a backup; see [`crate::Engine::backup`].
    ///
    /// # Errors
    ///
    /// [`BackupError::Library`] when the library cannot be read, [`BackupError::Io`] when `out`
    /// fails.
    pub fn backup(
        &self,
        out: &mut dyn Write,
        progress: Progress<'_>,
    ) -> Result<BackupInfo, BackupError> {
        backup_of(&self.store, out, progress)
    }

    /// Checks every page, record and index segment; `repair` rebuilds what can be rebuilt.
    ///
    /// The bookkeeping of free pages in the file is repaired in any case. Cost: reads every file of
    /// the library once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when a repair cannot be written. Damages are no errors, but the result.
    pub fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Verification, StoreError> {
        integrity::verify(&self.store, &self.dir, repair, progress)
    }

    /// Returns unused space of the library file to the file system.
    ///
    /// Needs little space on the disk, so it also works on a full one. Cost: rewrites up to the
    /// whole file. If the process is killed meanwhile, nothing is lost, but the next open reads the
    /// whole file.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be read or written.
    pub fn compact(&self) -> Result<Compaction, StoreError> {
        let before_bytes = self.store.size_bytes()?;
        self.store.compact()?;
        Ok(Compaction {
            before_bytes,
            after_bytes: self.store.size_bytes()?,
        })
    }

    /// Passes every record to `each`, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be read.
    pub fn for_each_record(&self, mut each: impl FnMut(Record)) -> Result<(), StoreError> {
        self.store
            .read(|snapshot| snapshot.for_each_record(|_, record| each(record.clone().into())))
    }

    /// Changes briefs and tags in one transaction; returns the result of each change.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the library cannot be written; then nothing was changed.
    pub fn update(
        &self,
        updates: &[(Sign, RecordUpdate)],
    ) -> Result<Vec<Result<Sign, WriteError>>, StoreError> {
        let mut results = Vec::with_capacity(updates.len());
        self.store.write(u64::MAX, |batch| {
            for (sign, update) in updates {
                match batch.update(&Target::Sign(*sign), update) {
                    Err(WriteError::Storage(error)) => return Err(error),
                    result => results.push(result),
                }
            }
            Ok(())
        })?;
        Ok(results)
    }
}

impl Drop for OfflineLibrary {
    fn drop(&mut self) {
        self.store.close();
    }
}

impl fmt::Debug for OfflineLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfflineLibrary")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}
