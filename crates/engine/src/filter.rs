//! Conditions on stored images, by which listings and deletions select them, and the order of a
//! listing.
//!
//! The catalog has tags and times in memory; a condition on the brief needs the record of each
//! image.

use crate::tags::{TagFilter, Tags};

/// A condition on stored images; the default filter admits every image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFilter {
    /// Condition on the tags.
    pub tags: TagFilter,
    /// Text that the brief contains, in upper or lower case; empty means no condition. Letters are
    /// compared by their Unicode lower case, one by one.
    pub brief_contains: String,
    /// Minimum time of the add, milliseconds since 1970-01-01 UTC, inclusive; 0 means no condition.
    pub added_since_ms: u64,
    /// Maximum time of the add, exclusive; `None` means no condition.
    pub added_before_ms: Option<u64>,
}

/// The order of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The first added image first. The default.
    #[default]
    Oldest,
    /// The last added image first.
    Newest,
}

/// The condition on the brief, prepared for many comparisons.
#[derive(Debug)]
pub(crate) struct BriefPattern(String);

// === impl ImageFilter ===

impl ImageFilter {
    /// Returns whether an image passes, except for the condition on its brief.
    #[inline]
    pub(crate) fn admits(&self, tags: Tags, added_at_ms: u64) -> bool {
        self.tags.admits(tags)
            && added_at_ms >= self.added_since_ms
            && self.added_before_ms.is_none_or(|end| added_at_ms < end)
    }

    /// Returns the condition on the brief, if there is one.
    pub(crate) fn brief_pattern(&self) -> Option<BriefPattern> {
        (!self.brief_contains.is_empty()).then(|| BriefPattern(lower_case(&self.brief_contains)))
    }
}

// === impl BriefPattern ===

impl BriefPattern {
    pub(crate) fn admits(&self, brief: &str) -> bool {
        lower_case(brief).contains(&self.0)
    }
}

/// Returns the lower case in which briefs are compared.
///
/// Unlike `str::to_lowercase`, a letter does not depend on its neighbours: the lower case of a part
/// of a text is a part of the text's.
#[must_use]
pub fn lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(brief: &str, part: &str) -> bool {
        let filter = ImageFilter {
            brief_contains: part.to_owned(),
            ..ImageFilter::default()
        };
        filter
            .brief_pattern()
            .is_none_or(|pattern| pattern.admits(brief))
    }

    #[test]
    fn a_brief_is_searched_without_regard_to_case_in_every_alphabet() {
        assert!(contains("Poster 7.JPG", "poster 7.jpg"));
        assert!(contains("ПЛАКАТ", "плак"));
        // The lower case of a final sigma differs from that of one within a word.
        assert!(contains("ΟΔΟΣ 12", "ΔΟΣ"));
        assert!(contains("图片摘要", "片摘"));
        assert!(contains("anything", ""));
        assert!(!contains("poster", "posters"));
    }

    #[test]
    fn times_are_inclusive_at_the_begin_and_exclusive_at_the_end() {
        let filter = ImageFilter {
            added_since_ms: 10,
            added_before_ms: Some(20),
            ..ImageFilter::default()
        };

        let admitted = (0..30).filter(|time| filter.admits(Tags::default(), *time));
        assert_eq!(admitted.collect::<Vec<_>>(), (10..20).collect::<Vec<_>>());
    }
}
