//! Compares a query with a few images, which are in no index.
//!
//! Every feature of an image is compared, as those of a candidate of a search are; only the votes
//! before that are left out.

use crate::features::{Features, QueryFeatures};
use crate::verify::QueryForm;

use super::best_of_each;
use super::comparison::QueryTable;
use super::query_words::QueryWords;
use super::verified::{MIN_INLIERS, VerifiedMatch, verified};

/// Finds the images that share a part with the query, and those with too little evidence for a
/// match, flagged; by descending score.
///
/// Cost: 10 to 20 ms for the words of the query, and some microseconds for an image that shares
/// nothing.
pub fn compare(query: &QueryFeatures, images: &[(u64, Features)]) -> Vec<VerifiedMatch> {
    let mut found = compare_colours(query, images, false);
    if found.iter().all(|found| found.is_weak) {
        found.extend(compare_colours(query, images, true));
    }
    best_of_each(found)
}

fn compare_colours(
    query: &QueryFeatures,
    images: &[(u64, Features)],
    inverted: bool,
) -> Vec<VerifiedMatch> {
    let table = QueryTable::new(&QueryWords::new(query, inverted));
    let mut found = Vec::new();
    for (id, image) in images {
        for mirrored in [false, true] {
            let (matches, _) = table.matches(image, mirrored);
            if matches.len() >= usize::from(MIN_INLIERS) {
                let form = QueryForm { mirrored, inverted };
                found.extend(verified(*id, image, query, &matches, form));
            }
        }
    }
    found
}
