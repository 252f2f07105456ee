//! How much a match says when its feature occurs again and again.
//!
//! Every dot of a halftone matches every dot of another, every window of a facade every window, and
//! enough of them lie on each other whatever the images are. So each match is divided by the root
//! of how often its features are matched between these two images. Source: Jégou, Douze & Schmid
//! 2009, "On the burstiness of visual elements", section 3.1 (there for votes; here in both
//! directions, and for the evidence too).

use std::collections::HashMap;

use super::votes::Match;

/// Counts the matches of one image by query feature and by place in the image.
pub(super) struct Repeats {
    of_feature: HashMap<u16, u16>,
    of_place: HashMap<u32, u16>,
}

// === impl Repeats ===

impl Repeats {
    pub(super) fn of(matches: &[Match]) -> Self {
        let mut repeats = Self {
            of_feature: HashMap::new(),
            of_place: HashMap::new(),
        };
        for found in matches {
            *repeats.of_feature.entry(found.feature).or_default() += 1;
            *repeats.of_place.entry(found.place.0).or_default() += 1;
        }
        repeats
    }

    /// Returns by what a match is to be multiplied: 1 when neither feature is in another.
    pub(super) fn weight(&self, found: &Match) -> f32 {
        let feature = self.of_feature.get(&found.feature).copied();
        let place = self.of_place.get(&found.place.0).copied();
        let most = feature.max(place).unwrap_or(1);
        1.0 / f32::from(most).sqrt()
    }
}
