//! The catalog: number, PDQ hash, tags and time of every image, in memory.
//!
//! It is loaded from the store at open and changed only after a commit, so it never contains an
//! image that a crash could undo. Images are sorted by number, which is the order of adding. The
//! words of the hashes are stored in columns: a scan reads only two of the four for nearly all
//! images. Memory: 49 bytes per image. Tags and times are columns too, so that a listing scans a million
//! images in a few milliseconds, whatever its filter.

use std::ops::Range;

use multiversion::multiversion;

use crate::filter::{ImageFilter, Order};
use crate::identity::ImageId;
use crate::pdq::{self, PdqHash};
use crate::store::{ImageChange, ImageSummary};
use crate::tags::{TagFilter, Tags};

/// Number of images compared at a time, so that their distances fit into the first-level cache.
const SCAN_BLOCK: usize = 256;

/// Minimum number of deleted rows at which moving the other rows is worth the cost.
const MIN_DELETED_ROWS: usize = 1024;

/// An image whose hash is near the query's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashMatch {
    pub(crate) id: ImageId,
    /// Hamming distance to the nearest of the query's eight hashes, 0 to [`pdq::MAX_DISTANCE`].
    pub(crate) distance: u32,
}

/// All images of one library.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// Ascending.
    ids: Vec<ImageId>,
    words: [Vec<u64>; 4],
    tags: Vec<Tags>,
    added_at_ms: Vec<u64>,
    states: Vec<RowState>,
    deleted: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowState {
    Deleted,
    /// Live, but the quality of its hash is too low to compare it.
    Uncomparable,
    Live,
}

// === impl Catalog ===

