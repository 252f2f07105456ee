//! The issuer's public keys (JSON Web Key Set, RFC 7517), cached and refreshed.
//!
//! They are fetched at start. An unknown `kid` can be a new key, so it triggers a fetch, up to once
//! per cool-down: callers cannot make the gateway flood the issuer. Keys in use are refreshed in
//! the background when they are old, so that a withdrawn key expires. A fetch that fails keeps the
//! previous keys.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::config::JwksSource;
use crate::error::{Error, Kind, Result};

/// The cached keys; clones share them.
#[derive(Clone)]
pub(super) struct Jwks(Arc<Inner>);

struct Inner {
    source: Source,
    cooldown: Duration,
    cached: RwLock<CachedKeys>,
    /// When callers last triggered a fetch. Locked during fetches, so that they are a single
    /// flight.
    last_triggered: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone, Default)]
struct CachedKeys {
    keys: Arc<HashMap<String, Key>>,
    /// Time of the last fetch; `None` before the first success.
    fetched: Option<Instant>,
    /// Whether the last fetch failed.
    is_stale: bool,
}

enum Source {
    File(PathBuf),
    Url(Url, reqwest::Client),
}

/// One key of the issuer.
#[derive(Clone)]
pub(super) struct Key {
    decoding: DecodingKey,
    /// Its only algorithm, if the issuer restricts it.
    algorithm: Option<Algorithm>,
}

/// Result of looking for a `kid`.
pub(super) enum KeyLookup {
    Found(Key),
    /// The issuer has no such key, or the cool-down forbids another fetch.
    Unknown,
    /// The keys could not be fetched.
    Unavailable,
}

/// Age at which keys in use are refreshed; issuers tell caches to keep keys for minutes to hours,
/// and a withdrawn key must not be accepted for long.
const MAX_AGE: Duration = Duration::from_mins(5);
/// Timeout of one fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a set of keys; a key is about 1 kB.
const MAX_BYTES: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

// === impl Jwks ===

impl Jwks {
    /// Starts to fetch the keys.
    pub(super) fn new(source: &JwksSource, cooldown: Duration) -> Result<Self> {
        let source = match source {
            JwksSource::File(path) => Source::File(path.clone()),
            JwksSource::Url(url) => Source::Url(url.clone(), client()?),
        };
        let jwks = Jwks(Arc::new(Inner {
            source,
            cooldown,
            cached: RwLock::default(),
            last_triggered: Arc::default(),
        }));
        jwks.refresh_in_background();
        Ok(jwks)
    }

    /// Returns the key with this `kid`.
    pub(super) async fn find(&self, kid: &str) -> KeyLookup {
        let cached = self.cached();
        if let Some(key) = cached.keys.get(kid) {
            if cached.fetched.is_some_and(|time| time.elapsed() > MAX_AGE) {
                self.refresh_in_background();
            }
            return KeyLookup::Found(key.clone());
        }
        let (jwks, unknown) = (self.clone(), kid.to_owned());
        // In a task: a caller that leaves must not abort the fetch that others wait for.
        let refreshed = tokio::spawn(async move { jwks.refresh_for(&unknown).await });
        if refreshed.await.is_err() {
            return KeyLookup::Unavailable;
        }
        let cached = self.cached();
        match cached.keys.get(kid) {
            Some(key) => KeyLookup::Found(key.clone()),
            None if cached.is_stale => KeyLookup::Unavailable,
            None => KeyLookup::Unknown,
        }
    }

    /// Fetches once for all callers that miss a key, if the cool-down is over.
    async fn refresh_for(&self, kid: &str) {
        let mut last_triggered = self.0.last_triggered.lock().await;
        let is_known = self.cached().keys.contains_key(kid);
        let is_cooling = last_triggered.is_some_and(|time| time.elapsed() < self.0.cooldown);
        if is_known || is_cooling {
            return;
        }
        *last_triggered = Some(Instant::now());
        self.refresh().await;
    }

    /// Fetches unless a fetch is running.
    fn refresh_in_background(&self) {
        // Locked here and not in the task, so that a later caller sees that a fetch is running.
        let Ok(single_flight) = Arc::clone(&self.0.last_triggered).try_lock_owned() else {
            return;
        };
        let jwks = self.clone();
        tokio::spawn(async move {
            jwks.refresh().await;
            drop(single_flight);
        });
    }

    async fn refresh(&self) {
        let fetched = self.0.source.fetch().await.and_then(|text| parse(&text));
        let mut cached = self
            .0
            .cached
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(keys) => {
                *cached = CachedKeys {
                    keys: Arc::new(keys),
                    fetched: Some(Instant::now()),
                    is_stale: false,
                };
            }
            Err(error) => {
                // The previous keys may still be valid; the next fetch is due after their age.
                cached.fetched = cached.fetched.map(|_| Instant::now());
                cached.is_stale = true;
                tracing::warn!(%error, "JWKS refresh failed, keeping the previous keys");
            }
        }
    }

    fn cached(&self) -> CachedKeys {
        let cached = self.0.cached.read();
        cached.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwks({} keys)", self.cached().keys.len())
    }
}

fn client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        // The gateway reads no configuration from proxy variables of the environment.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(FETCH_TIMEOUT)
        .build()
        .map_err(|error| {
            Error::new(Kind::Internal, "cannot make an HTTP client").with_source(error)
        })
}

// === impl Source ===

impl Source {
    async fn fetch(&self) -> Result<Vec<u8>, String> {
        match self {
            Source::File(path) => tokio::fs::read(path)
                .await
                .map_err(|error| error.to_string()),
            Source::Url(url, client) => {
                let response = client.get(url.clone()).send().await;
                let response = response.and_then(reqwest::Response::error_for_status);
                let mut response = response.map_err(without_url)?;
                let mut text = Vec::new();
                while let Some(chunk) = response.chunk().await.map_err(without_url)? {
                    text.extend_from_slice(&chunk);
                    if text.len() > MAX_BYTES {
                        return Err(format!("longer than {MAX_BYTES} bytes"));
                    }
                }
                Ok(text)
            }
        }
    }
}

fn without_url(error: reqwest::Error) -> String {
    crate::error::chain(&error.without_url())
}

/// Parses a set of keys; leaves out keys of other kinds and for other uses than signatures.
fn parse(text: &[u8]) -> Result<HashMap<String, Key>, String> {
    let document: Document = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let keys = document.keys.into_iter();
    Ok(keys
        .filter_map(|key| serde_json::from_value(key).ok())
        .filter_map(parse_key)
        .collect())
}

fn parse_key(jwk: Jwk) -> Option<(String, Key)> {
    if matches!(&jwk.common.public_key_use, Some(usage) if *usage != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.common.key_algorithm {
        None => None,
        Some(algorithm) => Some(algorithm.to_string().parse().ok()?),
    };
    let key = Key {
        decoding: DecodingKey::from_jwk(&jwk).ok()?,
        algorithm,
    };
    Some((jwk.common.key_id?, key))
}

// === impl Key ===

impl Key {
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.decoding.family() == algorithm.family()
            && self.algorithm.is_none_or(|only| only == algorithm)
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}
