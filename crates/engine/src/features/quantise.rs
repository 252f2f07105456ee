//! Step 4: quantises a descriptor to visual words: a cell of the inverted multi-index and a binary
//! signature inside the cell.
//!
//! Project to two halves of 32 dimensions → compute the distances to all 1024 centroids of each
//! half → combine the nearest pairs → compare the residual with its median, one bit per dimension.
//! Sources: Babenko & Lempitsky 2012, sections 3 and 3.2 (the pairs are found by sorting the few
//! that can be among the nearest, without a heap); Jégou, Douze & Schmid 2008, section 3
//! (signature). Cost: 8,192 multiplications for the projection, 65,536 for the centroids.

use multiversion::multiversion;

use super::codebook::{Block, CENTROIDS, Codebook, HALF, HalfCodebook, LANES, PROJECTED};
use super::describe::Descriptor;

/// A visual word: a cell and a signature inside the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Number of the cell, below 2^20.
    pub cell: u32,
    /// One bit per dimension, set when the residual is above its median.
    pub signature: u64,
}

impl Word {
    /// Returns the numbers of the cell's centroids in both halves.
    pub(super) fn centroids(self) -> [usize; 2] {
        let cell = self.cell as usize;
        [cell / CENTROIDS, cell % CENTROIDS]
    }
}

/// A word of a query feature, and how certain its signature is.
#[derive(Clone, Copy)]
pub(crate) struct QueryWord {
    pub(crate) word: Word,
    /// Masks of the run bits (see `index::posting`) whose residuals are nearest to their medians,
    /// the nearest first: in a copy these bits are often different.
    pub(crate) doubtful: [u8; DOUBTFUL_BITS],
}

/// Number of run bits that are marked as doubtful.
pub(crate) const DOUBTFUL_BITS: usize = 2;

/// Bits of a half's signature that belong to the run.
const RUN_BITS: usize = 4;

/// A descriptor after the projection.
pub type Projected = [f32; PROJECTED];

/// Projects a descriptor onto the principal components, which are distributed to two rotated
/// halves.
#[multiversion(targets("x86_64+avx2+popcnt"))]
pub fn project(codebook: &Codebook, descriptor: &Descriptor) -> Projected {
    let mut projected = [0.0; PROJECTED];
    for (value, offset) in projected.iter_mut().zip(&codebook.offset) {
        *value = -offset;
    }
    for (value, row) in descriptor.iter().zip(&codebook.projection) {
        projected
            .iter_mut()
            .zip(row)
            .for_each(|(sum, weight)| *sum += value * weight);
    }
    projected
}

/// Returns the word of the nearest cell.
pub(crate) fn nearest_word(codebook: &Codebook, descriptor: &Descriptor) -> Word {
    nearest_words::<1>(codebook, descriptor)[0]
}

/// Returns the words of the `T` nearest cells, the nearest first.
pub fn nearest_words<const T: usize>(codebook: &Codebook, descriptor: &Descriptor) -> [Word; T] {
    let [words] = query_words_of_each(codebook, [descriptor]);
    words.map(|word| word.word)
}

/// Returns the [`nearest_words`] of several descriptors; reads the codebook once for all of them.
pub(crate) fn query_words_of_each<const T: usize, const N: usize>(
    codebook: &Codebook,
    descriptors: [&Descriptor; N],
) -> [[QueryWord; T]; N] {
    let projected = descriptors.map(|descriptor| project(codebook, descriptor));
    let half = |number: usize| {
        let points = std::array::from_fn(|at| projected[at].as_chunks().0[number]);
        nearest_centroids::<T, N>(&codebook.halves[number], points)
    };
    let (lefts, rights) = (half(0), half(1));
    std::array::from_fn(|at| nearest_pairs(&lefts[at], &rights[at]))
}

