//! The visual words of a query, which a search looks up in the index and in candidates.
//!
//! A feature has the words of several cells, because the cell of the same feature in another image
//! is often not the nearest one (Babenko & Lempitsky 2012), and those of its mirror image.

use crate::features::codebook::Codebook;
use crate::features::{QueryFeatures, QueryWord, inverted, mirrored, query_words_of_each};

/// Nearest cells of a feature. Of the true pairs of features 67 % share one of the 8 nearest cells
/// and 74 % one of 16, but 16 add more false matches between drawn posters (92 instead of 79, see
/// `tests/recall.rs`) than copies (6 of 480 hard ones).
pub(super) const CELLS_PER_FEATURE: usize = 8;
/// Maximum number of features that are looked up with inverted colours, the strongest first.
/// Colours are inverted over a whole image, and few queries that get here have a match, so a third
/// of the cost is enough (measured: `make eval`, inverted copies 100 % as with all features).
const MAX_INVERTED_FEATURES: usize = 400;

/// The words of one feature, the nearest cell first.
pub(crate) type FeatureWords = [QueryWord; CELLS_PER_FEATURE];

/// The words of a query in one colour form.
pub(crate) struct QueryWords {
    /// The words of each feature, plain and mirrored.
    pub(crate) features: Vec<[FeatureWords; 2]>,
}

// === impl QueryWords ===

impl QueryWords {
    pub(crate) fn new(query: &QueryFeatures, inversion: bool) -> Self {
        let max_features = if inversion {
            MAX_INVERTED_FEATURES
        } else {
            usize::from(u16::MAX)
        };
        let words = query.features.iter().take(max_features).map(|feature| {
            let plain = if inversion {
                inverted(&feature.descriptor)
            } else {
                feature.descriptor
            };
            query_words_of_each(Codebook::embedded(), [&plain, &mirrored(&plain)])
        });
        Self {
            features: words.collect(),
        }
    }

    /// Yields the words of every feature with its number and whether it is mirrored.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, bool, &FeatureWords)> {
        (0..)
            .zip(&self.features)
            .flat_map(|(feature, [plain, mirrored])| {
                [(feature, false, plain), (feature, true, mirrored)]
            })
    }
}
