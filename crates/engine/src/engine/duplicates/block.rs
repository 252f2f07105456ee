//! One block of a join: its images, step by step, to their pairs.
//!
//! Order of events: describe each image of the block → read the cells of the index, part by part →
//! compare each image with its candidates. The memory of the votes is returned with the last step.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::identity::ImageId;
use crate::index::{Block, PARTS};
use crate::search_state::{self, SearchState};
use crate::store::{Snapshot, Store, StoreError};

use super::compare::{Comparer, OtherImage, Pair, Weak, readable};
use super::plan::{Plan, STEP};

/// Maximum number of candidates of an image by the index, and as many by its hash.
const MAX_CANDIDATES: usize = 96;
/// Maximum number of pairs that are looked for with one image as the newer one.
const MAX_PAIRS: usize = 64;
/// Number of pairs of an image in a block from which a further one is enough to connect its other
/// image: of a million copies of one image, each is then compared with one other.
const MANY_PAIRS: u32 = 64;

/// A part of a round, which one thread at a time works on.
pub struct JoinBlock {
    plan: Arc<Plan>,
    images: Range<usize>,
    stage: Stage,
    pairs: Vec<Pair>,
    /// Number of pairs of each image that was not the newer one.
    pairs_of: HashMap<ImageId, u32>,
}

/// What is done next.
enum Stage {
    Begin,
    Describe(Block, usize),
    Scan(Block, usize),
    Compare(Block, usize),
    Done,
}

// === impl JoinBlock ===

impl JoinBlock {
    pub(super) fn new(plan: &Arc<Plan>, images: Range<usize>) -> Self {
        Self {
            plan: Arc::clone(plan),
            images,
            stage: Stage::Begin,
            pairs: Vec::new(),
            pairs_of: HashMap::new(),
        }
    }

    /// Works for some ten milliseconds; returns whether anything is left to do.
    pub(in crate::engine) fn step(
        &mut self,
        store: &Store,
        state: &SearchState,
    ) -> Result<bool, StoreError> {
        let begin = Instant::now();
        store.read(|snapshot| {
            while begin.elapsed() < STEP && !matches!(self.stage, Stage::Done) {
                let stage = std::mem::replace(&mut self.stage, Stage::Done);
                self.stage = self.advance(stage, snapshot, state)?;
            }
            Ok(())
        })?;
        Ok(!matches!(self.stage, Stage::Done))
    }

    /// Returns the share of the work that is done, 0 to 1.
    pub fn progress(&self) -> f64 {
        let images = self.images.len().max(1) as f64;
        let (stages, share) = match &self.stage {
            Stage::Begin => (0.0, 0.0),
            Stage::Describe(_, image) => (0.0, *image as f64 / images),
            Stage::Scan(_, part) => (1.0, *part as f64 / PARTS as f64),
            Stage::Compare(_, image) => (2.0, *image as f64 / images),
            Stage::Done => (3.0, 0.0),
        };
        (stages + share) / 3.0
    }

    /// Returns the number of images of the block.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    pub(super) fn into_pairs(self) -> Vec<Pair> {
        self.pairs
    }

    fn advance(
        &mut self,
        stage: Stage,
        snapshot: &Snapshot,
        state: &SearchState,
    ) -> Result<Stage, StoreError> {
        let images = self.images.len();
        Ok(match stage {
            Stage::Begin => Stage::Describe(Block::new(self.plan.hashes.images()), 0),
            Stage::Describe(block, number) if number == images => Stage::Scan(block, 0),
            Stage::Describe(mut block, number) => {
                let id = self.id(number);
                let features = snapshot.features(id, |bytes| search_state::decode(id, bytes));
                if let Err(error) = &features {
                    tracing::warn!(%error, "an image is left out of a join");
                }
                let features = readable(features)?;
                block.push(u64::from(id), features.flatten().as_ref());
                Stage::Describe(block, number + 1)
            }
            Stage::Scan(block, PARTS) => Stage::Compare(block, 0),
            Stage::Scan(mut block, part) => {
                self.plan.index.scan(&mut block, part);
                Stage::Scan(block, part + 1)
            }
            Stage::Compare(_, number) if number == images => Stage::Done,
            Stage::Compare(mut block, number) => {
                self.compare(&mut block, number, snapshot, state)?;
                Stage::Compare(block, number + 1)
            }
            Stage::Done => Stage::Done,
        })
    }

    fn id(&self, number: usize) -> ImageId {
        self.plan.queries[self.images.start + number]
    }

    fn compare(
        &mut self,
        block: &mut Block,
        number: usize,
        snapshot: &Snapshot,
        state: &SearchState,
    ) -> Result<(), StoreError> {
        let id = self.id(number);
        let plan = &*self.plan;
        // Of two images that are both compared with all others, the newer one finds the pair.
        let admits = |other: ImageId| {
            let is_found_here = other < id || plan.queries.binary_search(&other).is_err();
            other != id && is_found_here && state.catalog().tags(other).is_some()
        };
        let mut candidates: Vec<OtherImage> = Vec::new();
        for (other, distance) in plan.hashes.near(id, MAX_CANDIDATES, admits) {
            candidates.push(OtherImage::by_hash(other, distance));
        }
        let is_admitted = |other| ImageId::try_from(other).is_ok_and(admits);
        let by_parts = plan
            .index
            .candidates(block, number, MAX_CANDIDATES, is_admitted);
        for found in by_parts {
            let Ok(other) = ImageId::try_from(found.id) else {
                continue;
            };
            match candidates.iter_mut().find(|known| known.id == other) {
                Some(known) => known.forms.push(found.form),
                None => candidates.push(OtherImage::by_part(other, found.form)),
            }
        }
        if candidates.is_empty() {
            return Ok(());
        }
        let Some(comparer) = Comparer::new(snapshot, id, plan.profile)? else {
            return Ok(());
        };
        let mut count = 0;
        let is_enough = |pair: &Pair| {
            if pair.score < plan.min_score {
                return false;
            }
            let of_other = self.pairs_of.entry(pair.b).or_insert(0);
            *of_other += 1;
            count += 1;
            count >= MAX_PAIRS || *of_other > MANY_PAIRS
        };
        let pairs = comparer.pairs(candidates, Weak::IfNone, is_enough)?;
        let pairs = pairs.into_iter();
        self.pairs
            .extend(pairs.filter(|pair| pair.score >= plan.min_score));
        Ok(())
    }
}

impl fmt::Debug for JoinBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "JoinBlock({:?}, {} pairs)",
            self.images,
            self.pairs.len()
        )
    }
}
