//! Requests about all images that a filter admits: listings and deletions.
//!
//! Each checks every field and reports all violations together.

use super::fields::{ContSign, Tags};
use super::search::TagLogic;
use super::violations::Violations;
use crate::error::{Kind, Result, Violation};

/// Records per page when the caller sets no page size.
const DEFAULT_PAGE_SIZE: u32 = 100;
/// Maximum number of records per page.
const MAX_PAGE_SIZE: u32 = 1000;
/// Maximum length of a text that briefs are searched for, in bytes: that of a brief.
const MAX_TEXT_BYTES: usize = 256;
/// Range of a time in seconds since the Unix epoch: the years 1 to 9999 (google.protobuf.Timestamp).
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Conditions on stored images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFilter {
    /// Tags of the image; no tags: no condition.
    pub tags: Tags,
    /// How two tags are combined.
    pub tag_logic: TagLogic,
    /// Text that the brief contains, in upper or lower case; up to 256 bytes. Empty: no condition.
    pub brief_contains: String,
    /// Minimum time of the addition in milliseconds since the Unix epoch, inclusive.
    pub added_since_ms: u64,
    /// Maximum time of the addition, exclusive.
    pub added_before_ms: Option<u64>,
}

/// Conditions on stored images, as an API read them.
#[derive(Clone, Debug, Default)]
pub struct RawFilter {
    /// Tags, in the caller's order.
    pub tags: Vec<u32>,
    /// How they are combined.
    pub tag_logic: TagLogic,
    /// Text that the brief contains.
    pub brief_contains: String,
    /// Minimum time of the addition.
    pub added_since: Option<RawTime>,
    /// Maximum time of the addition.
    pub added_before: Option<RawTime>,
}

/// A time, as an API read it.
#[derive(Clone, Copy, Debug)]
pub struct RawTime {
    /// Seconds since the Unix epoch.
    pub seconds: i64,
    /// Nanoseconds of the second.
    pub nanos: i32,
}

/// Order of a listing: that of the additions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOrder {
    /// The first added image first.
    #[default]
    OldestFirst,
    /// The last added image first.
    NewestFirst,
}

/// Request for one page of a library's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Maximum number of records to return, in 1..=1000.
    pub page_size: u32,
    /// Token of the page; empty for the first page.
    pub page_token: String,
    /// Which records.
    pub filter: ImageFilter,
    /// In which order.
    pub order: ListOrder,
    /// Whether the records have thumbnails.
    pub thumbnails: bool,
}

/// Request for one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// Sign of the stored image.
    pub cont_sign: ContSign,
    /// Whether the record has the preview, if one is stored.
    pub preview: bool,
}

/// Request to delete every image that a filter admits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteByFilter {
    /// Which images.
    pub filter: ImageFilter,
    /// Number of images that the filter must admit; `None`: any number.
    pub expected_count: Option<u64>,
    /// Whether to count them only.
    pub dry_run: bool,
}

// === impl ImageFilter ===

impl ImageFilter {
    /// Checks every condition, and records its violations.
    fn check(raw: RawFilter, violations: &mut Violations) -> Self {
        let mut collect = |checked: Result<_, Violation>| {
            let within = |violation: Violation| Violation {
                field: format!("filter.{}", violation.field),
                ..violation
            };
            violations.collect(checked.map_err(within))
        };
        let tags = collect(Tags::new(&raw.tags)).unwrap_or_default();
        let mut time = |field, time: Option<RawTime>| {
            let time = time.map(|time| time.check(field)).transpose();
            violations.collect(time).flatten()
        };
        let added_since = time("filter.added_since", raw.added_since);
        let added_before = time("filter.added_before", raw.added_before);
        let bytes = raw.brief_contains.len();
        if bytes > MAX_TEXT_BYTES {
            let message = format!("{bytes} bytes; max {MAX_TEXT_BYTES}");
            let field = "filter.brief_contains";
            violations.push(Violation::new(field, Kind::ParameterTooLong, message));
        }
        ImageFilter {
            tags,
            tag_logic: raw.tag_logic,
            brief_contains: raw.brief_contains,
            added_since_ms: added_since.unwrap_or_default(),
            added_before_ms: added_before,
        }
    }

    /// Returns whether the filter has no condition, so that it admits every image.
    fn is_empty(&self) -> bool {
        ImageFilter {
            tag_logic: TagLogic::default(),
            ..self.clone()
        } == ImageFilter::default()
    }
}

// === impl RawTime ===

