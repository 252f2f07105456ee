//! The inverted index: which images share features with a query, and how they lie in it.
//!
//! Parts: immutable segments (files) and one in-memory table for what is newer. A search collects
//! near postings of all parts (`votes`), verifies the geometry of the best images
//! (`crate::verify`) and scores them. The index is a cache: it knows ids, not records, and forgets
//! nothing by itself; deleted images are left out by the caller's filter.
//!
//! Concurrency: a search takes a list of the parts and then holds no lock but, one at a time and
//! for the reading of one list, those inside the table. So searches, adds and merges wait for each
//! other for microseconds, however long each takes.

#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers of images and cells are 32 bits wide in the format"
)]

mod lists;
mod mapped;
mod merge;
mod picture;
mod posting;
mod repeats;
mod segment;
mod table;
mod votes;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use crate::features::{Features, Place, QueryFeatures};
use crate::verify::{self, Alignment, Frame, Pair};

use picture::Image;
use posting::Posting;
use repeats::Repeats;
use table::Table;
use votes::Voted;

pub use merge::{Extent, Merge, Terms};
pub use segment::{Segment, SegmentError};

/// Answers which images have a feature in a cell; implemented by the table and by segments.
trait Postings {
    /// Returns the number of postings of a cell.
    fn length(&self, cell: u32) -> usize;
    /// Hands over the postings of a cell; `each` must be quick, the table is locked meanwhile.
    fn read(&self, cell: u32, each: &mut dyn FnMut(&[Posting]));
    /// Asks the memory for the beginning of a cell's postings, which will be read soon.
    fn touch(&self, cell: u32);
    /// Returns what is known of an image; `None` for a number that does not exist.
    fn image(&self, number: u32) -> Option<Image>;
    /// Returns the number of images.
    fn images(&self) -> u32;
}

/// An immutable part: a segment, or a table that waits to become one.
#[derive(Clone)]
enum Sealed {
    Table(Arc<Table>),
    Segment(Arc<Segment>),
}

type Part<'a> = &'a dyn Postings;

/// Holds the postings of a library; share it between threads as it is.
///
/// A segment is written in three steps: [`Index::plan_merge`], [`Merge::write`],
/// [`Index::replace`]; searches and adds go on meanwhile. One thread at a time may do that.
#[derive(Default)]
pub struct Index {
    state: RwLock<State>,
}

/// The parts at one moment. Cloned by whoever reads them.
#[derive(Clone, Default)]
struct State {
    /// Oldest first.
    sealed: Vec<Sealed>,
    table: Arc<Table>,
}

/// Says how thoroughly to search.
#[derive(Clone, Copy, Debug)]
pub struct SearchOptions {
    /// Images whose geometry is verified, at least 1; default 200. A deep page asks for 1000.
    pub candidates: usize,
}

/// Holds an image that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The id that was given to `insert`.
    pub id: u64,
    /// How sure the match is, in [0.5, 1).
    pub score: f32,
    /// How the images lie in each other.
    pub alignment: Alignment,
}

/// Evidence from which a match counts; also the evidence that gives a score of 0.5. Before repeats
/// were weighed down it was 5; of 307 queries with photos the strongest false match had 3.1.
const MIN_EVIDENCE: f32 = 4.0;
/// Matching features from which a match counts (engine design, section 2).
const MIN_INLIERS: u8 = 5;

/// Part of the features in the overlap that must be inliers: a copy, however bad, has 5 % and more,
/// as a rule a third; another photo of the same repeating facade has 1 to 3 % by chance.
const MIN_COVER: f32 = 0.04;
/// Scale of the finest features, as a part of the library image's longest side: 1.8 pixels of 640.
/// What is finer in the query cannot be matched.
const FINEST: f32 = 0.0028;

// === impl Index ===

impl Index {
    /// Makes an empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the images of a segment file.
    pub fn add_segment(&self, segment: Segment) {
        self.change(|state| state.sealed.push(Sealed::Segment(Arc::new(segment))));
    }

    /// Adds an image; the next search finds it.
    ///
    /// The same id may be there already with the same features (added, deleted, added again): it is
    /// found once.
    pub fn insert(&self, id: u64, features: &Features) {
        // Held to the end, so that a table that is sealed meanwhile is complete.
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.table.insert(id, features);
    }

    /// Returns the number of images that are in no segment yet.
    pub fn unsealed(&self) -> u64 {
        let state = self.state();
        let waiting = state.sealed.iter().filter(|part| part.segment().is_none());
        let waiting = waiting.map(|part| u64::from(part.postings().images()));
        u64::from(state.table.images()) + waiting.sum::<u64>()
    }

    /// Returns the number of all images; one that stands in two parts, or that was deleted since,
    /// counts in each.
    pub fn images(&self) -> u64 {
        let images = |part: Part<'_>| u64::from(part.images());
        self.state().parts().into_iter().map(images).sum()
    }

    /// Returns the size of all segment files in bytes.
    pub fn file_bytes(&self) -> u64 {
        let state = self.state();
        let segments = state.sealed.iter().filter_map(Sealed::segment);
        segments.map(Segment::size_bytes).sum()
    }

    /// Seals the table and names the parts that should become one segment; `None` when there is
    /// nothing to write.
    pub fn plan_merge(&self, extent: Extent) -> Option<Merge> {
        self.change(|state| {
            if state.table.images() > 0 {
                let table = std::mem::take(&mut state.table);
                state.sealed.push(Sealed::Table(table));
            }
            Merge::of(&state.sealed, extent)
        })
    }

