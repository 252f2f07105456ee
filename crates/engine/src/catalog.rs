//! What a search needs of every image, in memory: its number, PDQ hash and tags.
//!
//! A copy of what the store holds, rebuilt from it at open and changed only after a commit, so it
//! never shows an image that a crash could take back. Images stand in the order of their
//! numbers, which is the order of adding. Words of the hashes lie in columns: the scan reads two of
//! the four for nearly all images. Memory: 41 bytes an image.

use multiversion::multiversion;

use crate::pdq::{self, Hash};
use crate::tags::{TagFilter, Tags};

/// The number of an image inside one library; never used again after a delete.
pub(crate) type ImageId = u32;

/// How many images are compared at a time, so that their distances stay in the first-level cache.
const BLOCK: usize = 256;

/// Below this many dead rows compaction is not worth moving the rest.
const MIN_DEAD: usize = 1024;

/// One image as the catalog knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: ImageId,
    pub(crate) hash: Hash,
    pub(crate) quality: u8,
    pub(crate) tags: Tags,
}

/// A committed change to carry over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Add(Entry),
    Tag(ImageId, Tags),
    Remove(ImageId),
}

/// An image that looks like the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Near {
    pub(crate) id: ImageId,
    /// Differing bits to the nearest of the query's eight hashes, at most [`pdq::MAX_DISTANCE`].
    pub(crate) distance: u32,
}

/// All images of one library.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// Ascending.
    ids: Vec<ImageId>,
    words: [Vec<u64>; 4],
    tags: Vec<Tags>,
    states: Vec<State>,
    dead: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Dead,
    /// Live, but its hash says nothing: found by its exact bytes only.
    Plain,
    Live,
}

// === impl Catalog ===

impl Catalog {
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Add(entry) => self.add(entry),
            Change::Tag(id, tags) => {
                if let Some(row) = self.row(id) {
                    self.tags[row] = tags;
                }
            }
            Change::Remove(id) => {
                if let Some(row) = self.row(id) {
                    self.states[row] = State::Dead;
                    self.dead += 1;
                }
                if self.dead > MIN_DEAD && self.dead > self.ids.len() / 2 {
                    self.compact();
                }
            }
        }
    }

    /// Returns the tags of an image, `None` when it is not here.
    pub(crate) fn tags(&self, id: ImageId) -> Option<Tags> {
        self.row(id).map(|row| self.tags[row])
    }

    /// Finds all images within [`pdq::MAX_DISTANCE`] of any of the query's hashes, by number.
    ///
    /// Cost: 16 words an image; 500,000 images take 10 to 14 ms on one core (measured:
    /// `cargo test -p same-image --lib -- --ignored --nocapture measure`).
    pub(crate) fn near(&self, query: &[Hash; 8], filter: &TagFilter) -> Vec<Near> {
        let mut found = Vec::new();
        let mut halves = [0; BLOCK];
        for start in (0..self.ids.len()).step_by(BLOCK) {
            let rows = start..self.ids.len().min(start + BLOCK);
            let halves = &mut halves[..rows.len()];
            nearest_halves(
                query,
                &self.words[0][rows.clone()],
                &self.words[1][rows.clone()],
                halves,
            );
            for (row, half) in rows.zip(halves) {
                if *half > pdq::MAX_DISTANCE {
                    continue;
                }
                let distance = self.distance(query, row);
                let passes = self.states[row] == State::Live && filter.admits(self.tags[row]);
                if distance <= pdq::MAX_DISTANCE && passes {
                    found.push(Near {
                        id: self.ids[row],
                        distance,
                    });
                }
            }
        }
        found
    }

    /// Lists up to `limit` numbers above `after`, ascending.
    pub(crate) fn page(
        &self,
        after: Option<ImageId>,
        limit: usize,
        filter: &TagFilter,
    ) -> Vec<ImageId> {
        let start = after.map_or(0, |after| self.ids.partition_point(|id| *id <= after));
        (start..self.ids.len())
            .filter(|row| self.states[*row] != State::Dead && filter.admits(self.tags[*row]))
            .map(|row| self.ids[row])
            .take(limit)
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len() - self.dead
    }

    /// Returns a number that no image here is above and every image added later is; `None` when
    /// there are no rows.
    pub(crate) fn last(&self) -> Option<ImageId> {
        self.ids.last().copied()
    }

    fn add(&mut self, entry: Entry) {
        debug_assert!(
            self.ids.last().is_none_or(|last| *last < entry.id),
            "numbers only rise"
        );
        self.ids.push(entry.id);
        for (column, word) in self.words.iter_mut().zip(entry.hash.0) {
            column.push(word);
        }
        self.tags.push(entry.tags);
        let telling = entry.quality >= pdq::MIN_QUALITY;
        self.states
            .push(if telling { State::Live } else { State::Plain });
    }

    fn row(&self, id: ImageId) -> Option<usize> {
        let row = self.ids.binary_search(&id).ok()?;
        (self.states[row] != State::Dead).then_some(row)
    }

    fn distance(&self, query: &[Hash; 8], row: usize) -> u32 {
        let stored = Hash([0, 1, 2, 3].map(|word: usize| self.words[word][row]));
        query
            .iter()
            .map(|hash| hash.distance(&stored))
            .fold(pdq::BITS, u32::min)
    }

    /// Drops the dead rows of every column, keeping the order.
    fn compact(&mut self) {
        let live: Vec<bool> = self
            .states
            .iter()
            .map(|state| *state != State::Dead)
            .collect();
        retain(&mut self.ids, &live);
        for column in &mut self.words {
            retain(column, &live);
        }
        retain(&mut self.tags, &live);
        retain(&mut self.states, &live);
        self.dead = 0;
    }
}

/// Gives each image the least distance over the query's hashes, counting only the first half of
/// the bits: a lower bound that rejects nearly all. Plain loops over columns, so that the compiler
/// counts several images at once.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn nearest_halves(query: &[Hash; 8], first: &[u64], second: &[u64], halves: &mut [u32]) {
    halves.fill(pdq::BITS);
    for hash in query {
        for ((half, a), b) in halves.iter_mut().zip(first).zip(second) {
            let distance = (a ^ hash.0[0]).count_ones() + (b ^ hash.0[1]).count_ones();
            *half = distance.min(*half);
        }
    }
}

fn retain<T>(column: &mut Vec<T>, live: &[bool]) {
    let mut live = live.iter();
    column.retain(|_| live.next() == Some(&true));
}

#[cfg(test)]
mod tests;
