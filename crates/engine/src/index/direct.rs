//! Compares a query with a few images, which are in no index.
//!
//! Every feature of an image is compared, as those of a candidate of a search are; only the votes
//! before that are left out.

use std::fmt;

use crate::features::{Features, QueryFeatures};

use super::best_of_each;
use super::query_words::QueryWords;
use super::terms::FormWords;
use super::verified::VerifiedMatch;

/// The words of a query, to be compared with single images: about 2 MB.
pub struct DirectQuery {
    plain: FormWords,
    inverted: FormWords,
}

// === impl DirectQuery ===

impl DirectQuery {
    /// Quantises the features of a query. Cost: 10 to 20 ms.
    pub fn new(query: &QueryFeatures) -> Self {
        let form = |inverted| FormWords::new(&QueryWords::new(query, inverted), inverted);
        DirectQuery {
            plain: form(false),
            inverted: form(true),
        }
    }

    /// Finds the images that share a part with the query, whose words these are, and those with too
    /// little evidence for a match, flagged; by descending score. Cost: some microseconds for an
    /// image that shares nothing.
    pub fn compare(&self, query: &QueryFeatures, images: &[(u64, Features)]) -> Vec<VerifiedMatch> {
        let mut found = Vec::new();
        for (id, image) in images {
            let (plain, _) = self.plain.compare(query, *id, image);
            if plain.iter().all(|found| found.is_weak) {
                found.extend(self.inverted.compare(query, *id, image).0);
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
