//! The five requests of a library; each checks every field and reports all violations together.

use super::fields::{Brief, Tags};
use super::image::{ImageSource, RawSource};
use super::limits::ImageLimits;
use super::target::{DeleteTarget, RawTarget, UpdateTarget};
use super::violations::Violations;
use crate::error::{Kind, Result, Violation};

/// Number of matches that a search can reach (vendor's limit).
const MAX_MATCHES: u32 = 1000;
/// Matches per response when the caller sets no limit (vendor's default).
const DEFAULT_LIMIT: u32 = 300;
/// Records per page when the caller sets no page size.
const DEFAULT_PAGE_SIZE: u32 = 100;
/// Maximum number of records per page.
const MAX_PAGE_SIZE: u32 = 1000;

/// Request to add an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// The image.
    pub source: ImageSource,
    /// Text to store with the image.
    pub brief: Brief,
    /// Tags to store with the image.
    pub tags: Tags,
}

/// Request to find the stored images that are the same as a query image.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The query image.
    pub source: ImageSource,
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

/// How several tags of a search are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TagLogic {
    /// A match has every tag.
    #[default]
    And,
    /// A match has one or more of the tags.
    Or,
}

/// Request to change the brief or the tags of a stored image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The stored image.
    pub target: UpdateTarget,
    /// New brief; `None` keeps the stored brief.
    pub brief: Option<Brief>,
    /// New tags; `None` keeps the stored tags.
    pub tags: Option<Tags>,
}

/// Request to delete images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// The stored images.
    pub target: DeleteTarget,
}

/// Request for one page of a library's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Maximum number of records to return, in 1..=1000.
    pub page_size: u32,
    /// Token of the page; empty for the first page.
    pub page_token: String,
}

// === impl Add ===

impl Add {
    /// Checks every field; an image has the vendor's limits.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn new(source: RawSource, brief: String, tags: &[u32]) -> Result<Self> {
        Add::within(ImageLimits::VENDOR, source, brief, tags)
    }

    /// Checks every field; an image has these limits.
    ///
    /// # Errors
    ///
    /// Those of [`Add::new`].
    pub fn within(
        limits: ImageLimits,
        source: RawSource,
        brief: String,
        tags: &[u32],
    ) -> Result<Self> {
        let mut violations = Violations::default();
        let source = violations.collect(source.check(limits));
        let brief = violations.collect(Brief::new(brief));
        let tags = violations.collect(Tags::new(tags));
        match (source, brief, tags) {
            (Some(source), Some(brief), Some(tags)) => Ok(Add {
                source,
                brief,
                tags,
            }),
            _ => Err(violations.into_error()),
        }
    }
}

// === impl Search ===

impl Search {
    /// Sets how certain a match must be.
    #[must_use]
    pub fn with_profile(self, profile: Option<Profile>) -> Self {
        Self { profile, ..self }
    }

    /// Checks every field; an image has the vendor's limits. A `limit` of 0 means 300, and the window
    /// ends at the 1000th match.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn new(
        source: RawSource,
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
        source: RawSource,
        tags: &[u32],
        tag_logic: TagLogic,
        (offset, limit): (u32, u32),
        min_score: f64,
    ) -> Result<Self> {
        let mut violations = Violations::default();
        let source = violations.collect(source.check(limits));
        let tags = violations.collect(Tags::new(tags));
        violations.require(offset < MAX_MATCHES, "offset", || {
            format!("{offset}; 0 to {}", MAX_MATCHES - 1)
        });
        violations.require(limit <= MAX_MATCHES, "limit", || {
            format!("{limit}; 1 to {MAX_MATCHES}")
        });
        violations.require((0.0..=1.0).contains(&min_score), "min_score", || {
            format!("{min_score}; 0 to 1")
        });
        match (source, tags, violations.is_empty()) {
            (Some(source), Some(tags), true) => Ok(Search {
                source,
                tags,
                tag_logic,
                offset,
                limit: or_default(limit, DEFAULT_LIMIT).min(MAX_MATCHES - offset),
                min_score,
                profile: None,
            }),
            _ => Err(violations.into_error()),
        }
    }
}

// === impl Update ===

