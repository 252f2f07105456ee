//! A disk that fails on demand, for tests.

use std::fs::OpenOptions;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{Builder, StorageBackend};
use tempfile::TempDir;

use super::{FILE_NAME, Store};

/// A directory whose database file rejects writes on demand.
pub(crate) struct Disk {
    dir: TempDir,
    state: Arc<DiskState>,
}

/// Number of changing operations that still succeed, the maximum length of the file in bytes, and
/// whether failures are those of a broken disk instead of a full one.
#[derive(Debug)]
struct DiskState {
    remaining: AtomicU64,
    max_length: AtomicU64,
    is_broken: AtomicBool,
}

#[derive(Debug)]
struct FailingFile {
    file: FileBackend,
    state: Arc<DiskState>,
}

// === impl Disk ===

impl Disk {
    pub(crate) fn new() -> Self {
        let state = DiskState {
            remaining: AtomicU64::new(u64::MAX),
            max_length: AtomicU64::new(u64::MAX),
            is_broken: AtomicBool::new(false),
        };
        Self {
            dir: tempfile::tempdir().unwrap(),
            state: Arc::new(state),
        }
    }

    /// Opens a store whose file is on this disk.
    pub(crate) fn store(&self) -> Store {
        let path = self.dir.path().join(FILE_NAME);
        let (file, state) = (path.clone(), Arc::clone(&self.state));
        let opener = move || {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&file)?;
            let file = FailingFile {
                file: FileBackend::new(file)?,
                state: Arc::clone(&state),
            };
            Builder::new().create_with_backend(file)
        };
        Store::with_opener(self.dir.path(), path, Box::new(opener)).unwrap()
    }

    /// Makes all changing operations fail after this many.
    pub(crate) fn fail_after(&self, operations: u64) {
        self.state.remaining.store(operations, Ordering::SeqCst);
    }

    /// Makes all changing operations fail after this many, and reads after that, with an error of
    /// the disk.
    pub(crate) fn break_after(&self, operations: u64) {
        self.state.is_broken.store(true, Ordering::SeqCst);
        self.fail_after(operations);
    }

    /// Fills the disk: the file cannot grow, but its bytes can be rewritten.
    pub(crate) fn fill(&self) {
        let length = std::fs::metadata(self.dir.path().join(FILE_NAME))
            .unwrap()
            .len();
        self.state.max_length.store(length, Ordering::SeqCst);
    }

    pub(crate) fn heal(&self) {
        self.state.remaining.store(u64::MAX, Ordering::SeqCst);
        self.state.max_length.store(u64::MAX, Ordering::SeqCst);
        self.state.is_broken.store(false, Ordering::SeqCst);
    }
}

// === impl FailingFile ===

impl FailingFile {
    fn spend(&self) -> io::Result<()> {
        let spent =
            self.state
                .remaining
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |remaining| {
                    remaining.checked_sub(1)
                });
        spent.map(drop).map_err(|_| {
            if self.state.is_broken.load(Ordering::SeqCst) {
                io::Error::other("the disk is broken")
            } else {
                io::ErrorKind::StorageFull.into()
            }
        })
    }

    fn allow_length(&self, length: u64) -> io::Result<()> {
        if length > self.state.max_length.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for FailingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.spend()?;
        self.allow_length(len)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.spend()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.spend()?;
        self.allow_length(offset + data.len() as u64)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
