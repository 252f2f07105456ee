//! Compares a query with a few images, which are in no index.
//!
//! Every feature of an image is compared, as those of a candidate of a search are; only the votes
//! before that are left out.

use std::fmt;

use crate::features::{Features, QueryFeatures};
use crate::verify::QueryForm;

use super::best_of_each;
use super::comparison::QueryTable;
use super::query_words::QueryWords;
use super::verified::{MIN_INLIERS, VerifiedMatch, verified};

/// The words of a query, to be compared with single images: about 2 MB.
pub struct DirectQuery {
    plain: QueryTable,
    inverted: QueryTable,
}

// === impl DirectQuery ===

impl DirectQuery {
    /// Quantises the features of a query. Cost: 10 to 20 ms.
    pub fn new(query: &QueryFeatures) -> Self {
        let table = |inverted| QueryTable::new(&QueryWords::new(query, inverted));
        Self {
            plain: table(false),
            inverted: table(true),
        }
    }

    /// Finds the images that share a part with the query, whose words these are, and those with too
    /// little evidence for a match, flagged; by descending score. Cost: some microseconds for an
    /// image that shares nothing.
    pub fn compare(&self, query: &QueryFeatures, images: &[(u64, Features)]) -> Vec<VerifiedMatch> {
        let mut found = Vec::new();
        for image in images {
            let plain = compare_colours(&self.plain, query, image, false);
            if plain.iter().all(|found| found.is_weak) {
                found.extend(compare_colours(&self.inverted, query, image, true));
            }
            found.extend(plain);
        }
        best_of_each(found)
    }
}

impl fmt::Debug for DirectQuery {
    /// Omits the words: logs must not contain images.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectQuery")
    }
}

fn compare_colours(
    table: &QueryTable,
    query: &QueryFeatures,
    (id, image): &(u64, Features),
    inverted: bool,
) -> Vec<VerifiedMatch> {
    let mut found = Vec::new();
    for mirrored in [false, true] {
        let (matches, _) = table.matches(image, mirrored);
        if matches.len() >= usize::from(MIN_INLIERS) {
            let form = QueryForm { mirrored, inverted };
            found.extend(verified(*id, image, query, &matches, form));
        }
    }
    found
}
