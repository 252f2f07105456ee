//! The inverted index: finds the images that share features with a query, and their alignment.
//!
//! It is an LSM tree. The newest images are in a *memtable* ([`memtable`]); *segments*
//! ([`segment`]) are immutable files; *compaction* ([`merge`]) seals the memtable and merges it and
//! small segments into a new segment. All of them are the *components* of the index. A search
//! collects the votes of near postings in all components (`votes`), compares the complete features
//! of the best images, which the caller reads from the store (`comparison`), and verifies and scores
//! them (`verified`). The index is a cache: it stores ids and parts of features, no records, and a
//! delete does not change it. The caller's filter excludes deleted images.
//!
//! Concurrency: a search copies the list of components. Then it holds only one lock at a time,
//! inside the memtable, while it reads one posting list. Searches, adds and merges therefore delay
//! each other by microseconds, however long each of them runs.

#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers of images and cells are 32 bits wide in the format"
)]

mod burstiness;
mod comparison;
mod direct;
mod image_entry;
mod join;
mod lists;
mod mapped;
mod memtable;
mod merge;
mod posting;
mod posting_lists;
mod query_words;
mod sealed;
mod segment;
mod terms;
mod verified;
mod votes;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use crate::features::{Features, QueryFeatures};
use crate::verify::QueryForm;

use comparison::QueryTable;
use memtable::Memtable;
use posting_lists::PostingLists;
use sealed::Sealed;
use verified::MIN_INLIERS;
use votes::Candidate;

pub use direct::DirectQuery;
pub(crate) use join::{Block, Comparison, JoinedIndex, MAX_BLOCK, PARTS};
pub use merge::{Merge, MergeOptions, MergeScope};
pub(crate) use query_words::QueryWords;
pub use segment::{Segment, SegmentError};
pub use terms::Term;
pub(crate) use terms::{FormWords, MAX_COMPARISONS};
pub use verified::VerifiedMatch;

/// A search with inverted colours verifies one of this many candidates: a copy is inverted as a
/// whole, so it has many votes, and most searches that get here have no match.
const INVERTED_PART: usize = 4;

/// The postings of a library. All methods may be called from any thread.
///
/// A merge has three steps: [`Index::plan_merge`], [`Merge::write`], [`Index::replace`]. Searches
/// and adds continue meanwhile. Only one thread at a time may merge.
#[derive(Default)]
pub struct Index {
    components: RwLock<Components>,
}

/// The components at one moment. Readers clone it.
#[derive(Clone, Default)]
struct Components {
    /// Oldest first.
    sealed: Vec<Sealed>,
    memtable: Arc<Memtable>,
}

/// The images that a search may find, by the ids that were passed to [`Index::insert`].
pub trait Images {
    /// Why features cannot be read.
    type Error;

    /// Returns whether an image may be found (tags, deletions).
    fn admits(&self, id: u64) -> bool;

    /// Returns the features of an image, those that were inserted; `None` when the image was
    /// deleted meanwhile.
    ///
    /// # Errors
    ///
    /// When they cannot be read: the search ends with this error.
    fn features(&self, id: u64) -> Result<Option<Features>, Self::Error>;
}

/// How many images a search verifies.
#[derive(Clone, Copy, Debug)]
pub struct SearchOptions {
    /// Number of images whose geometry is verified, 1 or more; default 200, for deep pages 1000.
    pub candidates: usize,
    /// Whether images with too little evidence for a match are returned too, after the matches and
    /// flagged; default false.
    pub with_weak: bool,
}

// === impl Index ===

impl Index {
    /// Makes an empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the images of a segment file.
    pub fn add_segment(&self, segment: Segment) {
        let segment = Sealed::Segment(Arc::new(segment));
        self.change(|components| components.sealed.push(segment));
    }

    /// Adds an image; the next search finds it.
    ///
    /// The same id may be inserted again with the same features (added, deleted, added again). A
    /// search returns it once.
    pub fn insert(&self, id: u64, features: &Features) {
        // The lock is held to the end, so that a memtable is complete when it is sealed.
        let components = self
            .components
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        components.memtable.insert(id, features);
    }

    /// Returns the number of images that are in no segment yet.
    pub fn unsealed(&self) -> u64 {
        let components = self.components();
        let sealed: u64 = components
            .sealed
            .iter()
            .filter(|component| component.segment().is_none())
            .map(|memtable| u64::from(memtable.postings().images()))
            .sum();
        sealed + u64::from(components.memtable.images())
    }

    /// Returns the number of all images. Deleted ones count too, and one that is in two components
    /// counts twice.
    pub fn images(&self) -> u64 {
        self.components()
            .all()
            .into_iter()
            .map(|component| u64::from(component.images()))
            .sum()
    }

