//! The errors of reading and writing the database file.

use std::io;
use std::panic::{self, AssertUnwindSafe};

use crate::tags::MAX_TAGS;

use super::requests::MAX_BRIEF_BYTES;

/// Why the database could not be read or written.
///
/// Writes that returned success before are not affected. It is not known whether the write that
/// returned this error was done, as after any failed disk operation; retrying it is safe.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No space is left on the disk or in the quota. Later writes are attempted again.
    #[error("the disk is full")]
    DiskFull,
    /// The disk rejected a read or a write. Later calls are attempted again.
    #[error("the disk rejected an operation: {reason}")]
    Io {
        /// The message of the operating system.
        reason: String,
    },
    /// The database file contains data that the engine never writes: restore it from a backup.
    #[error("the database is damaged: {reason}")]
    Damaged {
        /// What was found.
        reason: String,
    },
    /// The database library panicked, as it does on damaged pages: restore the file from a backup.
    #[error("the database is damaged: reading it failed with `{reason}`")]
    Panicked {
        /// The message of the panic.
        reason: String,
    },
    /// The library has used all 2^32 image numbers: copy it into a new one.
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

    /// Names what was damaged, in front of the reason; other errors stay as they are.
    pub(crate) fn within(self, what: impl FnOnce() -> String) -> Self {
        match self {
            Self::Damaged { reason } => Self::Damaged {
                reason: format!("{}: {reason}", what()),
            },
            Self::Panicked { reason } => Self::Panicked {
                reason: format!("{}: {reason}", what()),
            },
            other @ (Self::DiskFull | Self::Io { .. } | Self::OutOfNumbers | Self::Closed) => other,
        }
    }

    /// Returns whether the file contains data that was not written like this.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Panicked { .. })
    }
}

/// Runs calls of redb, which panics on damaged pages; a panic becomes an error.
///
/// After such an error the file must be reopened, because locks of redb may be poisoned.
pub(super) fn caught<T>(calls: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    panic::catch_unwind(AssertUnwindSafe(calls)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        let reason = message.unwrap_or_else(|| "a panic without a message".to_owned());
        tracing::error!(error = reason, "library file damaged");
        Err(StoreError::Panicked { reason })
    })
}

impl From<redb::Error> for StoreError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "our callers need no more cases"
    )]
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::from(error),
            redb::Error::Corrupted(reason) => Self::Damaged { reason },
            // `Store::open` has made all tables.
            redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. } => Self::damaged(error.to_string()),
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

/// redb has one error type per operation; our callers need only the few cases above.
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
    CompactionError,
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
    /// The library is at its capacity.
    #[error("the library is full with {capacity} images")]
    Full {
        /// Maximum number of images in the library.
        capacity: u64,
    },
    /// Less than the reserve of the disk is free; deletes and updates are still done.
    #[error("less than {reserve} bytes of the disk are free")]
    DiskReserve {
        /// [`crate::Options::min_free_disk`].
        reserve: u64,
    },
    /// The target matches no stored image.
    #[error("no such image")]
    NotFound,
    /// The brief is longer than the engine stores.
    #[error("the brief has {bytes} bytes, more than {MAX_BRIEF_BYTES}")]
    BriefTooLong {
        /// Length of the rejected brief in bytes.
        bytes: usize,
    },
    /// There are more tags than an image carries, or one of them is 0.
    #[error("an image has up to {MAX_TAGS} tags from 1 to 65535")]
    InvalidTags,
    /// The database failed. The disk may have the write nevertheless. Retrying it is safe: the same
    /// bytes are never stored twice.
    #[error("the library could not be written")]
    Storage(#[from] StoreError),
    /// The engine was closed before the write was done.
    #[error("the engine is closed")]
    Closed,
}
