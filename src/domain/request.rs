//! The requests of a library besides searches; each checks every field and reports all violations together.

use super::fields::{Brief, Tags};
use super::image::{ImageSource, RawSource};
use super::limits::ImageLimits;
use super::target::{DeleteTarget, ImageRef, RawTarget};
use super::violations::Violations;
use crate::error::{Kind, Result, Violation};

/// Request to add an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Add {
    /// The image.
    pub source: ImageSource,
    /// Text to store with the image.
    pub brief: Brief,
    /// Tags to store with the image.
    pub tags: Tags,
    /// What to do when other stored images are the same.
    pub on_match: OnMatch,
    /// Minimum score of these, in [0, 1].
    pub match_score: f64,
}

/// What an addition does when other stored images are the same as the new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMatch {
    /// Adds it, and does not look for them.
    #[default]
    Allow,
    /// Adds it, and returns them.
    Report,
    /// Does not add it.
    Reject,
}

/// Request to change the brief or the tags of a stored image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The stored image.
    pub target: ImageRef,
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

// === impl Add ===

impl Add {
    /// Checks every field; an image has the vendor's limits, and others that are the same are allowed.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn new(source: RawSource, brief: String, tags: &[u32]) -> Result<Self> {
        let on_match = (OnMatch::Allow, 0.0);
        Add::within(ImageLimits::VENDOR, source, brief, tags, on_match)
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
        (on_match, match_score): (OnMatch, f64),
    ) -> Result<Self> {
        let mut violations = Violations::default();
        let source = violations.collect(source.check(limits));
        let brief = violations.collect(Brief::new(brief));
        let tags = violations.collect(Tags::new(tags));
        violations.check_match_score(match_score);
        match (source, brief, tags, violations.is_empty()) {
            (Some(source), Some(brief), Some(tags), true) => Ok(Add {
                source,
                brief,
                tags,
                on_match,
                match_score,
            }),
            _ => Err(violations.into_error()),
        }
    }

    /// Checks the `match_score` of a bulk load.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for a score outside 0 to 1.
    pub fn check_match_score(match_score: f64) -> Result<()> {
        let mut violations = Violations::default();
        violations.check_match_score(match_score);
        if violations.is_empty() {
            return Ok(());
        }
        Err(violations.into_error())
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
        let target = violations.collect(target.check_one("target", limits));
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

    /// Checks the target, and that neither of the fields is set that belong to a filter: a caller who
    /// asks for a dry run must not lose the images.
    ///
    /// # Errors
    ///
    /// Those of [`Delete::new`].
    pub fn without_filter(
        limits: ImageLimits,
        target: RawTarget,
        expected_count: Option<u64>,
        dry_run: bool,
    ) -> Result<Self> {
        let mut violations = Violations::default();
        let message = || "only with a filter".to_owned();
        violations.require(expected_count.is_none(), "expected_count", message);
        violations.require(!dry_run, "dry_run", message);
        if !violations.is_empty() {
            return Err(violations.into_error());
        }
        Delete::within(limits, target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

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
