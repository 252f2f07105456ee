//! Checked types that both APIs and both backends speak.
//!
//! Every rule about a request stands here once. A door hands over what it
//! read ([`RawSource`], [`RawTarget`], plain numbers and texts) and gets back
//! a request that is known to be good, or one error that names every violation.
//! Nothing here knows gRPC messages, forms, or backends.

mod picture;
mod request;
mod text;

pub use picture::{
    Format, Image, ImageSource, MAX_IMAGE_BYTES, MAX_SIDE_PX, MIN_SIDE_PX, RawSource,
};
pub use request::{Add, Delete, DeleteTarget, List, Query, RawTarget, TagLogic, Target, Update};
pub use text::{Brief, ContSign, ImageUrl, Tags};

/// Answer to an [`Add`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// Sign of the stored image.
    pub cont_sign: ContSign,
    /// Whether it was stored before; the record is then unchanged.
    pub existed: bool,
    /// Number of the operation in the backend's logs.
    pub log_id: u64,
}

/// Answer to a [`Query`].
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Matches by falling score.
    pub matches: Vec<Match>,
    /// Whether more lie behind this window and before the 1000th.
    pub has_more: bool,
    /// Number of the operation in the backend's logs.
    pub log_id: u64,
}

/// One stored image that is the same as the query, wholly or in part.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Sign of the stored image.
    pub cont_sign: ContSign,
    /// How sure the match is, in [0, 1]; 1 means the same bytes.
    pub score: f64,
    /// Brief of the stored image.
    pub brief: String,
    /// Tags of the stored image; empty where the backend does not tell.
    pub tags: Vec<u16>,
    /// Where the images overlap; `None` where the backend does not know.
    pub geometry: Option<Geometry>,
}

/// Where a matching part lies, in shares of each image's width and height.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Corners in the query image.
    pub query: [[f32; 2]; 4],
    /// The same corners in the stored image, clockwise from its top left.
    pub stored: [[f32; 2]; 4],
    /// Share of the stored image that the query shows, in [0, 1].
    pub overlap: f32,
}

/// Answer to an [`Update`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// Number of the operation in the backend's logs.
    pub log_id: u64,
}

/// Answer to a [`Delete`].
#[derive(Debug)]
pub struct Deleted {
    /// One outcome per sign asked for, in that order; one for an image.
    pub outcomes: Vec<crate::error::Result<()>>,
    /// Numbers of the operations in the backend's logs.
    pub log_ids: Vec<u64>,
}

/// Size of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Images stored now.
    pub images: u64,
    /// Most images that it takes.
    pub capacity: u64,
    /// Size of its files in bytes.
    pub size_bytes: u64,
}

/// One stored image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Sign of the image.
    pub cont_sign: ContSign,
    /// Brief stored with it.
    pub brief: String,
    /// Tags stored with it.
    pub tags: Vec<u16>,
    /// Width of the upright image in pixels.
    pub width: u32,
    /// Height of the upright image in pixels.
    pub height: u32,
    /// Size of the added file in bytes.
    pub size_bytes: u64,
    /// When it was added, in milliseconds since the Unix epoch.
    pub added_at_ms: u64,
    /// JPEG of at most 256 px a side; empty in listings.
    pub thumbnail: bytes::Bytes,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Records in the order in which they were added.
    pub records: Vec<Record>,
    /// Continues the listing; empty on the last page.
    pub next_page_token: String,
}
