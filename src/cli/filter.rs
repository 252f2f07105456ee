//! The flags that select stored images, for `list` and `delete`.

use std::time::{Duration, SystemTime};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, value_parser};
use prost_types::Timestamp;

use super::client;
use crate::proto::v1;

/// Conditions on stored images.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Filter")]
pub struct Filter {
    /// Only images with this tag, 1 to 65535; up to two.
    #[arg(long = "tag", value_parser = value_parser!(u32).range(1..=65_535), value_name = "N")]
    tags: Vec<u32>,
    /// Images with any of the tags instead of all.
    #[arg(long, requires = "tags")]
    any_tag: bool,
    /// Only images whose brief contains this text, in upper or lower case; reads every record.
    // Not empty: an empty text is no condition, so `delete` would delete every image.
    #[arg(long = "brief", value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    brief_contains: Option<String>,
    /// Only images added then or later: a date, a time such as 2026-11-28T09:30:00Z, or an age such
    /// as 30m, 24h, 7d.
    #[arg(long, value_parser = time, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only images added before then.
    #[arg(long, value_parser = time, value_name = "TIME")]
    before: Option<Timestamp>,
}

// === impl Filter ===

impl Filter {
    /// Returns the filter of the contract.
    pub(super) fn message(&self) -> v1::ImageFilter {
        let logic = if self.any_tag {
            v1::TagLogic::Or
        } else {
            v1::TagLogic::And
        };
        v1::ImageFilter {
            tags: self.tags.clone(),
            tag_logic: logic.into(),
            brief_contains: self.brief_contains.clone().unwrap_or_default(),
            added_since: self.since,
            added_before: self.before,
        }
    }
}

/// Parses a date, a time with its offset from UTC, or the age of an image.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let age = age(text).ok_or("a date, a time with an offset, or an age such as 24h or 7d")?;
    let since = SystemTime::now().checked_sub(age);
    Ok(since.unwrap_or(SystemTime::UNIX_EPOCH).into())
}

/// Parses a number of seconds, minutes, hours or days with its unit.
fn age(text: &str) -> Option<Duration> {
    let in_hours = |number: &str, hours: u64| {
        let number: u64 = number.parse().ok()?;
        Some(Duration::from_secs(number.checked_mul(hours * 3600)?))
    };
    if let Some(hours) = text.strip_suffix('h') {
        return in_hours(hours, 1);
    }
    if let Some(days) = text.strip_suffix('d') {
        return in_hours(days, 24);
    }
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    client::duration(text).ok().filter(|_| has_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_a_time_or_an_age() {
        let at = |text| time(text).map(|time| time.to_string());

        assert_eq!(at("2026-11-28"), Ok("2026-11-28T00:00:00Z".to_owned()));
        assert_eq!(
            at("2026-11-28T09:30:00+08:00"),
            Ok("2026-11-28T01:30:00Z".to_owned())
        );
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(age(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        let hour_ago = SystemTime::try_from(time("1h").unwrap()).unwrap();
        let age = hour_ago.elapsed().unwrap().as_secs();
        assert!((3600..3700).contains(&age), "{age}");
        for text in [
            "",
            "7",
            "yesterday",
            "2026-13-01",
            "-1d",
            "99999999999999999999d",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
