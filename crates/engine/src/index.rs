//! The inverted index: which pictures share features with a query, and how they lie in it.
//!
//! Parts: immutable segments (files) and one in-memory table for what is newer. A search collects
//! near postings of all parts (`votes`), verifies the geometry of the best pictures
//! (`crate::verify`) and scores them. The index is a cache: it knows ids, not records, and forgets
//! nothing by itself; deleted pictures are left out by the caller's filter.

#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers of pictures and cells are 32 bits wide in the format"
)]

mod mapped;
mod merge;
mod picture;
mod posting;
mod segment;
mod table;
mod votes;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::features::{Features, QueryFeatures};
use crate::verify::{self, Alignment, Frame, Pair};

use picture::Picture;
use posting::Posting;
use table::Table;
use votes::Voted;

pub use merge::Merge;
pub use segment::{Segment, SegmentError};

/// Answers which pictures have a feature in a cell; implemented by the table and by segments.
trait Postings {
    /// Returns the postings of a cell, empty when there are none.
    fn list(&self, cell: u32) -> &[Posting];
    /// Returns what is known of a picture; `None` for a number that does not exist.
    fn picture(&self, number: u32) -> Option<Picture>;
    /// Returns the number of pictures.
    fn pictures(&self) -> u32;
}

/// An immutable part: a segment, or a table that waits to become one.
enum Sealed {
    Table(Table),
    Segment(Segment),
}

type Part<'a> = &'a dyn Postings;

/// Holds the postings of a library.
///
/// Searching needs `&self`, adding `&mut self`: put it behind a lock that many readers may hold.
/// Writing a segment needs neither: [`Index::plan_merge`] under the lock, [`Merge::write`] without,
/// [`Index::replace`] under it again.
pub struct Index {
    /// Oldest first.
    sealed: Vec<Arc<Sealed>>,
    table: Table,
}

/// Says how thoroughly to search.
#[derive(Clone, Copy, Debug)]
pub struct SearchOptions {
    /// Pictures whose geometry is verified, at least 1; default 200. A deep page asks for 1000.
    pub candidates: usize,
}

/// Holds a picture that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The id that was given to `insert`.
    pub id: u64,
    /// How sure the match is, in [0.5, 1).
    pub score: f32,
    /// How the pictures lie in each other.
    pub alignment: Alignment,
}

/// Evidence from which a match counts (engine design, section 2); also the evidence that gives a
/// score of 0.5.
const LEAST_EVIDENCE: f32 = 5.0;
/// Matching features from which a match counts (engine design, section 2).
const LEAST_INLIERS: usize = 5;

// === impl Index ===

impl Index {
    /// Makes an empty index.
    pub fn new() -> Self {
        Self {
            sealed: Vec::new(),
            table: Table::new(),
        }
    }

    /// Adds the pictures of a segment file.
    pub fn add_segment(&mut self, segment: Segment) {
        self.sealed.push(Arc::new(Sealed::Segment(segment)));
    }

    /// Adds a picture; the next search finds it.
    ///
    /// The same id may be there already with the same features (added, deleted, added again): it is
    /// found once.
    pub fn insert(&mut self, id: u64, features: &Features) {
        self.table.insert(id, features);
    }

    /// Returns the number of pictures that are in no segment yet.
    pub fn unsealed(&self) -> u32 {
        let waiting = self
            .sealed
            .iter()
            .filter(|part| matches!(***part, Sealed::Table(_)));
        self.table.pictures() + waiting.map(|part| part.pictures()).sum::<u32>()
    }

    /// Seals the table and names the parts that should become one segment.
    ///
    /// Takes the newest part and every older one that is at most twice as large as all newer ones
    /// together, so that the number of segments grows with the logarithm of the library, and each
    /// posting is rewritten as often.
    ///
    /// Returns `None` when there is nothing to write.
    pub fn plan_merge(&mut self) -> Option<Merge> {
        if self.table.pictures() > 0 {
            self.sealed.push(Arc::new(Sealed::Table(std::mem::replace(
                &mut self.table,
                Table::new(),
            ))));
        }
        let mut parts: Vec<Arc<Sealed>> = Vec::new();
        let mut together = 0;
        for part in self.sealed.iter().rev() {
            let is_segment = matches!(**part, Sealed::Segment(_));
            if is_segment && u64::from(part.pictures()) > 2 * together {
                break;
            }
            together += u64::from(part.pictures());
            parts.insert(0, Arc::clone(part));
        }
        (!parts.is_empty()).then_some(Merge { parts })
    }