    /// Puts a written segment in the place of what it was made of; returns the files that can be
    /// deleted.
    pub fn replace(&self, merge: &Merge, segment: Segment) -> Vec<PathBuf> {
        let merged = |part: &Sealed| merge.parts.iter().any(|other| other.is(part));
        self.change(|state| {
            let place = state.sealed.iter().position(merged);
            let place = place.unwrap_or(state.sealed.len());
            state.sealed.retain(|part| !merged(part));
            state
                .sealed
                .insert(place, Sealed::Segment(Arc::new(segment)));
        });
        let segments = merge.parts.iter().filter_map(Sealed::segment);
        segments.map(|segment| segment.path().to_owned()).collect()
    }

    /// Finds the images that share a part with the query, the surest first.
    ///
    /// `filter` says whether an image may be found (tags, deletions). When nothing is found, the
    /// query is tried again with its colours inverted. Cost: see `votes`; no input or output except
    /// page violations of segments.
    pub fn search(
        &self,
        query: &QueryFeatures,
        options: &SearchOptions,
        filter: &dyn Fn(u64) -> bool,
    ) -> Vec<Candidate> {
        let state = self.state();
        let plain = state.search(query, options, false, filter);
        if plain.is_empty() {
            return state.search(query, options, true, filter);
        }
        plain
    }

    fn state(&self) -> State {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        write!(
            f,
            "Index({} sealed parts, {} images in the table)",
            state.sealed.len(),
            state.table.images()
        )
    }
}

// === impl State ===

impl State {
    fn parts(&self) -> Vec<Part<'_>> {
        let sealed = self.sealed.iter().map(Sealed::postings);
        sealed.chain([&*self.table as Part<'_>]).collect()
    }

    fn search(
        &self,
        query: &QueryFeatures,
        options: &SearchOptions,
        inverted: bool,
        filter: &dyn Fn(u64) -> bool,
    ) -> Vec<Candidate> {
        let parts = self.parts();
        let matches = votes::matches(&parts, query, inverted, &votes::LIMITS);
        let passes = |voted: &Voted<'_>| {
            let image = parts[voted.part].image(voted.image);
            image.is_some_and(|image| filter(image.id))
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

// === impl Sealed ===

impl Sealed {
    fn postings(&self) -> Part<'_> {
        match self {
            Self::Table(table) => &**table,
            Self::Segment(segment) => &**segment,
        }
    }

    fn segment(&self) -> Option<&Segment> {
        match self {
            Self::Table(_) => None,
            Self::Segment(segment) => Some(segment),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Table(a), Self::Table(b)) => Arc::ptr_eq(a, b),
            (Self::Segment(a), Self::Segment(b)) => Arc::ptr_eq(a, b),
            (Self::Table(_), Self::Segment(_)) | (Self::Segment(_), Self::Table(_)) => false,
        }
    }
}

fn verified(
    part: Part<'_>,
    query: &QueryFeatures,
    voted: &Voted<'_>,
    inverted: bool,
) -> Option<Candidate> {
    let image = part.image(voted.image)?;
    let query_frame = Frame::new(query.width, query.height);
    let library_frame = Frame::new(u32::from(image.width), u32::from(image.height));
    let form = verify::Form {
        mirrored: voted.mirrored,
        inverted,
    };
    let matches = voted.nearest();
    let repeats = Repeats::of(&matches);
    let pairs = matches.iter().map(|found| Pair {
        feature: found.feature,
        distance: found.distance,
        query: form.place(
            query.features[usize::from(found.feature)].place,
            query_frame,
        ),
        library: found.place.unpack(),
        closeness: votes::closeness(found.distance) * repeats.weight(found),
    });
    let alignment = verify::align(&pairs.collect::<Vec<_>>(), query_frame, library_frame, form)?;
    let least = MIN_COVER * common(query, &alignment, image, library_frame);
    if alignment.evidence < MIN_EVIDENCE
        || (alignment.inliers as f32) < least.max(f32::from(MIN_INLIERS))
    {
        return None;
    }
    let score = alignment.evidence / (alignment.evidence + MIN_EVIDENCE);
    Some(Candidate {
        id: image.id,
        score,
        alignment,
    })
}

/// Returns how many features could be inliers: those of the query that fall into the library image
/// or, when they are fewer, those of the library image that fall into the query.
fn common(query: &QueryFeatures, alignment: &Alignment, image: Image, library: Frame) -> f32 {
    let growth = alignment.affine.determinant().abs().sqrt();
    let in_library = |place: &Place| {
        let (x, y) = alignment.affine.apply(place.x, place.y);
        let inside = (0.0..=library.width).contains(&x) && (0.0..=library.height).contains(&y);
        inside && place.sigma * growth >= FINEST
    };
    let features = query.features.iter();
    let of_query = features
        .filter(|feature| in_library(&feature.place))
        .count();
    // Where the library image's features lie is in no part of the index: taken as even.
    let of_library = f32::from(image.features) * alignment.overlap.of_library;
    of_library.min(of_query as f32)
}

// === impl SearchOptions ===

impl Default for SearchOptions {
    fn default() -> Self {
        Self { candidates: 200 }
    }
}

#[cfg(test)]
mod tests;
