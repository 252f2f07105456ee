//! One search: collects matches, ranks them and returns one page.
//!
//! Order of events: whole-image copies by PDQ → shared parts by the index and the features of its
//! candidates, from the store → same bytes → the
//! highest score of each image → sort → cut to the page → read the records of the page from the
//! store.

use std::collections::HashMap;

use crate::features::Features;
use crate::geometry::Geometry;
use crate::identity::{ImageId, Sign};
use crate::index::{Images, SearchOptions};
use crate::pdq;
use crate::prepare::PreparedQuery;
use crate::search_state::{self, SearchState};
use crate::store::{Snapshot, StoreError};
use crate::tags::TagFilter;

/// Maximum number of results of a search (same_hq documentation, parameters `pn` and `rn`).
pub const MAX_RESULTS: usize = 1000;

/// The parameters of a search, besides the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The images that may be found. Default: all.
    pub filter: TagFilter,
    /// Number of best matches to skip, 0 to 999. Default 0.
    pub offset: usize,
    /// Maximum number of matches to return, 1 to 1000. Default 300.
    pub limit: usize,
    /// Minimum score of a match, 0 to 1 inclusive. Default 0.
    pub min_score: f32,
}

/// The matches of one search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// Matches by descending score; equal scores in the order of adding.
    pub matches: Vec<Hit>,
    /// Whether more matches follow within the first [`MAX_RESULTS`].
    pub has_more: bool,
}

/// One stored image that is the same as the query.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The public sign of the image.
    pub sign: Sign,
    /// The confidence in [0, 1], the maximum of: 1 for the same bytes; 1 − d/124 for a whole copy
    /// at PDQ distance d (0.75 to 1); e/(e + 4) for a shared part with evidence e, a sum over its
    /// matching features (0.5 to below 1).
    pub score: f32,
    /// The text that was added with it.
    pub brief: String,
    /// The tags of the image.
    pub tags: Vec<u16>,
    /// The position of the shared part; `None` when only the PDQ hashes match.
    pub geometry: Option<Geometry>,
}

/// Why a search failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A field of the query is out of range.
    #[error("`{field}` is out of range")]
    InvalidQuery {
        /// Name of the field in [`Query`].
        field: &'static str,
    },
    /// The library could not be read.
    #[error("the library could not be read")]
    Storage(#[from] StoreError),
}

/// A match whose record was not read yet.
#[derive(Clone, Copy, Debug)]
struct RankedImage {
    id: ImageId,
    score: f32,
    geometry: Option<Geometry>,
}

// === impl Query ===

impl Default for Query {
    fn default() -> Self {
        Self {
            filter: TagFilter::default(),
            offset: 0,
            limit: 300,
            min_score: 0.0,
        }
    }
}

pub(super) fn check(query: &Query) -> Result<(), SearchError> {
    let fields = [
        ("offset", query.offset < MAX_RESULTS),
        ("limit", (1..=MAX_RESULTS).contains(&query.limit)),
        ("min_score", (0.0..=1.0).contains(&query.min_score)),
    ];
    for (field, in_range) in fields {
        if !in_range {
            return Err(SearchError::InvalidQuery { field });
        }
    }
    Ok(())
}

/// Runs a checked query. The snapshot must be older than this call, so that an image that only the
/// catalog has was added meanwhile.
pub(super) fn run(
    snapshot: &Snapshot,
    state: &SearchState,
    image: &PreparedQuery,
    query: &Query,
) -> Result<Response, StoreError> {
    let exact = snapshot.by_content(&image.content)?.map(|(id, _)| id);
    let mut ranking = find_all(snapshot, state, exact, image, query)?;
    ranking.retain(|found| found.score >= query.min_score);
    ranking.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    ranking.truncate(MAX_RESULTS);

    let end = ranking.len().min(query.offset + query.limit);
    let page = ranking.get(query.offset..end).unwrap_or_default();
    Ok(Response {
        matches: hits(snapshot, page)?,
        has_more: end < ranking.len(),
    })
}

