//! Why a library cannot be opened, and the way out.

use std::path::PathBuf;

use crate::identity::LibraryId;

use super::error::StoreError;
use super::lock_holder;
use super::marker::{FILE_NAME, MARKER_NAME};
use super::totals::FORMAT;

/// Why a library could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another engine in this process, has the library open.
    #[error("the library in `{}` is in use by {}", dir.display(), lock_holder::name(*pid))]
    InUse {
        /// The library's directory.
        dir: PathBuf,
        /// That process, where the system tells.
        pid: Option<u32>,
    },
    /// The library was written by a version of the engine with another format.
    #[error(
        "the library in `{}` has format {found}, this version reads format {FORMAT}: open it with \
         the version that wrote it, or add its images to a new library",
        dir.display()
    )]
    Format {
        /// The library's directory.
        dir: PathBuf,
        /// The format of the library.
        found: u64,
    },
    /// The directory belongs to a library, but its database file is missing or empty.
    #[error(
        "the library in `{}` is lost: `{FILE_NAME}` is missing or empty beside `{trace}`; mount its \
         volume or restore the file from a backup, or delete the files of the folder to start an \
         empty library",
        dir.display()
    )]
    Lost {
        /// The library's directory.
        dir: PathBuf,
        /// The file that shows that there was a library.
        trace: &'static str,
    },
    /// The database file is that of another library than the directory's.
    #[error(
        "`{}` belongs to library {expected}, but its `{FILE_NAME}` is library {found}: restore the \
         right file, or delete `{MARKER_NAME}` to use this one",
        dir.display()
    )]
    OtherLibrary {
        /// The library's directory.
        dir: PathBuf,
        /// The identity in the marker file.
        expected: String,
        /// The identity in the database file.
        found: LibraryId,
    },
    /// The directory has no library. Only where none may be created.
    #[error("there is no library in `{}`", dir.display())]
    NotFound {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory or the database file cannot be used.
    #[error("the library in `{}` cannot be opened", dir.display())]
    Storage {
        /// The library's directory.
        dir: PathBuf,
        /// The cause.
        source: StoreError,
    },
}
