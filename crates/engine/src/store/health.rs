//! Whether the library file works: counts failed operations, and writes that fail in a row.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::error::StoreError;

/// Commits that fail in a row before the file counts as failing; one or two are a short disturbance
/// that the reopen after each failure ends.
const MAX_FAILED_COMMITS: u32 = 3;

/// The state of the library file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageHealth {
    /// Reads and writes that failed since the open: a full disk, an error of the disk, damage.
    pub failures: u64,
    /// Whether failures persist: the file cannot be reopened, or the last 3 commits failed for
    /// another reason than a full disk.
    pub is_failing: bool,
}

/// Collects the state; calls may be concurrent.
#[derive(Debug, Default)]
pub(super) struct HealthRecorder {
    failures: AtomicU64,
    failed_commits: AtomicU32,
    is_lost: AtomicBool,
}

// === impl HealthRecorder ===

impl HealthRecorder {
    pub(super) fn health(&self) -> StorageHealth {
        let failed_commits = self.failed_commits.load(Ordering::Relaxed);
        StorageHealth {
            failures: self.failures.load(Ordering::Relaxed),
            is_failing: self.is_lost.load(Ordering::Relaxed)
                || failed_commits >= MAX_FAILED_COMMITS,
        }
    }

    /// Records the result of a read or write.
    pub(super) fn record<T>(&self, result: &Result<T, StoreError>) {
        if let Err(
            StoreError::DiskFull
            | StoreError::Io { .. }
            | StoreError::Damaged { .. }
            | StoreError::Panicked { .. },
        ) = result
        {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records a commit. A full disk is no failing one: deletes and searches still work.
    pub(super) fn record_commit<T>(&self, result: &Result<T, StoreError>) {
        match result {
            Ok(_) | Err(StoreError::DiskFull) => self.failed_commits.store(0, Ordering::Relaxed),
            Err(StoreError::OutOfNumbers | StoreError::Closed) => {}
            Err(
                StoreError::Io { .. } | StoreError::Damaged { .. } | StoreError::Panicked { .. },
            ) => {
                self.failed_commits.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Records whether the file could be reopened.
    pub(super) fn record_reopen(&self, is_open: bool) {
        self.is_lost.store(!is_open, Ordering::Relaxed);
        self.failures
            .fetch_add(u64::from(!is_open), Ordering::Relaxed);
    }
}