    /// Puts a written segment in the place of what it was made of; returns the files that can be
    /// deleted.
    pub fn replace(&mut self, merge: &Merge, segment: Segment) -> Vec<PathBuf> {
        let merged = |part: &Arc<Sealed>| merge.parts.iter().any(|other| Arc::ptr_eq(part, other));
        let place = self
            .sealed
            .iter()
            .position(merged)
            .unwrap_or(self.sealed.len());
        self.sealed.retain(|part| !merged(part));
        self.sealed.insert(
            place.min(self.sealed.len()),
            Arc::new(Sealed::Segment(segment)),
        );
        let files = merge.parts.iter().filter_map(|part| match &**part {
            Sealed::Segment(segment) => Some(segment.path().to_owned()),
            Sealed::Table(_) => None,
        });
        files.collect()
    }

    /// Finds the pictures that share a part with the query, the surest first.
    ///
    /// `filter` says whether a picture may be found (tags, deletions). When nothing is found, the
    /// query is tried again with its colours inverted. Cost: see the module; no locks, no input or
    /// output except page faults of segments.
    pub fn search(
        &self,
        query: &QueryFeatures,
        options: &SearchOptions,
        filter: &dyn Fn(u64) -> bool,
    ) -> Vec<Candidate> {
        let plain = self.search_form(query, options, false, filter);
        if plain.is_empty() {
            return self.search_form(query, options, true, filter);
        }
        plain
    }

    fn search_form(
        &self,
        query: &QueryFeatures,
        options: &SearchOptions,
        inverted: bool,
        filter: &dyn Fn(u64) -> bool,
    ) -> Vec<Candidate> {
        let sealed = self.sealed.iter().map(|part| part.postings());
        let parts: Vec<Part<'_>> = sealed.chain([&self.table as Part<'_>]).collect();
        let matches = votes::matches(&parts, query, inverted, &votes::LIMITS);
        let passes = |voted: &Voted<'_>| {
            let picture = parts[voted.part].picture(voted.picture);
            picture.is_some_and(|picture| filter(picture.id))
        };
        let mut found: Vec<Candidate> = votes::best(&matches, options.candidates, passes)
            .iter()
            .filter_map(|voted| verified(parts[voted.part], query, voted, inverted))
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        let mut seen = HashSet::new();
        found.retain(|candidate| seen.insert(candidate.id));
        found
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Index({} sealed parts, {} pictures in the table)",
            self.sealed.len(),
            self.table.pictures()
        )
    }
}

// === impl Sealed ===

impl Sealed {
    fn postings(&self) -> Part<'_> {
        match self {
            Self::Table(table) => table,
            Self::Segment(segment) => segment,
        }
    }

    fn list(&self, cell: u32) -> &[Posting] {
        self.postings().list(cell)
    }

    fn picture(&self, number: u32) -> Option<Picture> {
        self.postings().picture(number)
    }

    fn pictures(&self) -> u32 {
        self.postings().pictures()
    }
}

fn verified(
    part: Part<'_>,
    query: &QueryFeatures,
    voted: &Voted<'_>,
    inverted: bool,
) -> Option<Candidate> {
    let picture = part.picture(voted.picture)?;
    let query_frame = Frame::new(query.width, query.height);
    let library_frame = Frame::new(u32::from(picture.width), u32::from(picture.height));
    let form = verify::Form {
        mirrored: voted.mirrored,
        inverted,
    };
    let pairs = voted.matches.iter().map(|found| Pair {
        feature: found.feature,
        distance: found.distance,
        query: form.place(
            query.features[usize::from(found.feature)].place,
            query_frame,
        ),
        library: found.place.unpack(),
        closeness: votes::closeness(found.distance),
    });
    let alignment = verify::align(&pairs.collect::<Vec<_>>(), query_frame, library_frame, form)?;
    if alignment.evidence < LEAST_EVIDENCE || alignment.inliers < LEAST_INLIERS {
        return None;
    }
    let score = alignment.evidence / (alignment.evidence + LEAST_EVIDENCE);
    Some(Candidate {
        id: picture.id,
        score,
        alignment,
    })
}

// === impl SearchOptions ===

impl Default for SearchOptions {
    fn default() -> Self {
        Self { candidates: 200 }
    }
}

#[cfg(test)]
mod tests;