impl Catalog {
    pub(crate) fn apply(&mut self, change: ImageChange) {
        match change {
            ImageChange::Added(image) => self.add(image),
            ImageChange::Retagged(id, tags) => {
                if let Some(row) = self.row(id) {
                    self.tags[row] = tags;
                }
            }
            ImageChange::Deleted(id) => {
                if let Some(row) = self.row(id) {
                    self.states[row] = RowState::Deleted;
                    self.deleted += 1;
                }
                if self.deleted > MIN_DELETED_ROWS && self.deleted > self.ids.len() / 2 {
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
    /// Cost: 16 words per image, 10 to 14 ms on one core for 500,000 images (measured: `cargo bench
    /// -p same-image -- hashes`).
    pub(crate) fn hash_matches(&self, query: &[PdqHash; 8], filter: &TagFilter) -> Vec<HashMatch> {
        let mut found = Vec::new();
        let mut halves = [0; SCAN_BLOCK];
        for start in (0..self.ids.len()).step_by(SCAN_BLOCK) {
            let rows = start..self.ids.len().min(start + SCAN_BLOCK);
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
                let passes = self.states[row] == RowState::Live && filter.admits(self.tags[row]);
                if distance <= pdq::MAX_DISTANCE && passes {
                    found.push(HashMatch {
                        id: self.ids[row],
                        distance,
                    });
                }
            }
        }
        found
    }

    /// Returns up to `limit` numbers that come behind `after` in this order. Ignores the filter's
    /// condition on the brief.
    pub(crate) fn page(
        &self,
        after: Option<ImageId>,
        limit: usize,
        filter: &ImageFilter,
        order: Order,
    ) -> Vec<ImageId> {
        let ids = &self.ids;
        match order {
            Order::Oldest => {
                let start = after.map_or(0, |after| ids.partition_point(|id| *id <= after));
                let admitted = self.admitted(start..ids.len(), filter);
                admitted.take(limit).collect()
            }
            Order::Newest => {
                let end = after.map_or(ids.len(), |after| ids.partition_point(|id| *id < after));
                let admitted = self.admitted(0..end, filter);
                admitted.rev().take(limit).collect()
            }
        }
    }

    /// Returns the number of images that a filter admits. Ignores its condition on the brief.
    pub(crate) fn count(&self, filter: &ImageFilter) -> usize {
        if *filter == ImageFilter::default() {
            return self.len();
        }
        self.admitted(0..self.ids.len(), filter).count()
    }

    /// Returns each tag with the number of its images, by tag.
    pub(crate) fn tag_counts(&self) -> Vec<(u16, u64)> {
        let mut counts = vec![0_u64; usize::from(u16::MAX) + 1];
        for (tags, state) in self.tags.iter().zip(&self.states) {
            if *state == RowState::Deleted {
                continue;
            }
            let mut last = None;
            for tag in tags.iter() {
                // An image may have the same tag twice.
                if last.replace(tag) != Some(tag) {
                    counts[usize::from(tag)] += 1;
                }
            }
        }
        (0..=u16::MAX)
            .zip(counts)
            .filter(|(_, images)| *images > 0)
            .collect()
    }

    /// Yields the images whose hashes can be compared, by number.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = (ImageId, PdqHash)> {
        let live = (0..self.ids.len()).filter(|row| self.states[*row] == RowState::Live);
        live.map(|row| (self.ids[row], self.hash(row)))
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len() - self.deleted
    }

    /// Returns the highest number ever added, which may be deleted; `None` when there are no rows.
    /// Images added later have higher numbers.
    pub(crate) fn last(&self) -> Option<ImageId> {
        self.ids.last().copied()
    }

    fn add(&mut self, image: ImageSummary) {
        debug_assert!(
            self.ids.last().is_none_or(|last| *last < image.id),
            "numbers are added in ascending order"
        );
        self.ids.push(image.id);
        for (column, word) in self.words.iter_mut().zip(image.pdq.0) {
            column.push(word);
        }
        self.tags.push(image.tags);
        self.added_at_ms.push(image.added_at_ms);
        self.states.push(if image.pdq_quality >= pdq::MIN_QUALITY {
            RowState::Live
        } else {
            RowState::Uncomparable
        });
    }

    /// Returns the numbers of those rows that a filter admits. Columns side by side and not by index:
    /// half of the time of a scan.
    fn admitted<'a>(
        &'a self,
        rows: Range<usize>,
        filter: &'a ImageFilter,
    ) -> impl DoubleEndedIterator<Item = ImageId> + 'a {
        let states = self.states[rows.clone()].iter();
        let facts = states
            .zip(&self.tags[rows.clone()])
            .zip(&self.added_at_ms[rows.clone()]);
        self.ids[rows]
            .iter()
            .zip(facts)
            .filter(|(_, ((state, tags), added_at_ms))| {
                **state != RowState::Deleted && filter.admits(**tags, **added_at_ms)
            })
            .map(|(id, _)| *id)
    }

    fn row(&self, id: ImageId) -> Option<usize> {
        let row = self.ids.binary_search(&id).ok()?;
        (self.states[row] != RowState::Deleted).then_some(row)
    }

    fn hash(&self, row: usize) -> PdqHash {
        PdqHash([0, 1, 2, 3].map(|word: usize| self.words[word][row]))
    }

    fn distance(&self, query: &[PdqHash; 8], row: usize) -> u32 {
        let stored = self.hash(row);
        query
            .iter()
            .map(|hash| hash.distance(&stored))
            .fold(pdq::BITS, u32::min)
    }

    /// Removes the deleted rows of every column; keeps the order.
    fn compact(&mut self) {
        let live: Vec<bool> = self
            .states
            .iter()
            .map(|state| *state != RowState::Deleted)
            .collect();
        retain(&mut self.ids, &live);
        for column in &mut self.words {
            retain(column, &live);
        }
        retain(&mut self.tags, &live);
        retain(&mut self.added_at_ms, &live);
        retain(&mut self.states, &live);
        self.deleted = 0;
    }
}

/// Computes for each image the minimum distance to the query's hashes over the first half of the
/// bits: a lower bound that excludes nearly all images. Plain loops over columns, so that the
/// compiler vectorizes over images.
#[multiversion(targets("x86_64+avx2+popcnt"))]
fn nearest_halves(query: &[PdqHash; 8], first: &[u64], second: &[u64], halves: &mut [u32]) {
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
