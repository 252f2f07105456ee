//! Same-image search as a plain synchronous library.
//!
//! Finds stored images that are the same as a query image. No network, no async runtime, no
//! configuration files: bytes go in, matches come out.
//!
//! Reading order, which is the way of an image: [`Engine`] is the public face; `prepare` turns
//! file bytes into what the library keeps (`picture` decodes, `identity` names, `pdq` digests the
//! whole, [`features`] its parts); `store` makes it durable; `memory` holds what a search compares:
//! the `catalog` of whole images and the [`index`] of parts, whose matches [`verify`] lays over
//! the query.
//!
//! **Invariant:** the catalog, the index and every other structure in memory can be rebuilt from the
//! store; an answered write is in the store.
//!
//! [`features`], [`index`] and [`verify`] are public for measuring them alone; users need [`Engine`].

#![deny(unsafe_code)]

mod engine;
mod prepare;

mod geometry;
mod identity;
mod pdq;
mod picture;
mod tags;

mod catalog;
mod memory;
mod store;

pub mod features;
pub mod index;
pub mod verify;

#[cfg(fuzzing)]
pub mod fuzzing;

pub use engine::{
    Cursor, Engine, Hit, MAX_RESULTS, Options, Page, Query, Record, Response, SearchError, Stats,
    StoredImage,
};
pub use geometry::Geometry;
pub use identity::{ContentHash, Sign};
pub use picture::{DecodeError, MAX_FILE_BYTES, MAX_SIDE, MIN_SIDE};
pub use prepare::{Prepared, PreparedQuery};
pub use store::{
    Added, Change, MAX_BRIEF_BYTES, NewRecord, OpenError, StoreError, Target, WriteError,
};
pub use tags::{MAX_TAGS, TagFilter, TagLogic};

#[cfg(test)]
#[path = "../tests/support/draw.rs"]
mod draw;

// So that code shared with examples and tests finds the crate under its name.
#[cfg(test)]
extern crate self as same_image;
