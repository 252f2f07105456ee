//! Selects the posting lists that a search reads, the features they are read for, and the order.
//!
//! The visual words of every feature, plain and mirrored → grouped by cell → the lists of these
//! cells in each component → the shortest first, up to the limit of postings. Source: Babenko &
//! Lempitsky 2012 (several cells per feature).

use crate::features::codebook::Codebook;
use crate::features::{QueryFeatures, Word, inverted, mirrored, quantise};

use super::posting_lists::PostingLists;

/// Nearest cells that are read for each feature (engine design, section 3: 1 loses 3 %, 16 gains
/// 0.6 %).
const CELLS_PER_FEATURE: usize = 8;
/// Maximum number of features that are looked up with inverted colours, the strongest first.
/// Colours are inverted over a whole image, and few queries that get here have a match, so a third
/// of the cost is enough (measured: `make eval`, inverted copies 100 % as with all features).
const MAX_INVERTED_FEATURES: usize = 400;

/// The lookup of one query feature in one cell.
#[derive(Clone, Copy)]
pub(super) struct Lookup {
    pub(super) word: Word,
    pub(super) feature: u16,
    pub(super) mirrored: bool,
}

/// A posting list to read, and the lookups that it is read for.
pub(super) struct List<'a> {
    pub(super) component: usize,
    pub(super) cell: u32,
    pub(super) lookups: &'a [Lookup],
    length: usize,
}

/// Returns the lookups of a query, sorted by cell.
pub(super) fn lookups(query: &QueryFeatures, inversion: bool) -> Vec<Lookup> {
    let max_features = if inversion {
        MAX_INVERTED_FEATURES
    } else {
        usize::from(u16::MAX)
    };
    let features = query.features.len().min(max_features);
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

/// Selects the lists to read, up to `max_postings` postings: the shortest first, by powers of two,
/// and within one power of two in the order of memory, which is faster to read.
pub(super) fn select<'a>(
    components: &[&dyn PostingLists],
    lookups: &'a [Lookup],
    max_postings: usize,
) -> Vec<List<'a>> {
    let mut lists = Vec::new();
    for (number, component) in components.iter().enumerate() {
        for lookups in lookups.chunk_by(|a, b| a.word.cell == b.word.cell) {
            let cell = lookups[0].word.cell;
            let length = component.length(cell);
            if length > 0 {
                lists.push(List {
                    component: number,
                    cell,
                    lookups,
                    length,
                });
            }
        }
    }
    lists.sort_by_key(|list| list.length.ilog2());
    let mut postings = 0;
    lists
        .into_iter()
        .take_while(|list| {
            postings += list.length * list.lookups.len();
            postings <= max_postings
        })
        .collect()
}
