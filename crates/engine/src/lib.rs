//! Same-image search as a plain synchronous library.
//!
//! Finds stored images that are the same as a query image. No network, no async runtime, no
//! configuration files: bytes go in, matches come out.
//!
//! Reading order, which is the order in which an image is processed: [`Engine`] is the public API;
//! `prepare` computes what the library stores of a file (`decode` decodes it, `identity` identifies
//! it, `pdq` hashes the whole image, [`features`] describes its parts); `store` makes it durable;
//! `search_state` has what a search reads: the `catalog` of whole images and the [`index`] of
//! parts, whose matches [`verify`] aligns with the query; `maintenance` backs up, restores and
//! checks a library.
//!
//! **Invariant:** the catalog, the index and every other structure in memory can be rebuilt from
//! the store; a write that returned success is in the store.
//!
//! [`features`], [`index`] and [`verify`] are public only to measure them; users need [`Engine`].

#![deny(unsafe_code)]

mod engine;
mod maintenance;
mod prepare;

mod decode;
mod dense;
mod filter;
mod geometry;
mod identity;
mod pdq;
mod tags;

mod catalog;
mod search_state;
mod store;

pub mod features;
pub mod index;
pub mod verify;

#[cfg(fuzzing)]
pub mod fuzzing;
#[doc(hidden)]
pub mod measuring;

pub use decode::{
    DecodeError, Format, Header, LARGEST_MAX_SIDE, MAX_FILE_BYTES, MAX_PREVIEW_BYTES,
    MAX_PREVIEW_SIDE, MAX_SIDE, MIN_PREVIEW_SIDE, MIN_SIDE, ScaledImage, is_within, scale_down,
};
pub use engine::{
    CheckError, CheckedAdd, CheckedImage, Compared, Comparison, Cursor, DocumentMatch,
    DocumentRanking, DocumentSearch, DuplicateGroup, DuplicatePair, DuplicateQuery, Effort, Engine,
    Hit, ImageDocument, ImageRef, Insertion, InvalidCursor, Join, JoinBlock, JoinCursor, JoinError,
    ListQuery, MAX_RESULTS, MAX_ROUND, OpenGroup, Options, Page, Profile, Query, Record, Response,
    Round, SearchError, Selection, Stats, StoredImage, WholeImage,
};
pub use filter::{ImageFilter, Order, lower_case};
pub use geometry::Geometry;
pub use identity::{ContentHash, LibraryId, Sign};
pub use index::Term;
pub use maintenance::{
    BackupError, BackupInfo, Compaction, CopyError, Damage, Existing, OfflineLibrary, Progress,
    RestoreError, Verification, read_images, restore, verify_backup, write_images,
};
pub use prepare::{PreparedImage, PreparedQuery, prepare_both, prepare_memory};
pub use store::{
    Added, MAX_BRIEF_BYTES, NewRecord, OpenError, RecordUpdate, StorageHealth, StoreError, Target,
    WriteError,
};
pub use tags::{MAX_TAGS, TagFilter, TagLogic};

#[cfg(test)]
#[path = "../tests/support/draw.rs"]
mod draw;
