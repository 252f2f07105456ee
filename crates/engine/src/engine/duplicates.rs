//! Finds the groups of same images within a library, by a join.
//!
//! Order of events: the images to compare with all others (`plan`) → blocks of them (`block`) → the
//! candidates of each image, by the index (`index::join`) and by its hash (`hash_tables`) → compared
//! by their complete features and their thumbnails (`compare`) → pairs → groups (`group`). Blocks are
//! independent, so a caller runs as many at once as it has cores. Everything is done in steps of some
//! ten milliseconds, so that a caller can run other work in between, and stops by no longer calling.
//! A round of blocks ends with its groups, and a cursor to continue from; nothing is kept from round
//! to round.

mod block;
mod compare;
mod group;
mod hash_tables;
mod plan;

use std::fmt;
use std::sync::Arc;

use crate::index::MAX_BLOCK;
use crate::search_state::SearchState;

use plan::Plan;

pub use block::JoinBlock;
pub use group::{DuplicateGroup, DuplicatePair, OpenGroup};
pub use plan::{DuplicateQuery, InvalidCursor, JoinCursor, JoinError};

/// Blocks of a round, for that many cores.
const BLOCKS: usize = 4;
/// Maximum number of images in a round.
pub const MAX_ROUND: usize = BLOCKS * MAX_BLOCK;
/// Minimum number of images in a block: fewer take less time than a block costs by itself.
const MIN_BLOCK: usize = 256;

/// A join that has begun. Images that are added later are not joined; those that are deleted
/// meanwhile may be missing in its groups.
pub struct Join {
    plan: Arc<Plan>,
    next: usize,
}

/// Images of a join that are reported together.
pub struct Round {
    plan: Arc<Plan>,
    start: usize,
    end: usize,
}

/// Begins a join.
pub(super) fn join(state: &SearchState, query: &DuplicateQuery) -> Result<Join, JoinError> {
    let library = state.library_id();
    if query.after.is_some_and(|after| after.library != library) {
        return Err(JoinError::ForeignCursor);
    }
    if !(0.0..=1.0).contains(&query.min_score) {
        return Err(JoinError::MinScore);
    }
    Ok(Join {
        plan: Arc::new(Plan::new(state, query)),
        next: 0,
    })
}

// === impl Join ===

impl Join {
    /// Returns the number of images that are compared with all others.
    pub fn images(&self) -> usize {
        self.plan.queries.len()
    }

    /// Begins the next round with up to `images` of the next images, 1 to [`MAX_ROUND`]; `None`
    /// when all images were joined. A round is what is done again after an interruption; large rounds
    /// take less time in all, since the index is read once for each block.
    pub fn next_round(&mut self, images: usize) -> Option<Round> {
        let start = self.next;
        let end = self.images().min(start + images.clamp(1, MAX_ROUND));
        self.next = end;
        (start < end).then(|| Round {
            plan: Arc::clone(&self.plan),
            start,
            end,
        })
    }
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Join({} of {} images)", self.next, self.images())
    }
}

// === impl Round ===

impl Round {
    /// Returns the blocks of the round, four of them if it is large enough.
    pub fn blocks(&self) -> Vec<JoinBlock> {
        let images = self.end - self.start;
        let size = images.div_ceil(BLOCKS).max(MIN_BLOCK);
        (self.start..self.end)
            .step_by(size)
            .map(|start| JoinBlock::new(&self.plan, start..self.end.min(start + size)))
            .collect()
    }

    /// Groups the images of pairs, which all blocks of the round have found; in the order of their
    /// oldest images.
    pub fn groups(&self, blocks: Vec<JoinBlock>) -> Vec<OpenGroup> {
        let pairs = blocks.into_iter().flat_map(JoinBlock::into_pairs).collect();
        group::grouped(&self.plan, pairs)
    }

    /// Returns the number of images of the join up to the end of this round.
    pub fn done(&self) -> usize {
        self.end
    }

    /// Returns the position after this round.
    pub fn cursor(&self) -> JoinCursor {
        JoinCursor {
            library: self.plan.library,
            last: self.plan.queries[self.end - 1],
        }
    }
}

impl fmt::Debug for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Round({}..{})", self.start, self.end)
    }
}
