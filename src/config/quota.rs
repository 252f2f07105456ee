//! `[quota]` and `tenants.NAME.quota`: how much each tenant may take.

use std::ops::RangeInclusive;

use super::replicas::{self, Store};
use super::section::Section;
use super::text;

/// Where quotas are counted.
#[derive(Clone, Debug)]
pub struct Quota {
    /// Where the counts are kept. Default: in this process.
    pub store: Store,
    /// What happens to calls while Redis does not answer. Default: local.
    pub on_failure: OnFailure,
    /// Whether quotas are only watched: rejections are logged and counted, and
    /// the calls admitted. Default: false.
    pub shadow: bool,
}

/// What happens to calls while Redis does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Each replica admits its share of the quota.
    #[default]
    Local,
    /// Every call is admitted.
    Open,
    /// Every call of a tenant with a quota is rejected.
    Closed,
}

/// What one tenant may take; `None` is without limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantQuota {
    /// Requests a second, on average.
    pub requests_per_second: Option<u64>,
    /// Requests that may come at once. Default: those of one second.
    pub burst: Option<u64>,
    /// Requests a day of UTC.
    pub requests_per_day: Option<u64>,
    /// Bytes of requests a second, on average; those of one second may come at
    /// once.
    pub bytes_per_second: Option<u64>,
    /// Requests that may run at once.
    pub concurrent: Option<u64>,
}

const REQUESTS: RangeInclusive<u64> = 1..=1_000_000;
const REQUESTS_PER_DAY: RangeInclusive<u64> = 1..=1_000_000_000_000;
/// From the least that lets one image pass in a minute or so.
const BYTES: RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024 * 1024;

pub(super) fn read(mut section: Section<'_>) -> Option<Quota> {
    let store = section.value("store", replicas::store);
    let on_failure = section.value("on_failure", on_failure);
    let shadow = section.value("shadow", text::truth);
    section.finish();
    Some(Quota {
        store: store?,
        on_failure: on_failure?,
        shadow: shadow?,
    })
}

pub(super) fn read_tenant(mut section: Section<'_>) -> Option<TenantQuota> {
    let requests_per_second = section.optional("requests_per_second", None, requests);
    let burst = section.optional("burst", None, requests);
    let requests_per_day = section.optional("requests_per_day", None, requests_per_day);
    let bytes_per_second = section.optional("bytes_per_second", None, bytes);
    let concurrent = section.optional("concurrent", None, requests);
    if let (Some(None), Some(Some(_))) = (requests_per_second, burst) {
        section.error("burst", "means nothing without `requests_per_second`");
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
    text::number(value, &REQUESTS).map(Some)
}

fn requests_per_day(value: &str) -> Result<Option<u64>, String> {
    text::number(value, &REQUESTS_PER_DAY).map(Some)
}

fn bytes(value: &str) -> Result<Option<u64>, String> {
    let size = Some(text::bytes(value)?).filter(|size| BYTES.contains(size));
    let size = size.ok_or_else(|| format!("must be from 64KiB to 1024GiB, not `{value}`"))?;
    Ok(Some(size))
}
