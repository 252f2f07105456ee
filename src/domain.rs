//! Checked types that both doors and both backends speak.
//!
//! Every rule about a request stands here once. A door hands over what it
//! read ([`RawSource`], [`RawTarget`], plain numbers and texts) and gets back
//! a request that is known to be good, or one error that names every fault.
//! Nothing here knows gRPC messages, forms, or backends.

mod account;
mod picture;
mod request;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use account::Account;
pub use picture::{
    Format, ImageSource, MAX_IMAGE_BYTES, MAX_SIDE_PX, MIN_SIDE_PX, Picture, RawSource,
};
pub use request::{Add, Delete, DeleteTarget, List, Query, RawTarget, TagLogic, Target, Update};
pub use text::{Brief, ContSign, PictureUrl, Tags};

/// A caller whose credentials were checked, and what it may reach.
#[derive(Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Name from the configuration.
    pub name: String,
    /// Libraries that this tenant may use; the first is its default.
    pub libraries: Vec<String>,
    /// Share of a pace that several tenants wait for, 1 to 100.
    pub weight: u32,
}

/// Who is at the other end of a connection, as its client certificate says;
/// the server puts it into the extensions of each request of a connection that
/// has shown one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Names in the certificate that was checked: SPIFFE IDs and other URIs as
    /// they are (`spiffe://…`), DNS names as `dns:` and the name in lower case.
    pub identities: Vec<String>,
}

/// Is cancelled when the connection of a request is about to be closed; what
/// could go on for hours ends itself then.
#[derive(Clone, Debug)]
pub struct Closing(pub CancellationToken);

/// Name of a request in logs and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// What accompanies a request through every layer: who asks, and until when.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub tenant: Arc<Tenant>,
    /// Name of the request in logs and answers.
    pub request_id: RequestId,
    /// When nobody waits for the answer any more.
    pub deadline: Instant,
    /// Deadline that the client itself set; it bounds a whole stream.
    pub stream_deadline: Option<Instant>,
    /// Time that one operation gets when the client asks for no less.
    pub budget: Duration,
    /// Whether it is an item of a bulk load, which lets single calls go first.
    pub bulk: bool,
    /// What it has cost so far.
    pub account: Account,
}

// === impl RequestId ===

impl Default for RequestId {
    fn default() -> Self {
        RequestId("-".into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Call ===

impl Call {
    /// Makes the call of one item of a stream: it has the budget of a single
    /// operation, and ends with the stream at the latest.
    #[must_use]
    pub fn of_item(&self) -> Call {
        let own = Instant::now() + self.budget;
        let deadline = self.stream_deadline.map_or(own, |stream| stream.min(own));
        Call {
            deadline,
            bulk: true,
            ..self.clone()
        }
    }

    /// Time left until the deadline; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Answer to an [`Add`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// Sign of the stored picture.
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

/// One stored picture that is the same as the query, wholly or in part.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Sign of the stored picture.
    pub cont_sign: ContSign,
    /// How sure the match is, in [0, 1]; 1 means the same bytes.
    pub score: f64,
    /// Brief of the stored picture.
    pub brief: String,
    /// Tags of the stored picture; empty where the backend does not tell.
    pub tags: Vec<u16>,
    /// Where the pictures overlap; `None` where the backend does not know.
    pub geometry: Option<Geometry>,
}

/// Where a matching part lies, in shares of each picture's width and height.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Corners in the query picture.
    pub query: [[f32; 2]; 4],
    /// The same corners in the stored picture, clockwise from its top left.
    pub stored: [[f32; 2]; 4],
    /// Share of the stored picture that the query shows, in [0, 1].
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
    /// One outcome per sign asked for, in that order; one for a picture.
    pub outcomes: Vec<crate::error::Result<()>>,
    /// Numbers of the operations in the backend's logs.
    pub log_ids: Vec<u64>,
}

/// Size of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Pictures stored now.
    pub pictures: u64,
    /// Most pictures that it takes.
    pub capacity: u64,
    /// Size of its files in bytes.
    pub size_bytes: u64,
}

/// One stored picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Sign of the picture.
    pub cont_sign: ContSign,
    /// Brief stored with it.
    pub brief: String,
    /// Tags stored with it.
    pub tags: Vec<u16>,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
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
