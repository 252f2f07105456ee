//! Compares the complete features of two stored images, as the second half of a search does.
//!
//! A stored feature has one cell, and the cells beside it follow only from its approximate
//! descriptor. So where the matches of one image as the query are too few, those of the other one are
//! added.

use std::cell::OnceCell;
use std::collections::HashMap;

use crate::features::{Features, QueryFeatures, restored};
use crate::index::comparison::{FeatureMatch, QueryTable};
use crate::index::query_words::QueryWords;
use crate::index::verified::{self, VerifiedMatch};
use crate::verify::QueryForm;

/// Minimum number of matches that can agree on an alignment.
const MIN_MATCHES: usize = 3;

/// A stored image that is compared with others as a query.
pub(crate) struct Comparison {
    image: Features,
    /// Made at the first use, as the tables, one for plain and one for inverted colours.
    query: OnceCell<QueryFeatures>,
    tables: [OnceCell<QueryTable>; 2],
}

impl Comparison {
    pub(crate) fn new(image: Features) -> Self {
        Self {
            image,
            query: OnceCell::new(),
            tables: [OnceCell::new(), OnceCell::new()],
        }
    }

    /// Returns the image as a query.
    pub(crate) fn query(&self) -> &QueryFeatures {
        self.query.get_or_init(|| restored(&self.image))
    }

    /// Aligns another image with this one in one form; returns `None` when nothing agrees.
    pub(crate) fn with(&self, id: u64, other: &Self, form: QueryForm) -> Option<VerifiedMatch> {
        let mut matches = self.matches(&other.image, form);
        if matches.len() < MIN_MATCHES {
            return None;
        }
        let verify = |matches: &[FeatureMatch]| {
            verified::verified(id, &other.image, self.query(), matches, form)
        };
        // Matches by chance agree on nothing, which is known before the other image is a query too.
        let found = verify(&matches)?;
        if !found.is_weak {
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
