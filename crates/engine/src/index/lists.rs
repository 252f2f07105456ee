//! Which lists a search reads, for which features, and in what order.
//!
//! Words of every feature, plain and mirrored → by cell → the parts' lists of these cells → as many
//! as may be read, the shortest first. Source: Babenko & Lempitsky 2012 (several cells).

use crate::features::codebook::Codebook;
use crate::features::{QueryFeatures, Word, inverted, mirrored, quantise};

use super::Part;

/// Nearest cells into which each feature looks (engine design, section 3: 1 loses 3 %, 16 wins 0.6
/// %).
const CELLS_PER_FEATURE: usize = 8;
/// Features of a query that are looked up with inverted colours, the strongest. Whoever inverts a
/// image does it to the whole of it, and most queries that come so far are in no library: a third of
/// the cost is enough for them (measured: `make eval`, inverted copies 100 % as with all features).
const INVERTED_FEATURES: usize = 400;

/// One query feature looking into one cell.
#[derive(Clone, Copy)]
pub(super) struct Lookup {
    pub(super) word: Word,
    pub(super) feature: u16,
    pub(super) mirrored: bool,
}

/// A list that is to be read, and for which features.
pub(super) struct List<'a> {
    pub(super) part: usize,
    pub(super) cell: u32,
    pub(super) lookups: &'a [Lookup],
    length: usize,
}

/// Returns what a query looks up, sorted by cell.
pub(super) fn lookups(query: &QueryFeatures, inversion: bool) -> Vec<Lookup> {
    let most = if inversion {
        INVERTED_FEATURES
    } else {
        usize::from(u16::MAX)
    };
    let features = query.features.len().min(most);
    let mut lookups = Vec::with_capacity(features * 2 * CELLS_PER_FEATURE);
    for (feature, described) in (0..).zip(&query.features[..features]) {
        let plain = if inversion {
            inverted(&described.descriptor)
        } else {
            described.descriptor
        };
        let forms = [&plain, &mirrored(&plain)];
        let words: [[Word; CELLS_PER_FEATURE]; 2] =
            quantise::nearest_words_of_each(Codebook::embedded(), forms);
        for (mirrored, words) in [false, true].into_iter().zip(words) {
            lookups.extend(words.map(|word| Lookup {
                word,
                feature,
                mirrored,
            }));
        }
    }
    lookups.sort_by_key(|lookup| lookup.word.cell);
    lookups
}

/// Pairs lookups with the parts' lists until `most` postings are to be read: the shortest first by
/// powers of two, and among those as they lie in memory, which the memory rewards.
pub(super) fn affordable<'a>(
    parts: &[Part<'_>],
    lookups: &'a [Lookup],
    most: usize,
) -> Vec<List<'a>> {
    let mut lists = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        for lookups in lookups.chunk_by(|a, b| a.word.cell == b.word.cell) {
            let cell = lookups[0].word.cell;
            let length = part.length(cell);
            if length > 0 {
                lists.push(List {
                    part: number,
                    cell,
                    lookups,
                    length,
                });
            }
        }
    }
    lists.sort_by_key(|list| list.length.ilog2());
    let mut read = 0;
    let affordable = lists.iter().take_while(|list| {
        read += list.length * list.lookups.len();
        read <= most
    });
    let count = affordable.count();
    lists.truncate(count);
    lists
}