    /// Returns the size of all segment files in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.components()
            .sealed
            .iter()
            .filter_map(Sealed::segment)
            .map(Segment::size_bytes)
            .sum()
    }

    /// Seals the memtable and selects the components to merge; `None` when there is nothing to
    /// write.
    pub fn plan_merge(&self, scope: MergeScope) -> Option<Merge> {
        self.change(|components| {
            if components.memtable.images() > 0 {
                let memtable = std::mem::take(&mut components.memtable);
                components.sealed.push(Sealed::Memtable(memtable));
            }
            Merge::of(&components.sealed, scope)
        })
    }

    /// Replaces the merged components by the written segment; returns the files that can be
    /// deleted.
    pub fn replace(&self, merge: &Merge, segment: Segment) -> Vec<PathBuf> {
        let merged = |component: &Sealed| merge.components.iter().any(|it| it.is(component));
        self.change(|Components { sealed, .. }| {
            let position = sealed.iter().position(merged).unwrap_or(sealed.len());
            sealed.retain(|component| !merged(component));
            sealed.insert(position, Sealed::Segment(Arc::new(segment)));
        });
        merge
            .components
            .iter()
            .filter_map(Sealed::segment)
            .map(|segment| segment.path().to_owned())
            .collect()
    }

    /// Finds the images that share a part with the query, by descending score.
    ///
    /// `images` tells which images may be found, and has their features. When no match is found, the
    /// query is searched again with inverted colours. Cost: see `votes`; the features of up to
    /// [`SearchOptions::candidates`] images are read, of a quarter more if the first time finds
    /// nothing; else no input or output except page faults of segments.
    ///
    /// # Errors
    ///
    /// Those of [`Images::features`].
    pub fn search<I: Images>(
        &self,
        query: &QueryFeatures,
        options: &SearchOptions,
        images: &I,
    ) -> Result<Vec<VerifiedMatch>, I::Error> {
        let components = self.components();
        let mut found = components.search(query, options, false, images)?;
        if found.iter().all(|found| found.is_weak) {
            let options = SearchOptions {
                candidates: options.candidates.div_ceil(INVERTED_PART),
                ..*options
            };
            found.extend(components.search(query, &options, true, images)?);
            found = best_of_each(found);
        }
        Ok(found)
    }

    /// Begins a join over the images that are in the index now.
    pub(crate) fn joined(&self) -> JoinedIndex {
        let Components { sealed, memtable } = self.components();
        JoinedIndex::new(sealed, memtable)
    }

    fn components(&self) -> Components {
        self.components
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Components) -> T) -> T {
        change(
            &mut self
                .components
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let components = self.components();
        write!(
            f,
            "Index({} sealed components, {} images in the memtable)",
            components.sealed.len(),
            components.memtable.images()
        )
    }
}

// === impl Components ===

impl Components {
    fn all(&self) -> Vec<&dyn PostingLists> {
        self.sealed
            .iter()
            .map(Sealed::postings)
            .chain([&*self.memtable as &dyn PostingLists])
            .collect()
    }

    fn search<I: Images>(
        &self,
        query: &QueryFeatures,
        options: &SearchOptions,
        inverted: bool,
        images: &I,
    ) -> Result<Vec<VerifiedMatch>, I::Error> {
        let components = self.all();
        let words = QueryWords::new(query, inverted);
        let id = |candidate: &Candidate| {
            let image = components[candidate.component].image(candidate.image);
            image.map(|image| image.id)
        };
        let passes = |candidate: &Candidate| id(candidate).is_some_and(|id| images.admits(id));
        let limit = options.candidates;
        let candidates = votes::candidates(&components, &words, &votes::LIMITS, limit, passes);

        let table = QueryTable::new(&words);
        let mut found = Vec::new();
        let mut comparisons = 0;
        for candidate in candidates {
            let Some(id) = id(&candidate) else { continue };
            let Some(image) = images.features(id)? else {
                continue;
            };
            let (matches, compared) = table.matches(&image, candidate.mirrored);
            if matches.len() >= usize::from(MIN_INLIERS) {
                let form = QueryForm {
                    mirrored: candidate.mirrored,
                    inverted,
                };
                found.extend(verified::verified(id, &image, query, &matches, form));
            }
            comparisons += compared;
            if comparisons > votes::LIMITS.max_comparisons {
                break;
            }
        }
        found.retain(|found| options.with_weak || !found.is_weak);
        Ok(best_of_each(found))
    }
}

/// Sorts by descending score, matches before weak ones, and keeps the first of each image.
pub(crate) fn best_of_each(mut found: Vec<VerifiedMatch>) -> Vec<VerifiedMatch> {
    found.sort_by(|a, b| {
        let weakness = a.is_weak.cmp(&b.is_weak);
        weakness
            .then(b.score.total_cmp(&a.score))
            .then(a.id.cmp(&b.id))
    });
    let mut seen = HashSet::new();
    found.retain(|verified| seen.insert(verified.id));
    found
}

// === impl SearchOptions ===

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            candidates: 200,
            with_weak: false,
        }
    }
}

#[cfg(test)]
mod tests;
