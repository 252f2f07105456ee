//! Groups of images that pairs connect.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::engine::records::Record;
use crate::geometry::Geometry;
use crate::identity::ImageId;
use crate::store::{Snapshot, Store, StoreError};

use super::compare::{Comparer, OtherImage, Pair, Weak, readable};
use super::plan::{Plan, STEP};

/// Maximum number of images of a group in which every image is compared with every other one. In
/// larger groups only the pairs of the join hold it together.
const MAX_COMPARED: usize = 64;
/// Maximum number of pairs of a group that is reported as a whole: 3.4 MB as a message, if it has
/// [`PART`] images.
const MAX_PAIRS: usize = 8192;
/// Number of pairs of a part of a larger group; the parts share images.
const PART: usize = 2048;

/// Images that are the same, and the pairs that hold them together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DuplicateGroup {
    /// The images, the oldest first; two or more.
    pub images: Vec<Record>,
    /// Pairs of the images; in a group of up to 64 images every two that are the same.
    pub pairs: Vec<DuplicatePair>,
}

/// Two images of a group that are the same.
#[derive(Clone, Debug, PartialEq)]
pub struct DuplicatePair {
    /// The position of the first image in [`DuplicateGroup::images`].
    pub a: usize,
    /// The position of the second image.
    pub b: usize,
    /// The score of a search with the first image.
    pub score: f32,
    /// Where they overlap, the first image being the query; `None` when only the hashes match.
    pub geometry: Option<Geometry>,
}

/// A group that is not complete yet.
pub struct OpenGroup {
    plan: Arc<Plan>,
    /// Ascending.
    images: Vec<ImageId>,
    pairs: Vec<Pair>,
    /// Number of images that were compared with all others.
    compared: usize,
}

/// Returns the connected components of the pairs, in the order of their oldest images.
pub(super) fn grouped(plan: &Arc<Plan>, pairs: Vec<Pair>) -> Vec<OpenGroup> {
    let mut sets = Sets::default();
    for pair in &pairs {
        sets.unite(pair.a, pair.b);
    }
    let mut by_root: HashMap<usize, Vec<Pair>> = HashMap::new();
    for pair in pairs {
        by_root.entry(sets.root_of(pair.a)).or_default().push(pair);
    }
    let mut groups: Vec<OpenGroup> = by_root
        .into_values()
        .flat_map(split)
        .map(|pairs| OpenGroup {
            plan: Arc::clone(plan),
            images: images(&pairs),
            pairs,
            compared: 0,
        })
        .collect();
    groups.sort_by(|a, b| a.images.cmp(&b.images));
    groups
}

/// Splits the pairs of a large group: first those that connect its images, then the others.
fn split(mut pairs: Vec<Pair>) -> Vec<Vec<Pair>> {
    pairs.sort_unstable_by_key(|pair| (pair.a.max(pair.b), pair.a.min(pair.b)));
    let mut sets = Sets::default();
    let (mut first, mut others): (Vec<Pair>, Vec<Pair>) = pairs
        .into_iter()
        .partition(|pair| sets.unite(pair.a, pair.b));
    let mut parts = Vec::new();
    if first.len() <= PART {
        first.extend(others.drain(..others.len().min(MAX_PAIRS - first.len())));
        parts.push(first);
    } else {
        parts.extend(first.chunks(PART).map(<[_]>::to_vec));
    }
    parts.extend(others.chunks(PART).map(<[_]>::to_vec));
    parts
}

fn images(pairs: &[Pair]) -> Vec<ImageId> {
    let mut images: Vec<ImageId> = pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
    images.sort_unstable();
    images.dedup();
    images
}

// === impl OpenGroup ===

impl OpenGroup {
    /// Returns the number of pairs that are known.
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Compares the images of the group with each other, for some ten milliseconds; returns whether
    /// anything is left to do.
    pub(in crate::engine) fn step(&mut self, store: &Store) -> Result<bool, StoreError> {
        let begin = Instant::now();
        store.read(|snapshot| {
            while begin.elapsed() < STEP && self.is_open() {
                self.compare_next(snapshot)?;
            }
            Ok(())
        })?;
        Ok(self.is_open())
    }

    /// Reads the records of the group; `None` when fewer than two of its images are left.
    pub(in crate::engine) fn close(
        self,
        store: &Store,
    ) -> Result<Option<DuplicateGroup>, StoreError> {
        let mut group = DuplicateGroup::default();
        let mut positions = HashMap::new();
        store.read(|snapshot| {
            for id in &self.images {
                if let Some(record) = readable(snapshot.record(*id))? {
                    positions.insert(*id, group.images.len());
                    group.images.push(record.into());
                }
            }
            Ok(())
        })?;
        for pair in &self.pairs {
            let (Some(a), Some(b)) = (positions.get(&pair.a), positions.get(&pair.b)) else {
                continue;
            };
            group.pairs.push(DuplicatePair {
                a: *a,
                b: *b,
                score: pair.score,
                geometry: pair.geometry,
            });
        }
        Ok((!group.pairs.is_empty()).then_some(group))
    }

    fn is_open(&self) -> bool {
        self.images.len() <= MAX_COMPARED && self.compared < self.images.len()
    }

    /// Compares the next image with all older ones to which it has no pair yet.
    fn compare_next(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let id = self.images[self.compared];
        let ends = |pair: &Pair| (pair.a.min(pair.b), pair.a.max(pair.b));
        let known: HashSet<_> = self.pairs.iter().map(ends).collect();
        let hashes = &self.plan.hashes;
        let older = self.images[..self.compared].iter();
        let unknown: Vec<OtherImage> = older
            .filter(|older| !known.contains(&(**older, id)))
            .map(|older| OtherImage::unknown(*older, hashes.distance(id, *older)))
            .collect();
        self.compared += 1;
        if unknown.is_empty() {
            return Ok(());
        }
        let Some(comparer) = Comparer::new(snapshot, id, self.plan.profile)? else {
            return Ok(());
        };
        let pairs = comparer.pairs(unknown, Weak::All, |_| false)?;
        let pairs = pairs.into_iter();
        self.pairs
            .extend(pairs.filter(|pair| pair.score >= self.plan.min_score));
        Ok(())
    }
}

impl fmt::Debug for OpenGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "OpenGroup({} images, {} pairs)",
            self.images.len(),
            self.pairs.len()
        )
    }
}

/// Disjoint sets of images (Tarjan & van Leeuwen 1984: union by index, path halving).
#[derive(Default)]
struct Sets {
    numbers: HashMap<ImageId, usize>,
    parents: Vec<usize>,
}

// === impl Sets ===

impl Sets {
    /// Unites the sets of two images; returns whether they were two.
    fn unite(&mut self, a: ImageId, b: ImageId) -> bool {
        let (a, b) = (self.root_of(a), self.root_of(b));
        let (low, high) = (a.min(b), a.max(b));
        self.parents[high] = low;
        low < high
    }

    fn root_of(&mut self, id: ImageId) -> usize {
        let next = self.parents.len();
        let mut at = *self.numbers.entry(id).or_insert(next);
        if at == next {
            self.parents.push(next);
        }
        while self.parents[at] != at {
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }
}
