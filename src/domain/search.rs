//! The requests of a search and of a comparison.

use super::fields::Tags;
use super::limits::ImageLimits;
use super::target::{ImageRef, RawTarget};
use super::violations::Violations;
use crate::error::{Result, Violation};

/// Number of matches that a search can reach (vendor's limit).
const MAX_MATCHES: u32 = 1000;
/// Matches per response when the caller sets no limit (vendor's default).
const DEFAULT_LIMIT: u32 = 300;
/// Maximum number of matches of an item of a bulk search, and the number when the caller sets none.
/// Up to 256 results may wait for the client, about 500 bytes for each match.
const MAX_ITEM_LIMIT: u32 = 100;
const DEFAULT_ITEM_LIMIT: u32 = 10;

/// Request to find the stored images that are the same as a query image.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The query image; a stored one is no match of itself.
    pub source: ImageRef,
    /// Which matches are returned.
    pub options: SearchOptions,
}

/// Which matches a search returns.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOptions {
    /// Tags that a match must have; no tags: all images.
    pub tags: Tags,
    /// How two tags are combined.
    pub tag_logic: TagLogic,
    /// Number of matches to skip, best first, in 0..1000.
    pub offset: u32,
    /// Maximum number of matches to return, in 1..=1000 - `offset`.
    pub limit: u32,
    /// Minimum score of a match, in [0, 1].
    pub min_score: f64,
    /// How certain a match must be; `None`: as the library's configuration says.
    pub profile: Option<Profile>,
    /// How much is done for a query that matches nothing at first; `None`: as the library's
    /// configuration says.
    pub effort: Option<Effort>,
}

/// Request to compare two images.
#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    /// The image to search with.
    pub first: ImageRef,
    /// The image to find.
    pub second: ImageRef,
    /// How certain a match must be; `None`: as the library's configuration says.
    pub profile: Option<Profile>,
}

/// How certain a match must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Every image with enough common details.
    Loose,
    /// Images whose pixels agree with the query.
    Balanced,
    /// Images whose pixels agree clearly.
    Strict,
}

/// How much a search does for a query that matches nothing at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Nothing more.
    Fast,
    /// Looks for stretched copies too.
    Normal,
    /// Looks for finer details too.
    Thorough,
}

/// How several tags of a search or a filter are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TagLogic {
    /// An image has every tag.
    #[default]
    And,
    /// An image has one or more of the tags.
    Or,
}

// === impl Search ===

impl Search {
    /// Checks every field; an image has the vendor's limits. A `limit` of 0 means 300, and the window
    /// ends at the 1000th match.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn new(
        source: impl Into<RawTarget>,
        tags: &[u32],
        tag_logic: TagLogic,
        window: (u32, u32),
        min_score: f64,
    ) -> Result<Self> {
        let limits = ImageLimits::VENDOR;
        Search::within(limits, source, tags, tag_logic, window, min_score)
    }

    /// Checks every field; an image has these limits.
    ///
    /// # Errors
    ///
    /// Those of [`Search::new`].
    pub fn within(
        limits: ImageLimits,
        source: impl Into<RawTarget>,
        tags: &[u32],
        tag_logic: TagLogic,
        window: (u32, u32),
        min_score: f64,
    ) -> Result<Self> {
        let mut violations = Violations::default();
        let source = violations.collect(source.into().check_one("source", limits));
        let options = SearchOptions::check(tags, tag_logic, window, min_score, &mut violations);
        match (source, options) {
            (Some(source), Some(options)) => Ok(Search { source, options }),
            _ => Err(violations.into_error()),
        }
    }

    /// Checks the query image of one item of a bulk search.
    ///
    /// # Errors
    ///
    /// The violation of the image.
    pub fn of_item(
        limits: ImageLimits,
        source: impl Into<RawTarget>,
        options: SearchOptions,
    ) -> Result<Self> {
        let source = source.into().check_one("source", limits)?;
        Ok(Search { source, options })
    }

    /// Sets how certain a match must be.
    #[must_use]
    pub fn with_profile(mut self, profile: Option<Profile>) -> Self {
        self.options.profile = profile;
        self
    }

    /// Sets how much is done for a query that matches nothing at first.
    #[must_use]
    pub fn with_effort(mut self, effort: Option<Effort>) -> Self {
        self.options.effort = effort;
        self
    }
}

// === impl SearchOptions ===

