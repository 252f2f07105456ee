//! The join of the index with itself: the pairs of images that may share a part.
//!
//! A search looks up one image; a join looks up a block of them at once. Order of events: the words
//! of every image of the block, plain, mirrored and inverted (`probes`) → the probes in the order of
//! their cells → each posting list is read once, and its near postings vote for pairs (`tally`) → the
//! images with the most votes are the candidates of each image of the block. Memory is bounded by the
//! block, not by the library; a library larger than a block is read once for each block. The caller
//! compares the candidates by their complete features ([`Comparison`]).

mod comparison;
mod probes;
mod tally;

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::features::Features;
use crate::verify::QueryForm;

use super::memtable::Memtable;
use super::posting::{self, Posting};
use super::posting_lists::PostingLists;
use super::sealed::Sealed;
use super::votes::for_each_near;

use probes::{Probe, Probes};
use tally::{PairKey, Tally};

pub(crate) use comparison::Comparison;
pub(crate) use probes::{MAX_BLOCK, PARTS};

/// Maximum Hamming distance between the codes of a posting and a probe, in bits of 32. A search
/// admits 10 in a part of the list; here the whole list is compared.
const MAX_CODE_DISTANCE: u32 = 8;
/// Length of a list from which only the run of a probe is read: ten times the usual list of a
/// million images.
const MAX_LIST: usize = 4096;
/// Maximum number of near postings of a probe in one cell, the oldest images first: this many
/// together for all probes of the block, in these bounds for each. Of many images that share a logo,
/// each is compared with the oldest, which is enough to find the group.
const MAX_NEAR: usize = 1 << 17;
const NEAR_PER_PROBE: RangeInclusive<usize> = 8..=512;
/// Maximum number of components, which a [`PairKey`] can number; LSM trees have a dozen.
const MAX_COMPONENTS: usize = 256;

/// The components of the index when a join began: what is added later is not joined.
pub(crate) struct JoinedIndex {
    sealed: Vec<Sealed>,
    memtable: Arc<Memtable>,
}

/// One block of images, while it is joined with all images.
pub(crate) struct Block {
    ids: Vec<u64>,
    probes: Probes,
    tally: Tally,
}

/// An image that may share a part with one of the block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PairCandidate {
    /// The id of the other image.
    pub(crate) id: u64,
    /// The form of the block's image.
    pub(crate) form: QueryForm,
    /// Number of cells in which they have near features.
    pub(crate) votes: u32,
}

// === impl JoinedIndex ===

impl JoinedIndex {
    pub(super) fn new(sealed: Vec<Sealed>, memtable: Arc<Memtable>) -> Self {
        Self { sealed, memtable }
    }

    /// Reads one part of the cells, of [`PARTS`], for all probes of a block.
    pub(crate) fn scan(&self, block: &mut Block, part: usize) {
        let probes = block.probes.take_part(part);
        let mut near = Vec::new();
        for (number, component) in (0..).zip(self.components()).take(MAX_COMPONENTS) {
            for probes in probes.chunk_by(|a, b| a.cell == b.cell) {
                near.clear();
                let limit =
                    (MAX_NEAR / probes.len()).clamp(*NEAR_PER_PROBE.start(), *NEAR_PER_PROBE.end());
                component.read(probes[0].cell, &mut |list| {
                    for probe in probes {
                        collect_near(list, probe, number, limit, &mut near);
                    }
                });
                // One vote for a pair in a cell, however often its texture repeats in both images.
                near.sort_unstable();
                near.dedup();
                for pair in &near {
                    block.tally.vote(*pair);
                }
            }
        }
    }

    /// Returns the candidates of the image with a number in the block, the best first, up to
    /// `limit` of those that `admits` admits.
    pub(crate) fn candidates(
        &self,
        block: &mut Block,
        number: usize,
        limit: usize,
        admits: impl Fn(u64) -> bool,
    ) -> Vec<PairCandidate> {
        let components = self.components();
        let own = block.ids[number];
        let mut candidates = Vec::new();
        for (pair, votes) in block.tally.of_query(number) {
            let image = components
                .get(pair.component())
                .and_then(|component| component.image(pair.image()));
            candidates.extend(image.map(|image| PairCandidate {
                id: image.id,
                form: pair.form(),
                votes,
            }));
        }
        candidates.sort_unstable_by_key(|found| (std::cmp::Reverse(found.votes), found.id));
        candidates.retain(|found| found.id != own);
        let admitted = candidates.into_iter().filter(|found| admits(found.id));
        admitted.take(limit).collect()
    }

    fn components(&self) -> Vec<&dyn PostingLists> {
        let sealed = self.sealed.iter().map(Sealed::postings);
        let memtable: &dyn PostingLists = &*self.memtable;
        sealed.chain([memtable]).collect()
    }
}

/// Appends the pairs of a probe and the near postings of its cell, up to `limit`.
fn collect_near(
    list: &[Posting],
    probe: &Probe,
    component: usize,
    limit: usize,
    near: &mut Vec<PairKey>,
) {
    let list = if list.len() > MAX_LIST {
        posting::of_run(list, posting::run_of(probe.code))
    } else {
        list
    };
    let end = near.len() + limit;
    for_each_near(list, probe.code, MAX_CODE_DISTANCE, &mut |posting, _| {
        near.push(PairKey::new(probe, component, posting::image(posting)));
        near.len() < end
    });
}

// === impl Block ===

impl Block {
    /// Makes a block for up to [`MAX_BLOCK`] images of a library of `images`.
    pub(crate) fn new(images: usize) -> Self {
        Self {
            ids: Vec::new(),
            probes: Probes::default(),
            tally: Tally::new(images),
        }
    }

    /// Adds an image to the block; one without features has no candidates.
    pub(crate) fn push(&mut self, id: u64, features: Option<&Features>) {
        if let Some(features) = features {
            self.probes.add(self.ids.len(), features);
        }
        self.ids.push(id);
    }
}

#[cfg(test)]
mod tests;