/// Collects the images that any of the three methods finds, each once.
fn find_all(
    snapshot: &Snapshot,
    state: &SearchState,
    exact: Option<ImageId>,
    image: &PreparedQuery,
    query: &Query,
) -> Result<Vec<RankedImage>, StoreError> {
    let mut found: HashMap<ImageId, RankedImage> = HashMap::new();
    let mut add = |id, score, geometry: Option<Geometry>| {
        let new = RankedImage {
            id,
            score,
            geometry,
        };
        let known = found.entry(id).or_insert(new);
        known.score = known.score.max(score);
        known.geometry = geometry.or(known.geometry);
    };
    if image.pdq_quality >= pdq::MIN_QUALITY {
        for copy in state.catalog().hash_matches(&image.pdq, &query.filter) {
            add(copy.id, hash_score(copy.distance), None);
        }
    }
    for (id, score, geometry) in find_parts(snapshot, state, image, query)? {
        add(id, score, Some(geometry));
    }
    if let Some(id) = exact.filter(|id| is_admitted(state, *id, &query.filter)) {
        add(id, 1.0, Some(Geometry::WHOLE));
    }
    Ok(found.into_values().collect())
}

/// Finds the images that share a part with the query.
fn find_parts(
    snapshot: &Snapshot,
    state: &SearchState,
    image: &PreparedQuery,
    query: &Query,
) -> Result<Vec<(ImageId, f32, Geometry)>, StoreError> {
    let options = SearchOptions {
        candidates: candidates(query),
    };
    let images = StoredImages {
        snapshot,
        state,
        filter: &query.filter,
    };
    let found = state.index().search(&image.features, &options, &images)?;
    let parts = found.iter().filter_map(|part| {
        let geometry = Geometry::from(&part.alignment.overlap);
        Some((number(part.id)?, part.score, geometry))
    });
    Ok(parts.collect())
}

/// Returns the image number of an id of the index, which are u64.
fn number(id: u64) -> Option<ImageId> {
    ImageId::try_from(id).ok()
}

/// The images that a search may find.
struct StoredImages<'a> {
    snapshot: &'a Snapshot,
    state: &'a SearchState,
    filter: &'a TagFilter,
}

impl Images for StoredImages<'_> {
    type Error = StoreError;

    /// Locks the catalog for this image only: a search can be long, and writers wait for the lock.
    fn admits(&self, id: u64) -> bool {
        number(id).is_some_and(|id| is_admitted(self.state, id, self.filter))
    }

    /// Returns no features of an image that was added after the snapshot: the store cannot return
    /// its record either.
    fn features(&self, id: u64) -> Result<Option<Features>, StoreError> {
        let Some(id) = number(id) else {
            return Ok(None);
        };
        let features = self
            .snapshot
            .features(id, |bytes| search_state::decode(id, bytes))?;
        Ok(features.flatten())
    }
}

fn is_admitted(state: &SearchState, id: ImageId, filter: &TagFilter) -> bool {
    let tags = state.catalog().tags(id);
    tags.is_some_and(|tags| filter.admits(tags))
}

/// Returns how many images to verify: enough to fill the page and to detect further matches.
fn candidates(query: &Query) -> usize {
    let shallow = SearchOptions::default().candidates;
    if query.offset + query.limit < shallow {
        shallow
    } else {
        MAX_RESULTS
    }
}

/// Maps a PDQ distance to a score: 124 is near the mean distance (128) of unrelated images.
fn hash_score(distance: u32) -> f32 {
    1.0 - distance as f32 / 124.0
}

fn hits(snapshot: &Snapshot, page: &[RankedImage]) -> Result<Vec<Hit>, StoreError> {
    let mut hits = Vec::with_capacity(page.len());
    for found in page {
        // The image was deleted or added during this search: it is not part of the result.
        let Some(record) = snapshot.record(found.id)? else {
            continue;
        };
        hits.push(Hit {
            sign: record.sign,
            score: found.score,
            tags: record.tags.to_vec(),
            brief: record.brief,
            geometry: found.geometry,
        });
    }
    Ok(hits)
}
