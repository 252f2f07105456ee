//! The four operations with every field checked, all violations reported together.

use super::picture::undecodable;
use super::{Brief, ContSign, ImageSource, RawSource, Tags};
use crate::error::{Error, Kind, Result, Violation};

/// Matches past this one are never returned (vendor's limit).
const MAX_WINDOW: u32 = 1000;
/// Matches returned when the caller does not say (vendor's default).
const DEFAULT_LIMIT: u32 = 300;
/// Most signs of one deletion; ours, bounds what one request can cost.
const MAX_SIGNS: usize = 10_000;
/// Records of a page when the caller does not say.
const DEFAULT_PAGE: u32 = 100;
/// Most records of a page.
const MAX_PAGE: u32 = 1000;

/// Adds an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// The image.
    pub source: ImageSource,
    /// Text to store with it.
    pub brief: Brief,
    /// Tags to store with it.
    pub tags: Tags,
}

/// Finds images.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The image to look for.
    pub source: ImageSource,
    /// Tags that matches must carry; none means all images.
    pub tags: Tags,
    /// How two tags are combined.
    pub tag_logic: TagLogic,
    /// Best matches to skip, in 0..1000.
    pub offset: u32,
    /// Most matches to return, at least 1; `offset + limit` is at most 1000.
    pub limit: u32,
    /// Least score of a match, in [0, 1].
    pub min_score: f64,
}

/// How several tags of a query are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TagLogic {
    /// A match carries every tag.
    #[default]
    And,
    /// A match carries at least one of them.
    Or,
}

/// Changes what is stored with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The stored image.
    pub target: Target,
    /// New brief; `None` leaves the stored one.
    pub brief: Option<Brief>,
    /// New tags; `None` leaves the stored ones.
    pub tags: Option<Tags>,
}

/// A stored image, named by its sign or shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The stored image with the same content.
    Source(ImageSource),
    /// The stored image with this sign.
    Sign(ContSign),
}

/// Deletes images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// What to delete.
    pub target: DeleteTarget,
}

/// What a deletion names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteTarget {
    /// The stored image with the same content.
    Source(ImageSource),
    /// The stored images with these signs; at least one.
    Signs(Vec<ContSign>),
}

/// Pages through a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Most records to return, in 1..=1000.
    pub page_size: u32,
    /// Where to go on; empty for the start.
    pub page_token: String,
}

/// The target of an update or deletion as a door read it.
#[derive(Clone, Debug)]
pub enum RawTarget {
    /// An image, or nothing at all.
    Source(RawSource),
    /// Signs, in the caller's order.
    Signs(Vec<String>),
}

/// Collects the violations of a request, field by field.
#[derive(Default)]
struct ConfigErrors(Vec<Violation>);

// === impl Add ===