fn nearest_pairs<const T: usize>(
    lefts: &[NearCentroid; T],
    rights: &[NearCentroid; T],
) -> [QueryWord; T] {
    // For a pair of ranks (i, j), counted from 1, i·j pairs are as near or nearer: a pair whose i·j
    // exceeds T is not among the nearest T.
    let mut pairs: Vec<(f32, usize, usize)> = Vec::with_capacity(T * 3);
    for (i, left) in lefts.iter().enumerate() {
        for (j, right) in rights.iter().enumerate().take(T / (i + 1)) {
            pairs.push((left.distance + right.distance, i, j));
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    std::array::from_fn(|rank| {
        let (_, i, j) = pairs[rank];
        QueryWord {
            word: Word {
                cell: lefts[i].centroid as u32 * CENTROIDS as u32 + rights[j].centroid as u32,
                signature: u64::from(lefts[i].signature) | u64::from(rights[j].signature) << 32,
            },
            doubtful: doubtful(&lefts[i].margins, &rights[j].margins),
        }
    })
}

/// Returns the masks of the run bits with the smallest margins.
fn doubtful(left: &[f32; RUN_BITS], right: &[f32; RUN_BITS]) -> [u8; DOUBTFUL_BITS] {
    let mut nearest = [(f32::INFINITY, 0); DOUBTFUL_BITS];
    for (bit, margin) in left.iter().chain(right).enumerate() {
        insert(&mut nearest, *margin, bit);
    }
    nearest.map(|(_, bit)| 1 << bit)
}

/// One of the nearest centroids of a half.
#[derive(Clone, Copy)]
struct NearCentroid {
    distance: f32,
    centroid: usize,
    signature: u32,
    /// How far the first residuals are from their medians.
    margins: [f32; RUN_BITS],
}

#[multiversion(targets("x86_64+avx2+popcnt"))]
fn nearest_centroids<const T: usize, const N: usize>(
    half: &HalfCodebook,
    points: [[f32; HALF]; N],
) -> [[NearCentroid; T]; N] {
    let mut nearest = [[(f32::INFINITY, 0); T]; N];
    for (number, block) in half.blocks().iter().enumerate() {
        let distances = distances(block, &points);
        for (nearest, distances) in nearest.iter_mut().zip(&distances) {
            insert_block(nearest, distances, number * LANES);
        }
    }
    std::array::from_fn(|at| {
        nearest[at].map(|(distance, centroid)| NearCentroid {
            distance,
            centroid,
            signature: half.signature(&points[at], centroid),
            margins: half.margins(&points[at], centroid),
        })
    })
}

/// Inserts the centroids of a block, numbered from `first`, into the sorted list of the nearest.
#[inline(always)]
fn insert_block(nearest: &mut [(f32, usize)], distances: &[f32; LANES], first: usize) {
    // Nearly all blocks have no near centroid, which one comparison of all lanes shows.
    let worst = nearest[nearest.len() - 1].0;
    if distances
        .iter()
        .fold(false, |any, distance| any | (*distance < worst))
    {
        for (lane, &distance) in distances.iter().enumerate() {
            insert(nearest, distance, first + lane);
        }
    }
}

/// Inserts a number into the sorted list of the nearest if it is near enough.
fn insert(nearest: &mut [(f32, usize)], distance: f32, number: usize) {
    let mut rank = nearest.len();
    while rank > 0 && distance < nearest[rank - 1].0 {
        rank -= 1;
        if rank + 1 < nearest.len() {
            nearest[rank + 1] = nearest[rank];
        }
        nearest[rank] = (distance, number);
    }
}

/// Computes half the squared distance of each point to each centroid, minus half the squared length
/// of the point.
#[inline(always)]
fn distances<const N: usize>(block: &Block, points: &[[f32; HALF]; N]) -> [[f32; LANES]; N] {
    let mut sums = [block.half_norms; N];
    for (at, dimension) in block.dimensions.iter().enumerate() {
        for (sums, point) in sums.iter_mut().zip(points) {
            for lane in 0..LANES {
                sums[lane] -= point[at] * dimension[lane];
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::codebook::CELL_COUNT;
    use super::*;
    use proptest::prelude::*;

    fn any_descriptor() -> impl Strategy<Value = Descriptor> {
        prop::collection::vec(0.0f32..1.0, 128).prop_map(|values| {
            let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
            std::array::from_fn(|at| values[at] / length)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn the_nearest_cells_are_those_of_an_exhaustive_search(descriptor in any_descriptor()) {
            let codebook = Codebook::embedded();
            let projected = project(codebook, &descriptor);
            let halves: Vec<Vec<f32>> = (0..2)
                .map(|half| {
                    let point = &projected.as_chunks().0[half];
                    codebook.halves[half].blocks().iter().flat_map(|block| distances(block, &[*point])[0]).collect()
                })
                .collect();
            let distance = |cell: usize| halves[0][cell / CENTROIDS] + halves[1][cell % CENTROIDS];
            let mut cells: Vec<usize> = (0..CELL_COUNT).collect();
            cells.select_nth_unstable_by(8, |&a, &b| distance(a).total_cmp(&distance(b)));
            cells.truncate(8);
            cells.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));

            let words = nearest_words::<8>(codebook, &descriptor);

            for (word, cell) in words.iter().zip(cells) {
                prop_assert!((distance(word.cell as usize) - distance(cell)).abs() < 1e-6);
            }
            prop_assert_eq!(nearest_word(codebook, &descriptor), words[0]);
        }
    }
}
