//! What all parts of a join share: its query, the images and the tables.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::engine::judge::Profile;
use crate::filter::{ImageFilter, Order};
use crate::identity::{ImageId, LibraryId};
use crate::index::JoinedIndex;
use crate::search_state::SearchState;
use crate::tags::TagFilter;

use super::hash_tables::HashTables;

/// Time that a step takes at least, unless its work ends: long enough to cost little by itself, and
/// short enough for a search to wait.
pub(super) const STEP: Duration = Duration::from_millis(20);

/// Selects the images that are compared with all images of the library.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DuplicateQuery {
    /// Only images with these tags. Default: all.
    pub filter: TagFilter,
    /// Only images added after this position. Default: all.
    pub after: Option<JoinCursor>,
    /// Only images added at this time or later, milliseconds since 1970-01-01 UTC. Default: all.
    pub added_since_ms: u64,
    /// Minimum score of a pair, 0 to 1 inclusive. Default 0.
    pub min_score: f32,
    /// How certain a pair must be. Default [`Profile::Balanced`].
    pub profile: Profile,
}

/// A position in a join: everything up to it was reported.
///
/// It remains valid while images are added and deleted, also over a restart. Its text form
/// (`Display`, `FromStr`) has no other guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinCursor {
    pub(super) library: LibraryId,
    pub(super) last: ImageId,
}

/// Why a join cannot begin.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The cursor belongs to another library.
    #[error("the cursor is of another library")]
    ForeignCursor,
    /// The score is out of range.
    #[error("`min_score` is out of range")]
    MinScore,
}

/// What all blocks of a join use.
pub(super) struct Plan {
    pub(super) library: LibraryId,
    /// The images to compare with all others, ascending.
    pub(super) queries: Vec<ImageId>,
    pub(super) index: JoinedIndex,
    pub(super) hashes: HashTables,
    pub(super) min_score: f32,
    pub(super) profile: Profile,
}

// === impl Plan ===

impl Plan {
    /// Plans a join of a checked query.
    pub(super) fn new(state: &SearchState, query: &DuplicateQuery) -> Self {
        let after = query.after.map(|after| after.last);
        let filter = ImageFilter {
            tags: query.filter.clone(),
            added_since_ms: query.added_since_ms,
            ..ImageFilter::default()
        };
        let (queries, hashes) = {
            let catalog = state.catalog();
            let queries = catalog.page(after, usize::MAX, &filter, Order::Oldest);
            (queries, catalog.hashes().collect())
        };
        Self {
            library: state.library_id(),
            queries,
            // After the catalog: an image has features in the index before it is in the catalog.
            index: state.index().joined(),
            hashes: HashTables::new(hashes),
            min_score: query.min_score,
            profile: query.profile,
        }
    }
}

// === impl JoinCursor ===

impl fmt::Display for JoinCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.library, self.last)
    }
}

/// A text that is no cursor.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a cursor of a join")]
pub struct InvalidCursor;

impl FromStr for JoinCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (library, last) = text.split_once('-').ok_or(InvalidCursor)?;
        Ok(Self {
            library: LibraryId::parse(library).ok_or(InvalidCursor)?,
            last: last.parse().map_err(|_| InvalidCursor)?,
        })
    }
}
