//! Builds a library from a backup and puts it in place.
//!
//! Order of events: check the whole backup → build the library in a subfolder and check it → put it
//! in place. Until the last step an existing library is unchanged; a crash at any point leaves the
//! old library or the new one. The restored library has a new identity: what others remember of the
//! library (segments of its index, import journals) may be newer than the backup.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::store::{
    FILE_NAME, INDEX_FOLDER, MARKER_NAME, OpenError, Store, StoreError, create_private, lock_holder,
};

use super::Progress;
use super::backup::{BackupError, BackupInfo, BackupReader, Entry, verify_backup};
use super::integrity;

/// Folder in the library's directory in which the new library is built.
const STAGING_FOLDER: &str = "restore.partial";
/// Cache of database pages of the new library.
const CACHE_BYTES: usize = 64 << 20;
/// Size of the values of one transaction: bounds its memory. Each transaction costs two syncs.
const TRANSACTION_BYTES: usize = 32 << 20;
/// Read buffer; the size of 5 to 50 images.
const BUFFER_BYTES: usize = 1 << 20;

/// What a restore does with a library that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Returns an error.
    Keep,
    /// Replaces it.
    Replace,
}

/// Why a backup was not restored. An existing library is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The directory has a library.
    #[error("`{}` has a library already", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has the existing library open.
    #[error("the library in `{}` is in use by {}", dir.display(), lock_holder::name(*pid))]
    InUse {
        /// The library's directory.
        dir: PathBuf,
        /// That process, where the system tells.
        pid: Option<u32>,
    },
    /// The backup cannot be used.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The new library could not be created.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new library could not be written.
    #[error("the restored library could not be written")]
    Library(#[from] StoreError),
    /// The directory could not be written.
    #[error("`{}` cannot be written: {source}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Restores a backup as the library of a directory, and returns what the backup contains.
///
/// The restored library has a new identity; its index is built when an engine opens it. Cost: reads
/// the backup twice, and needs disk space for the new library beside an existing one.
///
/// # Errors
///
/// [`RestoreError`]; the directory then has what it had before.
pub fn restore(
    backup: &Path,
    dir: &Path,
    existing: Existing,
    progress: Progress<'_>,
) -> Result<BackupInfo, RestoreError> {
    let file = || File::open(backup).map(|file| BufReader::with_capacity(BUFFER_BYTES, file));
    let in_dir = |source| RestoreError::Io {
        dir: dir.to_owned(),
        source,
    };
    let info = verify_backup(file().map_err(BackupError::from)?, &mut |_, _| {})?;
    fs::create_dir_all(dir).map_err(in_dir)?;
    let lock = Lock::acquire(dir, existing)?;

    let staging = dir.join(STAGING_FOLDER);
    remove_folder(&staging).map_err(in_dir)?;
    let backup = BackupReader::open(file().map_err(BackupError::from)?)?;
    let built = build(backup, &staging, progress)
        .and_then(|()| put_in_place(&staging, dir).map_err(in_dir));
    // Also after an error, for which the partial library is of no use.
    let removed = remove_folder(&staging).map_err(in_dir);
    if built.is_err() && lock.is_new {
        remove_file(&dir.join(FILE_NAME)).map_err(in_dir)?;
    }
    drop(lock);
    built.and(removed)?;
    Ok(info)
}

/// The lock of the library file, as redb takes it, so also of a damaged file. Without a library, an
/// empty file is locked, so that no engine creates a library meanwhile.
struct Lock {
    is_new: bool,
    _file: FileBackend,
}

impl Lock {
    fn acquire(dir: &Path, existing: Existing) -> Result<Self, RestoreError> {
        let in_dir = |source| RestoreError::Io {
            dir: dir.to_owned(),
            source,
        };
        let path = dir.join(FILE_NAME);
        let is_new = !path.try_exists().map_err(in_dir)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = create_private(&mut options, &path).map_err(in_dir)?;
        let is_empty = file.metadata().map_err(in_dir)?.len() == 0;
        let file = FileBackend::new(file).map_err(StoreError::from)?;
        let is_locked = file
            .try_lock_range(Bound::Unbounded, Bound::Unbounded)
            .map_err(|error| in_dir(io::Error::other(error.to_string())))?;
        let dir = dir.to_owned();
        match existing {
            _ if !is_locked => Err(RestoreError::InUse {
                dir,
                pid: lock_holder::of(&path),
            }),
            Existing::Keep if !is_empty => Err(RestoreError::Exists { dir }),
            Existing::Keep | Existing::Replace => Ok(Lock {
                is_new,
                _file: file,
            }),
        }
    }
}

/// Builds the library of a backup in a folder of its own, and reads it back.
fn build(
    mut backup: BackupReader<BufReader<File>>,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(), RestoreError> {
    let images = backup.info.images;
    let store = Store::open(folder, CACHE_BYTES)?;
    let mut done = 0;
    loop {
        let group = next_group(&mut backup)?;
        if group.is_empty() {
            break;
        }
        store.write(u64::MAX, |batch| {
            batch.set_next_id(backup.next_id);
            group
                .iter()
                .try_for_each(|entry| batch.write_image(entry.id, &entry.record, entry.values()))
        })?;
        done += group.len() as u64;
        progress(done, images);
    }
    let read_back = integrity::verify(&store, folder, false, &mut |_, _| {})?;
    store.close();
    match read_back.damages.first() {
        None if read_back.images == images => Ok(()),
        None => Err(StoreError::damaged(format!("{} of {images} images", read_back.images)).into()),
        Some(damage) => {
            let reason = format!("{}: {}", damage.part, damage.problem);
            Err(StoreError::damaged(reason).into())
        }
    }
}

fn next_group(backup: &mut BackupReader<BufReader<File>>) -> Result<Vec<Entry>, BackupError> {
    let (mut group, mut bytes) = (Vec::new(), 0);
    while bytes < TRANSACTION_BYTES {
        let Some(entry) = backup.next()? else {
            break;
        };
        bytes += entry.values().map(<[u8]>::len).iter().sum::<usize>();
        group.push(entry);
    }
    Ok(group)
}

/// Moves the new library into place. The marker of the old library goes first: a library without
/// one is accepted, a library with that of another is not.
fn put_in_place(staging: &Path, dir: &Path) -> io::Result<()> {
    remove_file(&dir.join(MARKER_NAME))?;
    // Before the new library is visible: whoever opens that makes an index of its own.
    remove_folder(&dir.join(INDEX_FOLDER))?;
    fs::rename(staging.join(FILE_NAME), dir.join(FILE_NAME))?;
    fs::rename(staging.join(MARKER_NAME), dir.join(MARKER_NAME))?;
    File::open(dir)?.sync_all()
}

fn remove_file(path: &Path) -> io::Result<()> {
    ignore_missing(fs::remove_file(path))
}

fn remove_folder(path: &Path) -> io::Result<()> {
    ignore_missing(fs::remove_dir_all(path))
}

fn ignore_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