impl Update {
    /// Checks every field; an update without brief and tags changes nothing, an image has the vendor's
    /// limits.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn new(target: RawTarget, brief: Option<String>, tags: Option<&[u32]>) -> Result<Self> {
        Update::check(ImageLimits::VENDOR, target, brief, tags, false)
    }

    /// Checks every field, and that the update changes something; an image has these limits.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn with_change(
        limits: ImageLimits,
        target: RawTarget,
        brief: Option<String>,
        tags: Option<&[u32]>,
    ) -> Result<Self> {
        Update::check(limits, target, brief, tags, true)
    }

    fn check(
        limits: ImageLimits,
        target: RawTarget,
        brief: Option<String>,
        tags: Option<&[u32]>,
        needs_change: bool,
    ) -> Result<Self> {
        let mut violations = Violations::default();
        let target = violations.collect(target.check_one(limits));
        if needs_change && brief.is_none() && tags.is_none() {
            let message = "one of brief and tags is required";
            violations.push(Violation::new("brief", Kind::MissingParameter, message));
        }
        let brief = brief.and_then(|brief| violations.collect(Brief::new(brief)));
        let tags = tags.and_then(|tags| violations.collect(Tags::new(tags)));
        match (target, violations.is_empty()) {
            (Some(target), true) => Ok(Update {
                target,
                brief,
                tags,
            }),
            _ => Err(violations.into_error()),
        }
    }
}

// === impl Delete ===

impl Delete {
    /// Checks the target; an image has the vendor's limits.
    ///
    /// # Errors
    ///
    /// One error that lists every invalid sign, or the violation of the image.
    pub fn new(target: RawTarget) -> Result<Self> {
        Delete::within(ImageLimits::VENDOR, target)
    }

    /// Checks the target; an image has these limits.
    ///
    /// # Errors
    ///
    /// Those of [`Delete::new`].
    pub fn within(limits: ImageLimits, target: RawTarget) -> Result<Self> {
        target.check_many(limits).map(|target| Delete { target })
    }
}

// === impl List ===

impl List {
    /// Checks the page size; 0 means 100.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for a page size above 1000.
    pub fn new(page_size: u32, page_token: String) -> Result<Self> {
        let mut violations = Violations::default();
        violations.require(page_size <= MAX_PAGE_SIZE, "page_size", || {
            format!("{page_size}; 1 to {MAX_PAGE_SIZE}")
        });
        if !violations.is_empty() {
            return Err(violations.into_error());
        }
        Ok(List {
            page_size: or_default(page_size, DEFAULT_PAGE_SIZE),
            page_token,
        })
    }
}

/// Replaces 0, which means "not set", by the default.
fn or_default(value: u32, default: u32) -> u32 {
    if value == 0 { default } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn by_url() -> RawSource {
        RawSource::Url("http://example.org/a.jpg".to_owned())
    }

    fn search(offset: u32, limit: u32) -> Result<Search> {
        Search::new(by_url(), &[], TagLogic::And, (offset, limit), 0.0)
    }

    fn fields(error: &Error) -> Vec<&str> {
        error
            .violations()
            .iter()
            .map(|violation| violation.field.as_str())
            .collect()
    }

    #[test]
    fn a_request_with_three_invalid_fields_lists_all_three() {
        let error = Add::new(RawSource::Missing, "x".repeat(257), &[0]).unwrap_err();

        assert_eq!(fields(&error), ["source", "brief", "tags"]);
    }

    #[test]
    fn the_limit_is_300_by_default_and_the_window_ends_at_the_1000th_match() {
        assert_eq!(search(0, 0).unwrap().limit, 300);
        assert_eq!(search(900, 500).unwrap().limit, 100);
        assert_eq!(search(999, 1000).unwrap().limit, 1);
        assert_eq!(search(0, 1000).unwrap().limit, 1000);
    }

    #[test]
    fn a_window_out_of_range_is_rejected_with_both_fields() {
        let error = search(1000, 1001).unwrap_err();

        assert_eq!(fields(&error), ["offset", "limit"]);
    }

    #[test]
    fn a_minimum_score_outside_0_to_1_is_rejected() {
        for score in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = Search::new(by_url(), &[], TagLogic::And, (0, 0), score).unwrap_err();
            assert_eq!(fields(&error), ["min_score"]);
        }
    }

    #[test]
    fn an_update_needs_exactly_one_image_and_may_need_a_change() {
        let signs = |n: usize| RawTarget::Signs(vec!["1,2".to_owned(); n]);

        let nothing = Update::with_change(ImageLimits::VENDOR, signs(1), None, None).unwrap_err();
        assert_eq!(fields(&nothing), ["brief"]);
        Update::new(signs(1), None, None).unwrap();
        let two = Update::new(signs(2), Some(String::new()), Some(&[0])).unwrap_err();
        assert_eq!(fields(&two), ["cont_sign", "tags"]);
        Update::new(signs(1), Some(String::new()), Some(&[])).unwrap();
    }

    #[test]
    fn a_deletion_with_thousands_of_invalid_signs_reports_16() {
        let error = Delete::new(RawTarget::Signs(vec![";".to_owned(); 20_000])).unwrap_err();

        assert_eq!(error.violations().len(), 16);
    }
}
