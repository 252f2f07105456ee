//! The keys that libraries of several backends have.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::parse;

/// How certain a match must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Every image with enough common details.
    Loose,
    /// Images whose pixels agree with the query.
    #[default]
    Balanced,
    /// Images whose pixels agree clearly.
    Strict,
}

/// How much a search does for a query that matches nothing at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Nothing more.
    Fast,
    /// Looks for stretched copies too.
    #[default]
    Normal,
    /// Looks for finer details too.
    Thorough,
}

/// The vendor's limit.
pub(super) const MAX_SIDE: u32 = 4096;
/// Up to the engine's limit.
const MAX_SIDE_RANGE: RangeInclusive<u32> = MAX_SIDE..=16_384;
/// Timeout of one request to a vendor or a cluster.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(1);

pub(super) fn profile(value: &str) -> Result<Profile, String> {
    match value {
        "loose" => Ok(Profile::Loose),
        "balanced" => Ok(Profile::Balanced),
        "strict" => Ok(Profile::Strict),
        _ => Err(format!("must be loose, balanced or strict, not `{value}`")),
    }
}

pub(super) fn effort(value: &str) -> Result<Effort, String> {
    match value {
        "fast" => Ok(Effort::Fast),
        "normal" => Ok(Effort::Normal),
        "thorough" => Ok(Effort::Thorough),
        _ => Err(format!("must be fast, normal or thorough, not `{value}`")),
    }
}

pub(super) fn score(value: &str) -> Result<f64, String> {
    parse::number(value, &(0.0..=1.0))
}

pub(super) fn max_side(value: &str) -> Result<u32, String> {
    parse::number(value, &MAX_SIDE_RANGE)
}

/// Parses the URL of a server. The message omits the value, since the parts that are rejected may
/// hold secrets.
pub(super) fn base_url(value: &str) -> Result<Url, String> {
    let message = "must be an http or https URL without user, query or fragment";
    let url = Url::parse(value).map_err(|error| format!("{message}: {error}"))?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if bare && matches!(url.scheme(), "http" | "https") {
        return Ok(url);
    }
    Err(message.to_owned())
}

pub(super) fn timeout(value: &str) -> Result<Duration, String> {
    parse::duration_within(value, &TIMEOUT_RANGE, "from 1ms to 1h")
}
