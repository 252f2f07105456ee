//! Checked requests and responses, shared by both APIs and both backends.
//!
//! Every rule about a request is here, once. An API passes what it read ([`RawSource`],
//! [`RawTarget`], numbers and texts) and gets a valid request, or one error that lists every
//! violation. Nothing here knows protobuf messages, forms, or backends; the context of a call is in
//! `call`.

mod duplicates;
mod fields;
mod image;
mod limits;
mod request;
mod response;
mod target;
mod violations;

pub use self::duplicates::{
    DuplicateEvent, DuplicateGroup, DuplicatePair, FindDuplicates, JoinProgress,
};
pub use self::fields::{Brief, ContSign, ImageUrl, Tags};
pub use self::image::{Format, ImageFile, ImageSource, RawSource};
pub use self::limits::ImageLimits;
pub use self::request::{Add, Delete, List, Profile, Search, TagLogic, Update};
pub use self::response::{
    Added, Deleted, Geometry, LibraryStats, Listing, Match, Record, SearchResults, Updated,
};
pub use self::target::{DeleteTarget, RawTarget, UpdateTarget};
