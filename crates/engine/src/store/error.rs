//! What can go wrong between the engine and its database file.

use std::io;

use crate::store::batch::MAX_BRIEF_BYTES;
use crate::tags::MAX_TAGS;

/// Why the database could not be read or written.
///
/// Writes that were answered before stay. Whether the write that got this error was done is not
/// known, as after any failed disk operation; repeating it is safe.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No space is left on the disk or in the quota. Later writes are tried anew.
    #[error("the disk is full")]
    DiskFull,
    /// The disk rejected a read or a write. Later calls are tried anew.
    #[error("the disk rejected an operation: {reason}")]
    Io {
        /// The system's own words.
        reason: String,
    },
    /// The database file contains what the engine never writes: restore it from a backup.
    #[error("the database is damaged: {reason}")]
    Damaged {
        /// What was found.
        reason: String,
    },
    /// The library has given out all 2^32 image numbers: copy it into a new one.
    #[error("the library has used up its image numbers")]
    OutOfNumbers,
    /// The engine was closed.
    #[error("the engine is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged {
            reason: reason.into(),
        }
    }
}

impl From<redb::Error> for StoreError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "our callers tell no more cases apart"
    )]
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::from(error),
            redb::Error::Corrupted(reason) => Self::Damaged { reason },
            other => Self::Io {
                reason: other.to_string(),
            },
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            return Self::DiskFull;
        }
        Self::Io {
            reason: error.to_string(),
        }
    }
}

/// redb has one error type an operation; all of them come down to the same few for our callers.
macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::from(redb::Error::from(error))
            }
        })*
    };
}

from_redb!(
    CommitError,
    DatabaseError,
    StorageError,
    TableError,
    TransactionError,
    SetDurabilityError
);

/// Why a write was not done. Nothing was changed, but see [`WriteError::Storage`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The library holds as many images as it may.
    #[error("the library is full with {capacity} images")]
    Full {
        /// The most images the library may hold.
        capacity: u64,
    },
    /// No stored image is meant by the target.
    #[error("no such image")]
    NotFound,
    /// The brief is longer than the engine stores.
    #[error("the brief has {bytes} bytes, more than {MAX_BRIEF_BYTES}")]
    BriefTooLong {
        /// Length of the rejected brief in bytes.
        bytes: usize,
    },
    /// There are more tags than an image carries, or one of them is 0.
    #[error("an image carries at most {MAX_TAGS} tags from 1 to 65535")]
    InvalidTags,
    /// The database failed. The write was not answered as done, yet the disk may have it: repeat
    /// it, the same bytes are never stored twice.
    #[error("the library could not be written")]
    Storage(#[from] StoreError),
    /// The engine was closed before the write was done.
    #[error("the engine is closed")]
    Closed,
}
