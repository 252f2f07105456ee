//! Checked requests and responses, shared by both APIs and all backends.
//!
//! Every rule about a request is here, once. An API passes what it read ([`RawSource`],
//! [`RawTarget`], [`RawFilter`], numbers and texts) and gets a valid request, or one error that lists every
//! violation. Nothing here knows protobuf messages, forms, or backends; the context of a call is in
//! `call`.

mod duplicates;
mod fields;
mod image;
mod limits;
mod listing;
mod request;
mod response;
mod search;
mod target;
mod violations;

pub use self::duplicates::{
    DuplicateEvent, DuplicateGroup, DuplicatePair, FindDuplicates, JoinProgress,
};
pub use self::fields::{Brief, ContSign, ImageUrl, Tags};
pub use self::image::{Format, ImageFile, ImageSource, RawSource};
pub use self::limits::ImageLimits;
pub use self::listing::{DeleteByFilter, Get, ImageFilter, List, ListOrder, RawFilter, RawTime};
pub use self::request::{Add, Delete, OnMatch, Update};
pub use self::response::{
    Added, Capability, Comparison, Deleted, DeletedByFilter, Geometry, LibraryStats, Listing,
    MAX_REPORTED_MATCHES, Match, Record, SearchResults, TagCount, Updated,
};
pub use self::search::{Compare, Effort, Profile, Search, SearchOptions, TagLogic};
pub use self::target::{DeleteTarget, ImageRef, RawTarget};
