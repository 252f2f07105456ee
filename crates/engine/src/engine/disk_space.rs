//! The free space of the disk, and the reserve of it that adds leave to deletes and updates.
//!
//! redb writes changed pages to other pages before it frees the old ones, so on a full disk a
//! delete fails too. Adds stop while less than the reserve is free.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Maximum age of a measurement. A writer at full speed (2,000 images of 20 to 200 kB per second)
/// uses 10 to 100 MB in this time.
const MAX_AGE: Duration = Duration::from_millis(250);

/// The disk of a library.
#[derive(Debug)]
pub(super) struct DiskSpace {
    dir: PathBuf,
    /// In bytes; 0 means none.
    reserve: u64,
    measured: Option<(Instant, bool)>,
}

// === impl DiskSpace ===

impl DiskSpace {
    pub(super) fn new(dir: &Path, reserve: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            reserve,
            measured: None,
        }
    }

    /// Returns the reserve while less of it is free, measured up to [`MAX_AGE`] ago.
    pub(super) fn violated_reserve(&mut self) -> Option<u64> {
        if self.reserve == 0 {
            return None;
        }
        let now = Instant::now();
        let recent = self
            .measured
            .filter(|(time, _)| now.duration_since(*time) < MAX_AGE);
        let (_, is_low) = *self.measured.insert(recent.unwrap_or_else(|| {
            // A disk that cannot be measured accepts adds until it is full.
            let is_low = free_bytes(&self.dir).is_some_and(|free| free < self.reserve);
            (now, is_low)
        }));
        is_low.then_some(self.reserve)
    }
}

/// Returns the space that this process may use of a folder's disk; `None` where the system does
/// not tell.
pub(super) fn free_bytes(dir: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let disk = rustix::fs::statvfs(dir).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        None
    }
}
