//! A disk that fails when it is told to.

use std::fs::OpenOptions;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{Builder, StorageBackend};
use tempfile::TempDir;

use crate::store::{FILE_NAME, Store};

/// A directory whose database file stops taking writes on demand.
pub(super) struct Disk {
    dir: TempDir,
    state: Arc<State>,
}

/// Changing operations that still succeed; growing the file may be forbidden besides.
#[derive(Debug)]
struct State {
    left: AtomicU64,
    longest: AtomicU64,
}

#[derive(Debug)]
struct FaultyFile {
    file: FileBackend,
    state: Arc<State>,
}

// === impl Disk ===

impl Disk {
    pub(super) fn new() -> Self {
        let state = State {
            left: AtomicU64::new(u64::MAX),
            longest: AtomicU64::new(u64::MAX),
        };
        Self {
            dir: tempfile::tempdir().unwrap(),
            state: Arc::new(state),
        }
    }

    /// Opens a store whose file lies on this disk.
    pub(super) fn store(&self) -> Store {
        let path = self.dir.path().join(FILE_NAME);
        let (file, state) = (path.clone(), Arc::clone(&self.state));
        let opener = move || {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&file)?;
            let file = FaultyFile {
                file: FileBackend::new(file)?,
                state: Arc::clone(&state),
            };
            Builder::new().create_with_backend(file)
        };
        Store::with_opener(self.dir.path(), path, Box::new(opener)).unwrap()
    }

    /// Lets this many changing operations succeed, then none: the disk is gone.
    pub(super) fn fail_after(&self, operations: u64) {
        self.state.left.store(operations, Ordering::SeqCst);
    }

    /// Takes the last free block away: the file cannot grow, what it has can be rewritten.
    pub(super) fn fill(&self) {
        let length = std::fs::metadata(self.dir.path().join(FILE_NAME))
            .unwrap()
            .len();
        self.state.longest.store(length, Ordering::SeqCst);
    }

    pub(super) fn heal(&self) {
        self.state.left.store(u64::MAX, Ordering::SeqCst);
        self.state.longest.store(u64::MAX, Ordering::SeqCst);
    }
}

// === impl FaultyFile ===

impl FaultyFile {
    fn spend(&self) -> io::Result<()> {
        let spent = self
            .state
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        spent
            .map(drop)
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }

    fn allow_length(&self, length: u64) -> io::Result<()> {
        if length > self.state.longest.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for FaultyFile {
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
