//! Care of a library: backup, restore, verification, compaction.
//!
//! A backup (`backup`) is a stream of all records of one committed state, so it can be taken from a
//! running engine. Everything else works on a library that no engine has open (`offline`):
//! verification (`integrity`), compaction, and a restore, which builds a new library from a backup
//! and puts it in place in one step (`restore`). A page (`page`) is a small backup by which images
//! are copied to another library. This module does not depend on searching; the index is a cache and
//! belongs to no backup.

mod backup;
mod integrity;
mod offline;
mod page;
mod restore;

pub(crate) use backup::backup_of;
pub use backup::{BackupError, BackupInfo, verify_backup};
pub use integrity::{Damage, Verification};
pub use offline::{Compaction, OfflineLibrary};
pub use page::{CopyError, read_images, write_images};
pub use restore::{Existing, RestoreError, restore};

/// Reports progress: images done, and images in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);
