//! `[quota]` and `tenants.NAME.quota`: the usage limits of tenants.

use std::ops::RangeInclusive;

use super::parse;
use super::replicas::{self, Store};
use super::section::Section;

/// How quotas are enforced.
#[derive(Clone, Debug)]
pub struct Quota {
    /// Where usage is counted. Default: in this process.
    pub store: Store,
    /// How calls are decided while Redis is unavailable. Default: local.
    pub on_failure: OnFailure,
    /// Whether calls over a quota are admitted, and only logged and counted. Default: false.
    pub shadow_mode: bool,
}

/// How calls are decided while Redis is unavailable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Each replica admits its share of the quota.
    #[default]
    Local,
    /// Every call is admitted (fail open).
    Open,
    /// Every call of a tenant with a quota is rejected (fail closed).
    Closed,
}

/// Usage limits of one tenant; `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantQuota {
    /// Average requests per second.
    pub requests_per_second: Option<u64>,
    /// Requests that are admitted at once. Default: `requests_per_second`.
    pub burst: Option<u64>,
    /// Requests per day, in UTC.
    pub requests_per_day: Option<u64>,
    /// Average bytes of requests per second; those of one second are admitted at once.
    pub bytes_per_second: Option<u64>,
    /// Requests that run at the same time.
    pub concurrent: Option<u64>,
}

const REQUESTS: RangeInclusive<u64> = 1..=1_000_000;
const REQUESTS_PER_DAY: RangeInclusive<u64> = 1..=1_000_000_000_000;
/// The minimum admits an image of the maximum size about once a minute.
const BYTES: RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024 * 1024;

pub(super) fn read(mut section: Section<'_>) -> Option<Quota> {
    let store = section.required("store", replicas::store);
    let on_failure = section.required("on_failure", on_failure);
    let shadow_mode = section.required("shadow_mode", parse::boolean);
    section.finish();
    Some(Quota {
        store: store?,
        on_failure: on_failure?,
        shadow_mode: shadow_mode?,
    })
}

pub(super) fn read_tenant(mut section: Section<'_>) -> Option<TenantQuota> {
    let requests_per_second = section.optional("requests_per_second", None, requests);
    let burst = section.optional("burst", None, requests);
    let requests_per_day = section.optional("requests_per_day", None, requests_per_day);
    let bytes_per_second = section.optional("bytes_per_second", None, bytes);
    let concurrent = section.optional("concurrent", None, requests);
    if let (Some(None), Some(Some(_))) = (requests_per_second, burst) {
        section.error("burst", "has no effect without `requests_per_second`");
    }
    section.finish();
    Some(TenantQuota {
        requests_per_second: requests_per_second?,
        burst: burst?,
        requests_per_day: requests_per_day?,
        bytes_per_second: bytes_per_second?,
        concurrent: concurrent?,
    })
}

fn on_failure(value: &str) -> Result<OnFailure, String> {
    match value {
        "local" => Ok(OnFailure::Local),
        "open" => Ok(OnFailure::Open),
        "closed" => Ok(OnFailure::Closed),
        _ => Err(format!("must be local, open or closed, not `{value}`")),
    }
}

fn requests(value: &str) -> Result<Option<u64>, String> {
    parse::number(value, &REQUESTS).map(Some)
}

fn requests_per_day(value: &str) -> Result<Option<u64>, String> {
    parse::number(value, &REQUESTS_PER_DAY).map(Some)
}

fn bytes(value: &str) -> Result<Option<u64>, String> {
    parse::bytes_within(value, &BYTES, "from 64KiB to 1024GiB").map(Some)
}
