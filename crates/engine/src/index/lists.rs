//! Selects the posting lists that a search reads, the features they are read for, and the order.
//!
//! The words of every feature, plain and mirrored, in its nearest cells → the runs of their
//! signatures → grouped by cell → the lists of these cells in each component → those with the
//! shortest runs first, up to the limit of postings.

use super::posting::{self, Posting};
use super::posting_lists::PostingLists;
use super::query_words::{CELLS_PER_FEATURE, QueryWords};

/// Runs of a cell that are read for each feature: that of its signature, and those that differ in
/// the doubtful bits of it.
const RUNS_READ: usize = 4;
/// Length of a list that is read as a whole: comparing this many postings takes less time than
/// finding four runs among them.
pub(super) const SHORT_LIST: usize = 32;
/// Lists that are prefetched together, because the latency of memory is long but many accesses
/// overlap.
pub(super) const PREFETCH_LISTS: usize = 16;

/// The lookup of one query feature in one cell.
#[derive(Clone, Copy)]
pub(super) struct Lookup {
    pub(super) code: u32,
    pub(super) feature: u16,
    pub(super) mirrored: bool,
    cell: u32,
    runs: [u8; RUNS_READ],
}

/// A posting list to read, and the lookups that it is read for.
pub(super) struct List<'a> {
    pub(super) component: usize,
    pub(super) cell: u32,
    pub(super) lookups: &'a [Lookup],
    /// Number of postings that are read for its lookups.
    pub(super) postings: usize,
}

/// Returns the lookups of a query, sorted by cell.
pub(super) fn lookups(words: &QueryWords) -> Vec<Lookup> {
    let mut lookups = Vec::with_capacity(words.features.len() * 2 * CELLS_PER_FEATURE);
    for (feature, mirrored, words) in words.iter() {
        lookups.extend(words.iter().map(|found| {
            let code = posting::code(found.word.signature);
            let [first, second] = found.doubtful;
            Lookup {
                code,
                feature,
                mirrored,
                cell: found.word.cell,
                runs: [0, first, second, first | second].map(|flips| posting::run_of(code) ^ flips),
            }
        }));
    }
    lookups.sort_unstable_by_key(|lookup| (lookup.cell, lookup.feature, lookup.mirrored));
    lookups
}

/// Selects the lists to read, up to `max_postings` postings: those with the fewest first, by powers
/// of two, and within one power of two in the order of memory, which is faster to read.
pub(super) fn select<'a>(
    components: &[&dyn PostingLists],
    lookups: &'a [Lookup],
    max_postings: usize,
) -> Vec<List<'a>> {
    let cells: Vec<&[Lookup]> = lookups.chunk_by(|a, b| a.cell == b.cell).collect();
    let mut lists = Vec::new();
    for (number, component) in components.iter().enumerate() {
        for cells in cells.chunks(PREFETCH_LISTS) {
            for lookups in cells {
                prefetch(*component, lookups);
            }
            for lookups in cells {
                let cell = lookups[0].cell;
                let mut postings = 0;
                component.read(cell, &mut |list| {
                    postings = if list.len() <= SHORT_LIST {
                        list.len() * lookups.len()
                    } else {
                        let runs = lookups.iter().flat_map(|lookup| lookup.runs(list));
                        runs.map(<[_]>::len).sum()
                    };
                });
                if postings > 0 {
                    lists.push(List {
                        component: number,
                        cell,
                        lookups,
                        postings,
                    });
                }
            }
        }
    }
    lists.sort_by_key(|list| list.postings.ilog2());
    let mut postings = 0;
    lists
        .into_iter()
        .take_while(|list| {
            postings += list.postings;
            postings <= max_postings
        })
        .collect()
}

/// Prefetches the places of the runs that are read for lookups in one cell.
pub(super) fn prefetch(component: &dyn PostingLists, lookups: &[Lookup]) {
    for lookup in lookups {
        for run in lookup.runs {
            component.prefetch(lookup.cell, run);
        }
    }
}

// === impl Lookup ===

impl Lookup {
    /// Returns whether a posting of the cell is in one of the runs of this lookup.
    pub(super) fn admits(&self, posting: &Posting) -> bool {
        self.runs.contains(&posting::run(posting))
    }

    /// Yields the runs of the cell that are read for this lookup.
    pub(super) fn runs<'a>(&self, cell: &'a [Posting]) -> impl Iterator<Item = &'a [Posting]> {
        let runs = self.runs.into_iter();
        runs.map(|run| posting::of_run(cell, run))
    }
}