impl Add {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// One error that names every invalid field.
    pub fn new(source: RawSource, brief: String, tags: &[u32]) -> Result<Self> {
        let mut violations = ConfigErrors::default();
        let source = violations.keep(source.check());
        let brief = violations.keep(Brief::new(brief));
        let tags = violations.keep(Tags::new(tags));
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

// === impl Query ===

impl Query {
    /// Checks every field; a `limit` of 0 means 300, and the window is cut at
    /// the 1000th match.
    ///
    /// # Errors
    ///
    /// One error that names every invalid field.
    pub fn new(
        source: RawSource,
        tags: &[u32],
        tag_logic: TagLogic,
        (offset, limit): (u32, u32),
        min_score: f64,
    ) -> Result<Self> {
        let mut violations = ConfigErrors::default();
        let source = violations.keep(source.check());
        let tags = violations.keep(Tags::new(tags));
        violations.demand(offset < MAX_WINDOW, "offset", || {
            format!("{offset}; 0 to {}", MAX_WINDOW - 1)
        });
        violations.demand(limit <= MAX_WINDOW, "limit", || {
            format!("{limit}; 1 to {MAX_WINDOW}")
        });
        let in_range = (0.0..=1.0).contains(&min_score);
        violations.demand(in_range, "min_score", || format!("{min_score}; 0 to 1"));

        let limit = if limit == 0 { DEFAULT_LIMIT } else { limit };
        match (source, tags, violations.0.is_empty()) {
            (Some(source), Some(tags), true) => {
                let limit = limit.min(MAX_WINDOW - offset);
                Ok(Query {
                    source,
                    tags,
                    tag_logic,
                    offset,
                    limit,
                    min_score,
                })
            }
            _ => Err(violations.into_error()),
        }
    }
}

// === impl Update ===

impl Update {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// One error that names every invalid field; an update that changes
    /// nothing is one too.
    pub fn new(target: RawTarget, brief: Option<String>, tags: Option<&[u32]>) -> Result<Self> {
        let mut violations = ConfigErrors::default();
        let target = violations.keep(single(target));
        if brief.is_none() && tags.is_none() {
            let message = "one of brief and tags is required";
            violations
                .0
                .push(Violation::new("brief", Kind::MissingParameter, message));
        }
        let brief = brief.and_then(|brief| violations.keep(Brief::new(brief)));
        let tags = tags.and_then(|tags| violations.keep(Tags::new(tags)));
        match (target, violations.0.is_empty()) {
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
    /// Checks the target.
    ///
    /// # Errors
    ///
    /// One error that names every invalid sign, or the violation of the image.
    pub fn new(target: RawTarget) -> Result<Self> {
        let signs = match target {
            RawTarget::Source(source) => {
                let source = source
                    .check()
                    .map_err(|violation| Error::invalid(vec![violation]))?;
                return Ok(Delete {
                    target: DeleteTarget::Source(source),
                });
            }
            RawTarget::Signs(signs) => signs,
        };
        let mut violations = ConfigErrors::default();
        let count = signs.len();
        violations.demand((1..=MAX_SIGNS).contains(&count), "cont_signs", || {
            format!("{count} signs; 1 to {MAX_SIGNS}")
        });
        let checked = signs.iter().take(MAX_SIGNS).map(|sign| ContSign::new(sign));
        let signs: Vec<_> = checked.filter_map(|sign| violations.keep(sign)).collect();
        if !violations.0.is_empty() {
            return Err(violations.into_error());
        }
        Ok(Delete {
            target: DeleteTarget::Signs(signs),
        })
    }
}

// === impl List ===

impl List {
    /// Checks the page size; 0 means 100.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for a page of more than 1000 records.
    pub fn new(page_size: u32, page_token: String) -> Result<Self> {
        let mut violations = ConfigErrors::default();
        violations.demand(page_size <= MAX_PAGE, "page_size", || {
            format!("{page_size}; 1 to {MAX_PAGE}")
        });
        if !violations.0.is_empty() {
            return Err(violations.into_error());
        }
        let page_size = if page_size == 0 {
            DEFAULT_PAGE
        } else {
            page_size
        };
        Ok(List {
            page_size,
            page_token,
        })
    }
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// Most violations that are reported: a response stays under 6 KiB.
    const REPORTED: usize = 16;

    fn keep<T>(&mut self, checked: Result<T, Violation>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(violation) => {
                self.0.push(violation);
                None
            }
        }
    }

    fn demand(&mut self, holds: bool, field: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.0
                .push(Violation::new(field, Kind::InvalidParameter, message()));
        }
    }

    fn into_error(mut self) -> Error {
        self.0.truncate(Self::REPORTED);
        Error::invalid(self.0)
    }
}

/// Checks a target that must name exactly one image.
fn single(target: RawTarget) -> Result<Target, Violation> {
    match target {
        RawTarget::Source(RawSource::Undecodable) => Err(undecodable()),
        RawTarget::Source(RawSource::Missing) => {
            let message = "one of content, url and cont_sign is required";
            Err(Violation::new("target", Kind::MissingParameter, message))
        }
        RawTarget::Source(source) => source.check().map(Target::Source),
        RawTarget::Signs(signs) => match signs.as_slice() {
            [sign] => ContSign::new(sign).map(Target::Sign),
            _ => {
                let message = format!("{} signs; exactly one", signs.len());
                Err(Violation::new("cont_sign", Kind::InvalidParameter, message))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> RawSource {
        RawSource::Url("http://example.org/a.jpg".to_owned())
    }

    fn search(offset: u32, limit: u32) -> Result<Query> {
        Query::new(address(), &[], TagLogic::And, (offset, limit), 0.0)
    }

    fn fields(error: &Error) -> Vec<&str> {
        error
            .violations()
            .iter()
            .map(|violation| violation.field.as_str())
            .collect()
    }

    #[test]
    fn a_request_with_three_bad_fields_names_all_three() {
        let error = Add::new(RawSource::Missing, "x".repeat(257), &[0]).unwrap_err();

        assert_eq!(fields(&error), ["source", "brief", "tags"]);
    }

    #[test]
    fn the_window_is_300_by_default_and_cut_at_the_1000th_match() {
        assert_eq!(search(0, 0).unwrap().limit, 300);
        assert_eq!(search(900, 500).unwrap().limit, 100);
        assert_eq!(search(999, 1000).unwrap().limit, 1);
        assert_eq!(search(0, 1000).unwrap().limit, 1000);
    }

    #[test]
    fn a_window_outside_the_limits_is_rejected_with_both_fields() {
        let error = search(1000, 1001).unwrap_err();

        assert_eq!(fields(&error), ["offset", "limit"]);
    }

    #[test]
    fn a_score_that_is_no_share_is_rejected() {
        for score in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = Query::new(address(), &[], TagLogic::And, (0, 0), score).unwrap_err();
            assert_eq!(fields(&error), ["min_score"]);
        }
    }

    #[test]
    fn an_update_must_change_something_in_exactly_one_image() {
        let signs = |n: usize| RawTarget::Signs(vec!["1,2".to_owned(); n]);

        assert_eq!(
            fields(&Update::new(signs(1), None, None).unwrap_err()),
            ["brief"]
        );
        let two = Update::new(signs(2), Some(String::new()), Some(&[0])).unwrap_err();
        assert_eq!(fields(&two), ["cont_sign", "tags"]);
        Update::new(signs(1), Some(String::new()), Some(&[])).unwrap();
    }

    #[test]
    fn a_deletion_of_thousands_of_bad_signs_still_answers_briefly() {
        let error = Delete::new(RawTarget::Signs(vec![";".to_owned(); 20_000])).unwrap_err();

        assert_eq!(error.violations().len(), 16);
    }
}
