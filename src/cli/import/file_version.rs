//! The version of a file: size and modification time.

use std::fs::Metadata;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// Distinguishes a changed file from an unchanged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileVersion {
    /// Size in bytes.
    pub(super) size: u64,
    /// Time of the last change, in milliseconds since 1970.
    pub(super) mtime_ms: u64,
}

// === impl FileVersion ===

impl FileVersion {
    /// The version of a URL, and of a file that cannot be read.
    pub(super) const NONE: FileVersion = FileVersion {
        size: 0,
        mtime_ms: 0,
    };

    pub(super) fn of(metadata: &Metadata) -> Self {
        let since_epoch = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        FileVersion {
            size: metadata.len(),
            mtime_ms: since_epoch
                .map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}
