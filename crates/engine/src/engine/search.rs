//! One search: who is a candidate, how good it is, and which part of the order is asked for.
//!
//! Order of events: whole-image copies by PDQ → shared parts by the index → same bytes → the best
//! evidence an image → sorted → cut to the page → records read. Only the page's records are read
//! from the store.

use std::collections::HashMap;

use crate::catalog::ImageId;
use crate::geometry::Geometry;
use crate::identity::Sign;
use crate::index::SearchOptions;
use crate::memory::Memory;
use crate::pdq;
use crate::prepare::PreparedQuery;
use crate::store::{Snapshot, StoreError};
use crate::tags::TagFilter;

/// Results beyond this many are cut off (same_hq documentation, parameters `pn` and `rn`).
pub const MAX_RESULTS: usize = 1000;

/// What is asked of a search besides the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which images may be found. Default: all.
    pub filter: TagFilter,
    /// How many of the best matches to skip, 0 to 999. Default 0.
    pub offset: usize,
    /// How many matches to return at most, 1 to 1000. Default 300.
    pub limit: usize,
    /// The least score of a match, 0 to 1 inclusive. Default 0.
    pub min_score: f32,
}

/// The matches of one search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// Matches by falling score; equal ones in the order of adding.
    pub matches: Vec<Hit>,
    /// Whether more matches follow within the first [`MAX_RESULTS`].
    pub has_more: bool,
}

/// One stored image that is the same as the query.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The image's name.
    pub sign: Sign,
    /// How sure it is, in [0, 1], the largest of: 1 for the same bytes; 1 − d/124 for a whole copy at
    /// PDQ distance d (0.75 to 1); e/(e + 4) for a shared part with evidence e, a sum over its
    /// matching features (0.5 to below 1).
    pub score: f32,
    /// The text given by whoever added it.
    pub brief: String,
    /// Its tags.
    pub tags: Vec<u16>,
    /// Where the shared part lies; `None` when only the PDQ hashes tell that it is a copy.
    pub geometry: Option<Geometry>,
}

/// Why a search gave no response.
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

/// A match before its record is read.
#[derive(Clone, Copy, Debug)]
struct Candidate {
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

/// Answers a checked query. The snapshot must be older than this call, so that whatever the catalog
/// shows and the snapshot does not was added meanwhile.
pub(super) fn run(
    snapshot: &Snapshot,
    memory: &Memory,
    image: &PreparedQuery,
    query: &Query,
) -> Result<Response, StoreError> {
    let exact = snapshot.by_content(&image.content)?;
    let mut candidates = candidates(memory, exact, image, query);
    candidates.retain(|candidate| candidate.score >= query.min_score);
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    candidates.truncate(MAX_RESULTS);

    let end = candidates.len().min(query.offset + query.limit);
    let has_more = end < candidates.len();
    let page = candidates.get(query.offset..end).unwrap_or_default();
    Ok(Response {
        matches: hits(snapshot, page)?,
        has_more,
    })
}

/// Collects every image that any of the three ways finds, once.
fn candidates(
    memory: &Memory,
    exact: Option<ImageId>,
    image: &PreparedQuery,
    query: &Query,
) -> Vec<Candidate> {
    let mut found: HashMap<ImageId, Candidate> = HashMap::new();
    let mut add = |id, score, geometry: Option<Geometry>| {
        let unknown = Candidate {
            id,
            score,
            geometry,
        };
        let known = found.entry(id).or_insert(unknown);
        known.score = known.score.max(score);
        known.geometry = geometry.or(known.geometry);
    };
    if image.pdq_quality >= pdq::MIN_QUALITY {
        for near in memory.catalog().near(&image.pdq, &query.filter) {
            add(near.id, score(near.distance), None);
        }
    }
    for (id, score, geometry) in parts(memory, image, query) {
        add(id, score, Some(geometry));
    }
    if let Some(id) = exact.filter(|id| admitted(memory, *id, &query.filter)) {
        add(id, 1.0, Some(Geometry::WHOLE));
    }
    found.into_values().collect()
}

/// Finds the images that share a part with the query.
fn parts(memory: &Memory, image: &PreparedQuery, query: &Query) -> Vec<(ImageId, f32, Geometry)> {
    let options = SearchOptions {
        candidates: depth(query),
    };
    // The index knows numbers as u64; those of this library are u32.
    let number = |id: u64| ImageId::try_from(id).ok();
    // The catalog is locked for each question anew: a search may take long, and writers wait for it.
    let passes = |id| number(id).is_some_and(|id| admitted(memory, id, &query.filter));
    memory
        .index()
        .search(&image.features, &options, &passes)
        .iter()
        .filter_map(|part| {
            let geometry = Geometry::from(&part.alignment.overlap);
            Some((number(part.id)?, part.score, geometry))
        })
        .collect()
}

fn admitted(memory: &Memory, id: ImageId, filter: &TagFilter) -> bool {
    let tags = memory.catalog().tags(id);
    tags.is_some_and(|tags| filter.admits(tags))
}

/// Says how many images to compare closely: enough to fill the page and to know of more.
fn depth(query: &Query) -> usize {
    let shallow = SearchOptions::default().candidates;
    if query.offset + query.limit < shallow {
        shallow
    } else {
        MAX_RESULTS
    }
}

/// Maps a PDQ distance to a score: 124 is near the mean distance (128) of unrelated images.
fn score(distance: u32) -> f32 {
    1.0 - distance as f32 / 124.0
}

fn hits(snapshot: &Snapshot, page: &[Candidate]) -> Result<Vec<Hit>, StoreError> {
    let mut hits = Vec::with_capacity(page.len());
    for candidate in page {
        // Deleted or added while this search ran: not part of its response.
        let Some(record) = snapshot.record(candidate.id)? else {
            continue;
        };
        hits.push(Hit {
            sign: record.sign,
            score: candidate.score,
            tags: record.tags.to_vec(),
            brief: record.brief,
            geometry: candidate.geometry,
        });
    }
    Ok(hits)
}
