//! A disk in memory whose power can be cut, for tests.
//!
//! Writes are durable only after a sync. A cut ends all operations; when the power is back, the
//! disk has what was synced, and of the later writes any subset in any order, some of them torn at
//! a sector (the method of `SQLite`'s crash tests). An operation can also fail without a cut.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::{Builder, StorageBackend};

use super::{FILE_NAME, OpenError, Store};
use crate::draw::Chance;

/// What a disk writes at once.
const SECTOR_BYTES: usize = 512;

/// What remains of writes that were not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Survival {
    Nothing,
    Everything,
    /// Any subset of the writes, in any order.
    Writes,
    /// Any subset of the sectors of the writes, in any order.
    Sectors,
}

/// When an operation that changes the disk fails; they are counted from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Never,
    /// The power is cut in this operation.
    Cut(u64),
    /// This operation fails, the others do not.
    One(u64),
    /// Syncs succeed and do nothing: a disk that lies.
    IgnoredSyncs,
}

/// The disk; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct VolatileDisk(Arc<Mutex<Content>>);

#[derive(Debug)]
struct Content {
    /// What a reader sees while the power is on.
    current: Vec<u8>,
    /// What the last sync made durable.
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    operations: u64,
    failure: Failure,
    has_power: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

// === impl VolatileDisk ===

impl VolatileDisk {
    /// A disk with a file of this content.
    pub(crate) fn new(content: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Content {
            current: content.clone(),
            durable: content,
            unsynced: Vec::new(),
            operations: 0,
            failure: Failure::Never,
            has_power: true,
        })))
    }

    /// Opens a store whose file is on this disk; its other files are in `dir`.
    pub(crate) fn store(&self, dir: &Path) -> Result<Store, OpenError> {
        let disk = self.clone();
        let opener = move || {
            Builder::new()
                .set_cache_size(1 << 20)
                .create_with_backend(disk.clone())
        };
        Store::with_opener(dir, dir.join(FILE_NAME), Box::new(opener))
    }

    pub(crate) fn fail(&self, failure: Failure) {
        self.content().failure = failure;
    }

    /// Returns how many changing operations there were.
    pub(crate) fn operations(&self) -> u64 {
        self.content().operations
    }

    /// Returns the file as a reader sees it.
    pub(crate) fn file(&self) -> Vec<u8> {
        self.content().current.clone()
    }

    /// Cuts the power, if it is on, and turns it on again.
    pub(crate) fn restart(&self, survival: Survival, chance: &mut Chance) {
        let mut content = self.content();
        let unsynced = std::mem::take(&mut content.unsynced);
        for change in surviving(unsynced, survival, chance) {
            apply(&mut content.durable, &change);
        }
        content.current = content.durable.clone();
        content.failure = Failure::Never;
        content.has_power = true;
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap()
    }
}

// === impl Content ===

impl Content {
    /// Counts an operation; returns an error if it must not be done.
    fn begin(&mut self) -> io::Result<()> {
        self.check_power()?;
        let operation = self.operations;
        self.operations += 1;
        match self.failure {
            Failure::Cut(at) if at == operation => {
                self.has_power = false;
                self.check_power()
            }
            Failure::One(at) if at == operation => Err(io::Error::other("one failure")),
            Failure::Never | Failure::Cut(_) | Failure::One(_) | Failure::IgnoredSyncs => Ok(()),
        }
    }

    fn check_power(&self) -> io::Result<()> {
        if self.has_power {
            return Ok(());
        }
        Err(io::Error::other("no power"))
    }

    /// Does a change, or a part of it in the moment of a cut.
    fn change(&mut self, change: Change) -> io::Result<()> {
        let had_power = self.has_power;
        let begun = self.begin();
        if begun.is_ok() {
            apply(&mut self.current, &change);
        }
        if begun.is_ok() || (had_power && !self.has_power) {
            self.unsynced.push(change);
        }
        begun
    }
}

fn apply(file: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, bytes) => {
            let end = at + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*at..end].copy_from_slice(bytes);
        }
        Change::Length(length) => file.resize(*length, 0),
    }
}

fn surviving(changes: Vec<Change>, survival: Survival, chance: &mut Chance) -> Vec<Change> {
    let mut parts = match survival {
        Survival::Nothing => return Vec::new(),
        Survival::Everything => return changes,
        Survival::Writes => changes,
        Survival::Sectors => changes.into_iter().flat_map(sectors).collect(),
    };
    // Fisher and Yates; then each part survives with a probability of one half.
    for end in (1..parts.len()).rev() {
        let other = usize::try_from(chance.next() % (end as u64 + 1)).unwrap();
        parts.swap(end, other);
    }
    parts.retain(|_| chance.below(2) == 0);
    parts
}

fn sectors(change: Change) -> Vec<Change> {
    let Change::Write(at, bytes) = change else {
        return vec![change];
    };
    let sector =
        |(number, part): (usize, &[u8])| Change::Write(at + number * SECTOR_BYTES, part.to_vec());
    bytes.chunks(SECTOR_BYTES).enumerate().map(sector).collect()
}

impl StorageBackend for VolatileDisk {
    fn len(&self) -> io::Result<u64> {
        let content = self.content();
        content.check_power()?;
        Ok(content.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = self.content();
        content.check_power()?;
        let start = usize::try_from(offset).unwrap();
        let bytes = content.current.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.content()
            .change(Change::Length(usize::try_from(len).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut content = self.content();
        content.begin()?;
        if matches!(content.failure, Failure::IgnoredSyncs) {
            return Ok(());
        }
        content.durable = content.current.clone();
        content.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.content().change(Change::Write(at, data.to_vec()))
    }
}
