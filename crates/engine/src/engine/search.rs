//! One search: collects candidates, ranks those that are matches and returns one page.
//!
//! Order of events: whole-image copies by PDQ → shared parts by the index and the features of its
//! candidates, from the store → same bytes → the pixels of the best candidates (`ranking`, `judge`)
//! → cut to the page → read the records of the page from the store.

use std::collections::HashMap;

use crate::features::Features;
use crate::geometry::Geometry;
use crate::identity::{ImageId, Sign};
use crate::index::{Images, SearchOptions, VerifiedMatch};
use crate::pdq;
use crate::prepare::PreparedQuery;
use crate::search_state::{self, SearchState};
use crate::store::{Snapshot, StoreError};
use crate::tags::TagFilter;

use super::candidate::{Candidate, RankedImage};
use super::judge::{Judge, Profile};
use super::ranking;

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
    /// How certain a match must be. Default [`Profile::Balanced`].
    pub profile: Profile,
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
    /// at PDQ distance d (0.75 to 1); for a shared part the minimum of e/(e + 4) with evidence e, a
    /// sum over its matching features, and of the probability that its pixels give. 0.5 or more
    /// unless the profile is [`Profile::Loose`].
    pub score: f32,
    /// The text that was added with it.
    pub brief: String,
    /// The tags of the image.
    pub tags: Vec<u16>,
    /// The position of the shared part; `None` when only the PDQ hashes match.
    pub geometry: Option<Geometry>,
    /// How well the pixels of the shared part agree, in [0, 1]: the mean correlation of its cells;
    /// 1 for the same bytes. `None` when only the PDQ hashes match, and for a part that was not
    /// compared.
    pub agreement: Option<f32>,
    /// Fraction of the stored image's area whose pixels agree with the query, in [0, 1]. `None`
    /// where `agreement` is.
    pub coverage: Option<f32>,
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

// === impl Query ===

impl Default for Query {
    fn default() -> Self {
        Self {
            filter: TagFilter::default(),
            offset: 0,
            limit: 300,
            min_score: 0.0,
            profile: Profile::default(),
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
    let (candidates, weak) = find_all(snapshot, state, exact, image, query)?;
    let mut judge = Judge::new(snapshot, image, query.profile);
    let end = query.offset + query.limit;
    let mut ranking = ranking::rank(candidates, end + 1, query.min_score, &mut judge)?;
    if ranking.is_empty() && query.profile != Profile::Loose {
        ranking = ranking::rank_weak(weak, query.min_score, &mut judge)?;
    }
    ranking.truncate(MAX_RESULTS);

    let end = ranking.len().min(end);
    let page = ranking.get(query.offset..end).unwrap_or_default();
    Ok(Response {
        matches: hits(snapshot, page)?,
        has_more: end < ranking.len(),
    })
}

/// Collects the images that any of the three methods finds, each once, and those that share too
/// little for a match.
fn find_all(
    snapshot: &Snapshot,
    state: &SearchState,
    exact: Option<ImageId>,
    image: &PreparedQuery,
    query: &Query,
) -> Result<(Vec<Candidate>, Vec<Candidate>), StoreError> {
    let mut found: HashMap<ImageId, Candidate> = HashMap::new();
    if image.pdq_quality >= pdq::MIN_QUALITY {
        for copy in state.catalog().hash_matches(&image.pdq, &query.filter) {
            entry(&mut found, copy.id).hash = Some(copy.distance);
        }
    }
    for (id, part) in find_parts(snapshot, state, image, query)? {
        entry(&mut found, id).part = Some(part);
    }
    if let Some(id) = exact.filter(|id| is_admitted(state, *id, &query.filter)) {
        entry(&mut found, id).is_exact = true;
    }
    Ok(found.into_values().partition(Candidate::has_evidence))
}

fn entry(found: &mut HashMap<ImageId, Candidate>, id: ImageId) -> &mut Candidate {
    found.entry(id).or_insert_with(|| Candidate::new(id))
}

/// Finds the images that share a part with the query.
fn find_parts(
    snapshot: &Snapshot,
    state: &SearchState,
    image: &PreparedQuery,
    query: &Query,
) -> Result<Vec<(ImageId, VerifiedMatch)>, StoreError> {
    let options = SearchOptions {
        candidates: candidates(query),
        with_weak: true,
    };
    let images = StoredImages {
        snapshot,
        state,
        filter: &query.filter,
    };
    let found = state.index().search(&image.features, &options, &images)?;
    let numbered = found.into_iter();
    Ok(numbered
        .filter_map(|part| Some((number(part.id)?, part)))
        .collect())
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
            agreement: found.agreement,
            coverage: found.coverage,
        });
    }
    Ok(hits)
}
