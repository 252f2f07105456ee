//! `[quota]` and `tenants.NAME.quota`: how much each tenant may take.

use std::ops::RangeInclusive;

use secrecy::SecretString;

use super::section::Section;
use super::text;

/// Where quotas are counted.
#[derive(Clone, Debug)]
pub struct Quota {
    /// Where the counts are kept. Default: in this process.
    pub store: QuotaStore,
    /// Whether quotas are only watched: refusals are logged and counted, and
    /// the calls admitted. Default: false.
    pub shadow: bool,
}

/// Where the counts of quotas are kept.
#[derive(Clone, Debug)]
pub enum QuotaStore {
    /// In this process: each replica admits the whole quota.
    Local,
    /// In a Redis that all replicas share.
    Redis(RedisQuota),
}

/// A Redis that holds the counts.
#[derive(Clone, Debug)]
pub struct RedisQuota {
    /// `redis://` or `rediss://` URL; it may hold a password.
    pub url: SecretString,
    /// What happens to calls while it does not answer. Default: local.
    pub on_failure: OnFailure,
    /// Replicas that share the quotas. Default: 1.
    pub replicas: u32,
}

/// What happens to calls while Redis does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Each replica admits its share of the quota.
    #[default]
    Local,
    /// Every call is admitted.
    Open,
    /// Every call of a tenant with a quota is refused.
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
/// From the least that lets one picture pass in a minute or so.
const BYTES: RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024 * 1024;

pub(super) fn read(mut section: Section<'_>) -> Option<Quota> {
    let shadow = section.value("shadow", text::truth);
    let store = if section.is_table("store") {
        read_redis(section.section("store")).map(QuotaStore::Redis)
    } else {
        section.value("store", local)
    };
    section.finish();
    Some(Quota {
        store: store?,
        shadow: shadow?,
    })
}

fn read_redis(mut section: Section<'_>) -> Option<RedisQuota> {
    let url = section.secret("redis", "redis_file");
    let url = url.filter(|url| is_redis(&section, url));
    let on_failure = section.optional("on_failure", OnFailure::default(), on_failure);
    let replicas = section.optional("replicas", 1, replicas);
    section.finish();
    Some(RedisQuota {
        url: url?,
        on_failure: on_failure?,
        replicas: replicas?,
    })
}

/// The URL may hold a password, so it is not shown.
fn is_redis(section: &Section<'_>, url: &SecretString) -> bool {
    use secrecy::ExposeSecret;
    let parsed = url::Url::parse(url.expose_secret()).ok();
    let good = parsed
        .is_some_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.host_str().is_some());
    if !good {
        section.fault("redis", "must be a URL as redis://HOST:PORT or rediss://…");
    }
    good
}

pub(super) fn read_tenant(mut section: Section<'_>) -> Option<TenantQuota> {
    let requests_per_second = section.optional("requests_per_second", None, requests);
    let burst = section.optional("burst", None, requests);
    let requests_per_day = section.optional("requests_per_day", None, requests_per_day);
    let bytes_per_second = section.optional("bytes_per_second", None, bytes);
    let concurrent = section.optional("concurrent", None, requests);
    if let (Some(None), Some(Some(_))) = (requests_per_second, burst) {
        section.fault("burst", "means nothing without `requests_per_second`");
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

fn local(value: &str) -> Result<QuotaStore, String> {
    match value {
        "local" => Ok(QuotaStore::Local),
        _ => Err("must be \"local\" or { redis = \"redis://…\" }".to_owned()),
    }
}

fn on_failure(value: &str) -> Result<OnFailure, String> {
    match value {
        "local" => Ok(OnFailure::Local),
        "open" => Ok(OnFailure::Open),
        "closed" => Ok(OnFailure::Closed),
        _ => Err(format!("must be local, open or closed, not `{value}`")),
    }
}

fn replicas(value: &str) -> Result<u32, String> {
    text::number(value, &(1..=10_000))
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
