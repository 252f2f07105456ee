//! Weights of matches in repeated structure.
//!
//! Every dot of a halftone matches every dot of another halftone, every window of a facade every
//! window of another facade, and many of these matches agree on an alignment whatever the images
//! show. Each match is therefore divided by the square root of the number of matches that its
//! features have between the two images. Source: Jégou, Douze & Schmid 2009, "On the burstiness of
//! visual elements", section 3.1. The paper weights votes; here the weights apply in both
//! directions and to the evidence too.

use std::collections::HashMap;

use super::comparison::FeatureMatch;

/// Counts the matches of one image by query feature and by keypoint of the image.
pub(super) struct Burstiness {
    by_feature: HashMap<u16, u16>,
    by_keypoint: HashMap<u32, u16>,
}

// === impl Burstiness ===

impl Burstiness {
    pub(super) fn of(matches: &[FeatureMatch]) -> Self {
        let mut counts = Self {
            by_feature: HashMap::new(),
            by_keypoint: HashMap::new(),
        };
        for found in matches {
            *counts.by_feature.entry(found.feature).or_default() += 1;
            *counts.by_keypoint.entry(found.keypoint.0).or_default() += 1;
        }
        counts
    }

    /// Returns the weight of a match in (0, 1]: 1 when neither feature has another match.
    pub(super) fn weight(&self, found: &FeatureMatch) -> f32 {
        let by_feature = self.by_feature.get(&found.feature).copied();
        let by_keypoint = self.by_keypoint.get(&found.keypoint.0).copied();
        1.0 / f32::from(by_feature.max(by_keypoint).unwrap_or(1)).sqrt()
    }
}