impl SearchOptions {
    /// Checks the options of a bulk search. A `limit` of 0 means 10, no effort the least.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn of_bulk(
        tags: &[u32],
        tag_logic: TagLogic,
        limit: u32,
        min_score: f64,
        profile: Option<Profile>,
        effort: Option<Effort>,
    ) -> Result<Self> {
        let mut violations = Violations::default();
        violations.require(limit <= MAX_ITEM_LIMIT, "limit", || {
            format!("{limit}; 1 to {MAX_ITEM_LIMIT}")
        });
        let window = match limit {
            1..=MAX_ITEM_LIMIT => (0, limit),
            _ => (0, DEFAULT_ITEM_LIMIT),
        };
        let options = SearchOptions::check(tags, tag_logic, window, min_score, &mut violations);
        match options.filter(|_| violations.is_empty()) {
            Some(options) => Ok(SearchOptions {
                profile,
                effort: effort.or(Some(Effort::Fast)),
                ..options
            }),
            None => Err(violations.into_error()),
        }
    }

    fn check(
        tags: &[u32],
        tag_logic: TagLogic,
        (offset, limit): (u32, u32),
        min_score: f64,
        violations: &mut Violations,
    ) -> Option<Self> {
        let mut own = Violations::default();
        let tags = own.collect(Tags::new(tags));
        own.require(offset < MAX_MATCHES, "offset", || {
            format!("{offset}; 0 to {}", MAX_MATCHES - 1)
        });
        own.require(limit <= MAX_MATCHES, "limit", || {
            format!("{limit}; 1 to {MAX_MATCHES}")
        });
        own.require((0.0..=1.0).contains(&min_score), "min_score", || {
            format!("{min_score}; 0 to 1")
        });
        if !own.is_empty() {
            violations.append(own);
            return None;
        }
        let limit = if limit == 0 { DEFAULT_LIMIT } else { limit };
        Some(SearchOptions {
            tags: tags?,
            tag_logic,
            offset,
            limit: limit.min(MAX_MATCHES - offset),
            min_score,
            profile: None,
            effort: None,
        })
    }
}

// === impl Compare ===

impl Compare {
    /// Checks both images, which have these limits.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn within(
        limits: ImageLimits,
        first: RawTarget,
        second: RawTarget,
        profile: Option<Profile>,
    ) -> Result<Self> {
        let mut violations = Violations::default();
        let mut check = |name: &str, image: RawTarget| {
            let checked = image.check_one("source", limits);
            violations.collect(checked.map_err(|violation| Violation {
                field: format!("{name}.{}", violation.field),
                ..violation
            }))
        };
        match (check("first", first), check("second", second)) {
            (Some(first), Some(second)) => Ok(Compare {
                first,
                second,
                profile,
            }),
            _ => Err(violations.into_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RawSource;
    use crate::error::Error;

    fn by_url() -> RawSource {
        RawSource::Url("http://example.org/a.jpg".to_owned())
    }

    fn search(offset: u32, limit: u32) -> Result<Search> {
        Search::new(by_url(), &[], TagLogic::And, (offset, limit), 0.0)
    }

    fn fields(error: &Error) -> Vec<&str> {
        let violations = error.violations().iter();
        violations.map(|violation| &*violation.field).collect()
    }

    #[test]
    fn the_limit_is_300_by_default_and_the_window_ends_at_the_1000th_match() {
        let limit = |offset, limit| search(offset, limit).unwrap().options.limit;

        assert_eq!(limit(0, 0), 300);
        assert_eq!(limit(900, 500), 100);
        assert_eq!(limit(999, 1000), 1);
        assert_eq!(limit(0, 1000), 1000);
    }

    #[test]
    fn a_window_out_of_range_is_rejected_with_both_fields() {
        let error = search(1000, 1001).unwrap_err();

        assert_eq!(fields(&error), ["offset", "limit"]);
    }

    #[test]
    fn a_search_without_an_image_and_with_bad_tags_lists_both() {
        let nothing = RawSource::Missing;
        let error = Search::new(nothing, &[0], TagLogic::And, (0, 0), 0.0).unwrap_err();

        assert_eq!(fields(&error), ["source", "tags"]);
    }

    #[test]
    fn both_images_of_a_comparison_are_checked() {
        let nothing = || RawTarget::Source(RawSource::Missing);
        let signs = RawTarget::Signs(vec!["1;2".to_owned()]);
        let error = Compare::within(ImageLimits::VENDOR, nothing(), signs, None).unwrap_err();

        assert_eq!(fields(&error), ["first.source", "second.cont_sign"]);
    }

    #[test]
    fn a_bulk_search_returns_10_matches_of_an_item_by_default_and_up_to_100() {
        let options = |limit| SearchOptions::of_bulk(&[], TagLogic::And, limit, 0.0, None, None);

        assert_eq!(options(0).unwrap().limit, 10);
        assert_eq!(options(100).unwrap().limit, 100);
        assert_eq!(fields(&options(101).unwrap_err()), ["limit"]);
    }

    #[test]
    fn a_minimum_score_outside_0_to_1_is_rejected() {
        for score in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = Search::new(by_url(), &[], TagLogic::And, (0, 0), score).unwrap_err();
            assert_eq!(fields(&error), ["min_score"]);
        }
    }
}
