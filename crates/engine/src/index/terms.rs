//! Words as terms of a text index: how a store other than the engine's own finds images.
//!
//! A term is a cell and the run of a signature in it (`posting`): what one list of the engine's own
//! index has, 28 bits. A feature of a library image has one term. A feature of a query has the terms
//! of its nearest cells, in two forms, plain and mirrored. Images that share many terms with a form
//! are then compared by all their features, with the same code as the candidates of the engine's own
//! index.

use std::collections::HashSet;
use std::fmt;

use crate::features::{Features, QueryFeatures};
use crate::verify::QueryForm;

use super::comparison::QueryTable;
use super::query_words::{FeatureWords, QueryWords};
use super::verified::{MIN_INLIERS, VerifiedMatch, verified};
use super::{INVERTED_PART, posting, votes};

/// Nearest cells of a feature that are looked up. With 8 a search reads twice as many postings and
/// finds as many originals among 200 candidates: 62 of 63 in 60,000 images.
const CELLS: usize = 4;
/// Maximum number of terms of a form, those of the strongest features first. A usual query has
/// 3,300.
pub(crate) const MAX_TERMS: usize = 8000;
/// Maximum number of comparisons of a form with candidates.
pub(crate) const MAX_COMPARISONS: usize = votes::LIMITS.max_comparisons;
/// Bits of a term below the cell.
const RUN_BITS: u32 = 8;

/// A term of an image or a query, shown as hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term(pub(crate) u32);

/// The words of a query in one colour form, to be compared with single images: about 1 MB.
pub(crate) struct FormWords {
    table: QueryTable,
    inverted: bool,
}

// === impl Term ===

impl Term {
    fn of_word(cell: u32, signature: u64) -> Self {
        Self(cell << RUN_BITS | u32::from(posting::run_of(posting::code(signature))))
    }

    /// Returns the distinct terms of a library image, ascending.
    pub(crate) fn of_image(image: &Features) -> Vec<Self> {
        let words = image.features.iter().map(|feature| feature.word);
        let mut terms: Vec<Self> = words
            .map(|word| Self::of_word(word.cell, word.signature))
            .collect();
        terms.sort_unstable();
        terms.dedup();
        terms
    }

    /// Returns the distinct terms of the plain and of the mirrored form of a query, those of the
    /// strongest features first.
    pub(crate) fn of_query(words: &QueryWords) -> [Vec<Self>; 2] {
        [0, 1].map(|form| Self::of_features(words.features.iter().map(|of| &of[form])))
    }

    fn of_features<'a>(features: impl Iterator<Item = &'a FeatureWords>) -> Vec<Self> {
        let mut seen = HashSet::new();
        features
            .flat_map(|words| &words[..CELLS])
            .map(|query| Self::of_word(query.word.cell, query.word.signature))
            .filter(|term| seen.insert(*term))
            .take(MAX_TERMS)
            .collect()
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

// === impl FormWords ===

impl FormWords {
    /// Arranges the words of a query.
    pub(crate) fn new(words: &QueryWords, inverted: bool) -> Self {
        Self {
            table: QueryTable::new(words),
            inverted,
        }
    }

    /// Returns whether the words are those of inverted colours.
    pub(crate) fn is_inverted(&self) -> bool {
        self.inverted
    }

    /// Returns how many of this many candidates are compared in this form.
    pub(crate) fn part_of(&self, candidates: usize) -> usize {
        if self.inverted {
            candidates.div_ceil(INVERTED_PART)
        } else {
            candidates
        }
    }

    /// Aligns an image with the query, whose words these are, plain and mirrored; also with too
    /// little evidence for a match. Returns the number of comparisons too.
    pub(crate) fn compare(
        &self,
        query: &QueryFeatures,
        id: u64,
        image: &Features,
    ) -> (Vec<VerifiedMatch>, usize) {
        let (mut found, mut comparisons) = (Vec::new(), 0);
        for mirrored in [false, true] {
            let (matches, compared) = self.table.matches(image, mirrored);
            comparisons += compared;
            let form = QueryForm {
                mirrored,
                inverted: self.inverted,
            };
            if matches.len() >= usize::from(MIN_INLIERS) {
                found.extend(verified(id, image, query, &matches, form));
            }
        }
        (found, comparisons)
    }
}

impl fmt::Debug for FormWords {
    /// Omits the words: logs must not contain images.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormWords")
    }
}
