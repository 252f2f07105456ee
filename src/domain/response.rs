//! Responses of a library, one type per operation.

use bytes::Bytes;

use super::fields::ContSign;
use crate::error::{Error, Kind, Result};

/// Maximum number of matches that an addition returns: enough to decide what to do.
pub const MAX_REPORTED_MATCHES: u32 = 10;

/// Response to an [`Add`](super::Add).
#[derive(Clone, Debug, PartialEq)]
pub struct Added {
    /// Sign of the stored image; of the best match when the addition was rejected.
    pub cont_sign: ContSign,
    /// Whether the image was stored before; if so, its record is unchanged.
    pub existed: bool,
    /// Whether the image was not stored, because of `matches`.
    pub is_rejected: bool,
    /// The best of the other stored images that are the same, if the request asks for them; up to
    /// [`MAX_REPORTED_MATCHES`].
    pub matches: Vec<Match>,
    /// Number of the operation in the backend's logs.
    pub log_id: u64,
}

/// Response to a [`Search`](super::Search).
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResults {
    /// Matches, highest score first.
    pub matches: Vec<Match>,
    /// Whether there are more matches after this window and before the 1000th.
    pub has_more: bool,
    /// Number of the operation in the backend's logs.
    pub log_id: u64,
}

/// One stored image that is wholly or partly the same as the query image.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Sign of the stored image.
    pub cont_sign: ContSign,
    /// Confidence, in [0, 1]; 1 means identical bytes.
    pub score: f64,
    /// Brief of the stored image.
    pub brief: String,
    /// Tags of the stored image; empty when the backend does not return them.
    pub tags: Vec<u16>,
    /// Where the images overlap; `None` when the backend does not compute it.
    pub geometry: Option<Geometry>,
    /// How well the pixels of the matching part agree, in [0, 1]; `None` when they were not
    /// compared.
    pub agreement: Option<f32>,
    /// Fraction of the stored image's area whose pixels agree, in [0, 1]; `None` where `agreement`
    /// is.
    pub coverage: Option<f32>,
}

/// Response to a [`Compare`](super::Compare).
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Score of the second image as a match of the first one, in [0, 1]; 0 when it is none.
    pub score: f64,
    /// Where the images overlap: `stored` is the second image.
    pub geometry: Option<Geometry>,
    /// How well the pixels of the matching part agree, in [0, 1].
    pub agreement: Option<f32>,
    /// Fraction of the second image's area whose pixels agree, in [0, 1].
    pub coverage: Option<f32>,
    /// Different bits of the hashes, 0 to 256; `None` when an image has too little detail.
    pub hash_distance: Option<u32>,
    /// Number of the operation in the backend's logs.
    pub log_id: u64,
}

/// Where the matching part is, in fractions of each image's width and height.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Corners in the query image.
    pub query: [[f32; 2]; 4],
    /// The same corners in the stored image, clockwise from its top left.
    pub stored: [[f32; 2]; 4],
    /// Fraction of the stored image that the query image shows, in [0, 1].
    pub overlap: f32,
}

/// Response to an [`Update`](super::Update).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// Number of the operation in the backend's logs.
    pub log_id: u64,
}

/// Response to a [`Delete`](super::Delete).
#[derive(Debug)]
pub struct Deleted {
    /// One outcome per sign of the request, in its order; one outcome for an image.
    pub outcomes: Vec<Result<()>>,
    /// Numbers of the operations in the backend's logs.
    pub log_ids: Vec<u64>,
}

/// Size and capacity of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryStats {
    /// Random identity of the library, which a copy of its files keeps.
    pub id: String,
    /// Number of stored images.
    pub images: u64,
    /// Maximum number of images.
    pub capacity: u64,
    /// Size of the library's files in bytes.
    pub size_bytes: u64,
}

/// The record of one stored image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Sign of the image.
    pub cont_sign: ContSign,
    /// Brief stored with the image.
    pub brief: String,
    /// Tags stored with the image.
    pub tags: Vec<u16>,
    /// Width of the upright image in pixels.
    pub width: u32,
    /// Height of the upright image in pixels.
    pub height: u32,
    /// Size of the added file in bytes.
    pub size_bytes: u64,
    /// Time of the addition, in milliseconds since the Unix epoch.
    pub added_at_ms: u64,
    /// JPEG with sides of up to 256 pixels; empty in listings without thumbnails.
    pub thumbnail: Bytes,
    /// JPEG with larger sides, up to 1 MiB; empty where it was not asked for, and where none is
    /// stored.
    pub preview: Bytes,
}

/// Response to a [`List`](super::List): one page of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Records, in the order of the request.
    pub records: Vec<Record>,
    /// Token of the next page; empty on the last page.
    pub next_page_token: String,
    /// Number of images that the filter admits, on all pages; `None` when it would have to read
    /// every record.
    pub total: Option<u64>,
}

/// A tag of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagCount {
    /// The tag.
    pub tag: u16,
    /// Number of images that have it.
    pub images: u64,
}

/// Response to a [`DeleteByFilter`](super::DeleteByFilter).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedByFilter {
    /// Number of images that the filter admitted.
    pub matched: u64,
    /// Number of images that were deleted; 0 in a dry run.
    pub deleted: u64,
    /// Signs of the first images of a dry run, oldest first; up to 100.
    pub cont_signs: Vec<ContSign>,
    /// Number of the operation in the backend's logs.
    pub log_id: u64,
}

/// What the libraries of some backends can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Return its size, its records and its tags.
    List,
    /// Delete all images that a filter admits.
    DeleteByFilter,
    /// Return where images overlap.
    Geometry,
    /// Accept GIF, WebP and TIFF.
    MoreFormats,
    /// Searches and comparisons with a stored image, and comparisons.
    SearchBySign,
    /// The groups of same images.
    FindDuplicates,
    /// The previews of stored images.
    Preview,
}

// === impl Added ===

impl Added {
    /// Makes the result of an addition that was not asked for matches.
    pub fn new(cont_sign: ContSign, existed: bool, log_id: u64) -> Self {
        Added {
            cont_sign,
            existed,
            is_rejected: false,
            matches: Vec::new(),
            log_id,
        }
    }

    /// Returns the same result with the other stored images that are the same.
    #[must_use]
    pub fn with_matches(mut self, matches: Vec<Match>) -> Self {
        self.matches = matches;
        self
    }

    /// Returns the error of a rejected addition.
    pub fn rejection(&self) -> Option<Error> {
        self.is_rejected.then(|| {
            let score = self.matches.first().map_or(0.0, |best| best.score);
            let message = format!("the library has the same image with a score of {score:.2}");
            Error::new(Kind::SameImageExists, message).with_cont_sign(self.cont_sign.as_str())
        })
    }
}