impl RawTime {
    /// Returns the first millisecond since the Unix epoch that is not before the time; 0 for an
    /// earlier time. Stored times are whole milliseconds, so both bounds keep their meaning.
    pub(super) fn check(self, field: &str) -> Result<u64, Violation> {
        let is_valid = SECONDS.contains(&self.seconds) && (0..1_000_000_000).contains(&self.nanos);
        if !is_valid {
            let message = "no time of the years 1 to 9999";
            return Err(Violation::new(field, Kind::InvalidParameter, message));
        }
        let millis = self.seconds * 1000 + (i64::from(self.nanos) + 999_999) / 1_000_000;
        Ok(u64::try_from(millis).unwrap_or(0))
    }
}

// === impl List ===

impl List {
    /// Checks every field; a page size of 0 means 100.
    ///
    /// # Errors
    ///
    /// One error that lists every violation: a page size above 1000, and those of the filter.
    pub fn new(
        page_size: u32,
        page_token: String,
        filter: RawFilter,
        order: ListOrder,
        thumbnails: bool,
    ) -> Result<Self> {
        let mut violations = Violations::default();
        violations.require(page_size <= MAX_PAGE_SIZE, "page_size", || {
            format!("{page_size}; 1 to {MAX_PAGE_SIZE}")
        });
        let filter = ImageFilter::check(filter, &mut violations);
        if !violations.is_empty() {
            return Err(violations.into_error());
        }
        Ok(List {
            page_size: match page_size {
                0 => DEFAULT_PAGE_SIZE,
                size => size,
            },
            page_token,
            filter,
            order,
            thumbnails,
        })
    }
}

// === impl DeleteByFilter ===

impl DeleteByFilter {
    /// Checks every field. A filter without conditions needs the number of images to delete, or a
    /// dry run: it deletes the whole library.
    ///
    /// # Errors
    ///
    /// One error that lists every violation.
    pub fn new(filter: RawFilter, expected_count: Option<u64>, dry_run: bool) -> Result<Self> {
        let mut violations = Violations::default();
        let filter = ImageFilter::check(filter, &mut violations);
        if violations.is_empty() && filter.is_empty() && expected_count.is_none() && !dry_run {
            let message = "required for a filter without conditions, which admits every image";
            violations.push(Violation::new(
                "expected_count",
                Kind::MissingParameter,
                message,
            ));
        }
        if !violations.is_empty() {
            return Err(violations.into_error());
        }
        Ok(DeleteByFilter {
            filter,
            expected_count,
            dry_run,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn fields(error: &Error) -> Vec<&str> {
        let violations = error.violations().iter();
        violations
            .map(|violation| violation.field.as_str())
            .collect()
    }

    fn time(seconds: i64, nanos: i32) -> Option<RawTime> {
        Some(RawTime { seconds, nanos })
    }

    #[test]
    fn every_invalid_condition_is_reported_with_its_field() {
        let filter = RawFilter {
            tags: vec![0],
            brief_contains: "x".repeat(257),
            added_since: time(i64::MAX, 0),
            added_before: time(0, -1),
            ..RawFilter::default()
        };

        let list = List::new(
            1001,
            String::new(),
            filter.clone(),
            ListOrder::default(),
            false,
        );
        let delete = DeleteByFilter::new(filter, Some(1), false);

        let of_filter = [
            "filter.tags",
            "filter.added_since",
            "filter.added_before",
            "filter.brief_contains",
        ];
        assert_eq!(fields(&list.unwrap_err())[1..], of_filter);
        assert_eq!(fields(&delete.unwrap_err()), of_filter);
    }

    #[test]
    fn times_are_rounded_up_to_whole_milliseconds() {
        let filter = RawFilter {
            added_since: time(1, 1),
            added_before: time(2, 3_000_000),
            ..RawFilter::default()
        };

        let delete = DeleteByFilter::new(filter, None, false).unwrap();

        assert_eq!(delete.filter.added_since_ms, 1001);
        assert_eq!(delete.filter.added_before_ms, Some(2003));
    }

    #[test]
    fn everything_is_deleted_only_with_the_number_of_images() {
        let everything = RawFilter {
            tag_logic: TagLogic::Or,
            added_since: time(-5, 0),
            ..RawFilter::default()
        };

        let error = DeleteByFilter::new(everything.clone(), None, false).unwrap_err();

        assert_eq!(fields(&error), ["expected_count"]);
        DeleteByFilter::new(everything.clone(), Some(5), false).unwrap();
        DeleteByFilter::new(everything, None, true).unwrap();
    }
}
