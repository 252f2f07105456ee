//! `[redis]` and `[rate_limit]`: what the replicas of a gateway count together.

use secrecy::{ExposeSecret, SecretString};

use super::parse;
use super::section::Section;

/// The Redis that all replicas share.
#[derive(Clone, Debug)]
pub struct Redis {
    /// `redis://` or `rediss://` URL; it may hold a password.
    pub url: SecretString,
    /// Number of replicas that use it. Default: 1.
    pub replicas: u32,
}

/// Where usage is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// In this process: each replica counts its own.
    #[default]
    Local,
    /// In the Redis of `[redis]`.
    Redis,
}

pub(super) fn read(mut section: Section<'_>) -> Option<Redis> {
    let url = section
        .secret("url", "url_file")
        .filter(|url| is_redis(&section, url));
    let replicas = section.optional("replicas", 1, replicas);
    section.finish();
    Some(Redis {
        url: url?,
        replicas: replicas?,
    })
}

/// Reads `[rate_limit]`: where the sends of the vendor's accounts are counted.
pub(super) fn read_rate_limit(mut section: Section<'_>) -> Option<Store> {
    let store = section.required("store", store);
    section.finish();
    store
}

pub(super) fn store(value: &str) -> Result<Store, String> {
    match value {
        "local" => Ok(Store::Local),
        "redis" => Ok(Store::Redis),
        _ => Err(format!("must be local or redis, not `{value}`")),
    }
}

/// Checks the URL. The message omits it, since it may hold a password.
fn is_redis(section: &Section<'_>, url: &SecretString) -> bool {
    let is_valid = url::Url::parse(url.expose_secret())
        .is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.host_str().is_some());
    if !is_valid {
        section.error(
            "url",
            "must be a URL such as redis://HOST:PORT or rediss://…",
        );
    }
    is_valid
}

fn replicas(value: &str) -> Result<u32, String> {
    parse::number(value, &(1..=10_000))
}
