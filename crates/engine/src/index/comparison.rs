//! The second half of a search, first step: compares all features of a candidate with the query.
//!
//! The index has only a part of what is known about a feature. The complete features of a candidate
//! come from the store, and each is compared with the query features that have its cell among
//! theirs. A search reads few candidates, so this costs less than complete postings would.

use crate::features::{Features, PackedKeypoint};

use super::query_words::{CELLS_PER_FEATURE, QueryWords};

/// Maximum Hamming distance of a match, in bits of 64 (engine design, section 2).
pub(crate) const MAX_DISTANCE: u32 = 20;

/// Maximum number of matches of one image that are verified, the nearest first. Images without
/// repeated structure have up to as many as the query has features; 1200 dots of a halftone that
/// match 400 others have half a million.
pub(crate) const MAX_MATCHES_PER_IMAGE: usize = 3000;

/// Bits of a cell's number that select a bucket: as many buckets as seven times the words of a
/// usual query.
const BUCKET_BITS: u32 = 16;
const CELL_BITS: u32 = 20;

/// A feature of the query and a similar feature of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FeatureMatch {
    /// Number of the query feature.
    pub(crate) feature: u16,
    /// Hamming distance of the signatures.
    pub(crate) distance: u8,
    /// Keypoint in the image.
    pub(crate) keypoint: PackedKeypoint,
}

/// The words of a query, by cell.
pub(super) struct QueryTable {
    /// For the plain and the mirrored query.
    forms: [Words; 2],
}

struct Words {
    /// In the order of buckets.
    words: Vec<TableWord>,
    /// The end of each bucket, which is the start of the next one.
    ends: Vec<u32>,
}

#[derive(Clone, Copy, Default)]
struct TableWord {
    cell: u32,
    feature: u16,
    signature: u64,
}

// === impl QueryTable ===

impl QueryTable {
    pub(super) fn new(words: &QueryWords) -> Self {
        let capacity = words.features.len() * CELLS_PER_FEATURE;
        let mut forms = [0, 1].map(|_| Vec::with_capacity(capacity));
        for (feature, mirrored, words) in words.iter() {
            let form = &mut forms[usize::from(mirrored)];
            form.extend(words.iter().map(|query_word| TableWord {
                cell: query_word.word.cell,
                feature,
                signature: query_word.word.signature,
            }));
        }
        Self {
            forms: forms.map(|words| Words::new(&words)),
        }
    }

    /// Returns the matches of an image, sorted by query feature, and the number of comparisons.
    pub(super) fn matches(&self, image: &Features, mirrored: bool) -> (Vec<FeatureMatch>, usize) {
        let words = &self.forms[usize::from(mirrored)];
        let mut matches = Vec::new();
        let mut comparisons = 0;
        for feature in &image.features {
            for word in words.of_cell(feature.word.cell) {
                comparisons += 1;
                let distance = (word.signature ^ feature.word.signature).count_ones();
                if distance <= MAX_DISTANCE {
                    matches.push(FeatureMatch {
                        feature: word.feature,
                        distance: distance as u8,
                        keypoint: feature.keypoint,
                    });
                }
            }
        }
        let nearest = |found: &FeatureMatch| (found.distance, found.feature, found.keypoint.0);
        if matches.len() > MAX_MATCHES_PER_IMAGE {
            matches.select_nth_unstable_by_key(MAX_MATCHES_PER_IMAGE, nearest);
            matches.truncate(MAX_MATCHES_PER_IMAGE);
        }
        matches.sort_unstable_by_key(|found| (found.feature, found.distance, found.keypoint.0));
        (matches, comparisons)
    }
}

// === impl Words ===

impl Words {
    /// Sorts the words by bucket (counting sort).
    fn new(words: &[TableWord]) -> Self {
        let mut ends = vec![0_u32; 1 << BUCKET_BITS];
        for word in words {
            ends[bucket(word.cell)] += 1;
        }
        let mut next = 0;
        for end in &mut ends {
            next += std::mem::replace(end, next);
        }
        let mut sorted = vec![TableWord::default(); words.len()];
        for word in words {
            let end = &mut ends[bucket(word.cell)];
            sorted[*end as usize] = *word;
            *end += 1;
        }
        Self {
            words: sorted,
            ends,
        }
    }

    fn of_cell(&self, cell: u32) -> impl Iterator<Item = &TableWord> {
        let bucket = bucket(cell);
        let start = bucket.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.words[start as usize..self.ends[bucket] as usize]
            .iter()
            .filter(move |word| word.cell == cell)
    }
}

fn bucket(cell: u32) -> usize {
    (cell >> (CELL_BITS - BUCKET_BITS)) as usize
}
