//! Compares the complete features of two stored images, as the second half of a search does.
//!
//! A stored feature has one cell, and the cells beside it follow only from its approximate
//! descriptor. So where the matches of one image as the query are too few, those of the other one are
//! added.

use std::cell::OnceCell;
use std::collections::HashMap;

use crate::features::{Features, QueryFeatures, Word, restored};
use crate::index::comparison::{FeatureMatch, MAX_DISTANCE, QueryTable};
use crate::index::query_words::QueryWords;
use crate::index::verified::{self, VerifiedMatch};
use crate::verify::QueryForm;

/// Minimum number of matches that can agree on an alignment.
const MIN_MATCHES: usize = 3;
/// Minimum number of stored words in common with a candidate by votes, which has two votes or more.
const MIN_SHARED: usize = 2;

/// A stored image that is compared with others as a query.
pub(crate) struct Comparison {
    image: Features,
    /// The stored words by their cells.
    words: OnceCell<Vec<Word>>,
    /// Made at the first use, as the tables, one for plain and one for inverted colours.
    query: OnceCell<QueryFeatures>,
    tables: [OnceCell<QueryTable>; 2],
}

impl Comparison {
    pub(crate) fn new(image: Features) -> Self {
        Self {
            image,
            words: OnceCell::new(),
            query: OnceCell::new(),
            tables: [OnceCell::new(), OnceCell::new()],
        }
    }

    /// Returns the image as a query.
    pub(crate) fn query(&self) -> &QueryFeatures {
        self.query.get_or_init(|| restored(&self.image))
    }

    /// Returns whether the stored words agree, which votes by a part of each say less surely. Most
    /// candidates have their votes by chance, and are not worth quantising this image as a query:
    /// that costs 3 ms, this 10 µs.
    pub(crate) fn shares_words(&self, other: &Self) -> bool {
        let words = self.words.get_or_init(|| {
            let mut words: Vec<Word> = self.image.features.iter().map(|f| f.word).collect();
            words.sort_unstable_by_key(|word| word.cell);
            words
        });
        let is_shared = |word: &Word| {
            let start = words.partition_point(|own| own.cell < word.cell);
            let mut same_cell = words[start..]
                .iter()
                .take_while(|own| own.cell == word.cell);
            same_cell.any(|own| (own.signature ^ word.signature).count_ones() <= MAX_DISTANCE)
        };
        let features = other.image.features.iter();
        let shared = features.filter(|feature| is_shared(&feature.word));
        shared.take(MIN_SHARED).count() == MIN_SHARED
    }

    /// Aligns another image with this one in one form; returns `None` when nothing agrees. If the
    /// evidence is too little, `may_reverse` says whether the other one may be quantised as a query
    /// too, which costs 3 ms.
    pub(crate) fn with(
        &self,
        id: u64,
        other: &Self,
        form: QueryForm,
        may_reverse: impl FnOnce() -> bool,
    ) -> Option<VerifiedMatch> {
        let mut matches = self.matches(&other.image, form);
        if matches.len() < MIN_MATCHES {
            return None;
        }
        let verify = |matches: &[FeatureMatch]| {
            verified::verified(id, &other.image, self.query(), matches, form)
        };
        // Matches by chance agree on nothing, which is known before the other image is a query too.
        let found = verify(&matches)?;
        if !found.is_weak || !may_reverse() {
            return Some(found);
        }
        matches.extend(self.reversed(&other.matches(&self.image, form), &other.image));
        matches.sort_unstable_by_key(|found| (found.feature, found.keypoint.0, found.distance));
        matches.dedup_by_key(|found| (found.feature, found.keypoint.0));
        matches.sort_unstable_by_key(|found| (found.feature, found.distance, found.keypoint.0));
        verify(&matches)
    }

    fn matches(&self, image: &Features, form: QueryForm) -> Vec<FeatureMatch> {
        let table = self.tables[usize::from(form.inverted)]
            .get_or_init(|| QueryTable::new(&QueryWords::new(self.query(), form.inverted)));
        table.matches(image, form.mirrored).0
    }

    /// Turns matches of this image, of which another was the query.
    fn reversed(&self, matches: &[FeatureMatch], other: &Features) -> Vec<FeatureMatch> {
        let numbers: HashMap<u32, u16> = (0..)
            .zip(&self.image.features)
            .map(|(number, feature)| (feature.keypoint.0, number))
            .collect();
        let reversed = matches.iter().filter_map(|found| {
            Some(FeatureMatch {
                feature: *numbers.get(&found.keypoint.0)?,
                distance: found.distance,
                keypoint: other.features[usize::from(found.feature)].keypoint,
            })
        });
        reversed.collect()
    }
}
