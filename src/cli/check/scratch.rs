//! A private folder for temporary files.

use std::fs::{self, DirBuilder};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder that is deleted when it is dropped. Only its owner may read it.
pub(super) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    pub(super) fn create() -> io::Result<Self> {
        // The keys of the standard library's hasher are random.
        let name = format!("samegate-check-{:016x}", RandomState::new().hash_one(()));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(ScratchFolder(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // A folder for temporary files is cleaned by the system too.
        let _ = fs::remove_dir_all(&self.0);
    }
}
