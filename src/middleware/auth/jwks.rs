//! The issuer's public keys (JSON Web Key Set, RFC 7517), kept up to date.
//!
//! They are fetched at start. A `kid` that is not among them may be a new key,
//! so they are fetched again, at most once per cool-down: callers cannot make
//! the gateway flood the issuer. Keys that are in use are fetched again in the
//! background when they are old, so that a withdrawn key ends. A fetch that
//! fails changes nothing.

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

/// The keys; clones share them.
#[derive(Clone)]
pub(super) struct Jwks(Arc<Shared>);

struct Shared {
    source: Source,
    cool_down: Duration,
    known: RwLock<Known>,
    /// When callers last caused a fetch. Held during fetches, so that there is
    /// one at a time.
    caused: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<HashMap<String, Key>>,
    /// When they were fetched; `None` before the first success.
    fetched: Option<Instant>,
    /// Whether the last fetch failed.
    failed: bool,
}

enum Source {
    File(PathBuf),
    Url(Url, reqwest::Client),
}

/// One key of the issuer.
#[derive(Clone)]
pub(super) struct Key {
    decoding: DecodingKey,
    /// The only algorithm that it is for, where the issuer says so.
    algorithm: Option<Algorithm>,
}

/// What is known of a `kid`.
pub(super) enum Found {
    Key(Key),
    /// The issuer has no such key, or none that was looked for again yet.
    Nothing,
    /// The issuer could not be asked.
    Unavailable,
}

/// Keys older than this are fetched again; caches of issuers say minutes to
/// hours, and a withdrawn key must not live for long.
const OLD: Duration = Duration::from_mins(5);
/// Longest time for one fetch.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest set of keys; a key is about 1 kB.
const MAX_BYTES: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

// === impl Jwks ===

impl Jwks {
    /// Knows where the keys are, and begins to fetch them.
    pub(super) fn new(source: &JwksSource, cool_down: Duration) -> Result<Self> {
        let source = match source {
            JwksSource::File(path) => Source::File(path.clone()),
            JwksSource::Url(url) => Source::Url(url.clone(), client()?),
        };
        let jwks = Jwks(Arc::new(Shared {
            source,
            cool_down,
            known: RwLock::default(),
            caused: Arc::default(),
        }));
        jwks.refresh_in_background();
        Ok(jwks)
    }

    /// Finds the key with this `kid`.
    pub(super) async fn find(&self, kid: &str) -> Found {
        let known = self.known();
        if let Some(key) = known.keys.get(kid) {
            if known.fetched.is_some_and(|time| time.elapsed() > OLD) {
                self.refresh_in_background();
            }
            return Found::Key(key.clone());
        }
        let (jwks, wanted) = (self.clone(), kid.to_owned());
        // A caller that leaves must not take the fetch of the others with it.
        let looked = tokio::spawn(async move { jwks.look_again(&wanted).await });
        if looked.await.is_err() {
            return Found::Unavailable;
        }
        let known = self.known();
        match known.keys.get(kid) {
            Some(key) => Found::Key(key.clone()),
            None if known.failed => Found::Unavailable,
            None => Found::Nothing,
        }
    }

    /// Fetches once for all who miss a key now, if the cool-down is over.
    async fn look_again(&self, kid: &str) {
        let mut caused = self.0.caused.lock().await;
        let is_known = self.known().keys.contains_key(kid);
        let is_early = caused.is_some_and(|time| time.elapsed() < self.0.cool_down);
        if is_known || is_early {
            return;
        }
        *caused = Some(Instant::now());
        self.refresh().await;
    }

    /// Fetches unless somebody does already.
    fn refresh_in_background(&self) {
        // Locked here and not in the task: who comes after it finds it fetching.
        let Ok(one_at_a_time) = Arc::clone(&self.0.caused).try_lock_owned() else {
            return;
        };
        let jwks = self.clone();
        tokio::spawn(async move {
            jwks.refresh().await;
            drop(one_at_a_time);
        });
    }

    async fn refresh(&self) {
        let fetched = self.0.source.fetch().await.and_then(|text| parse(&text));
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(keys) => {
                *known = Known {
                    keys: Arc::new(keys),
                    fetched: Some(Instant::now()),
                    failed: false,
                };
            }
            Err(error) => {
                // The old ones may still be good; they are tried again later.
                known.fetched = known.fetched.map(|_| Instant::now());
                known.failed = true;
                tracing::warn!(%error, "the keys of the tokens' issuer cannot be fetched");
            }
        }
    }

    fn known(&self) -> Known {
        let known = self.0.known.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwks({} keys)", self.known().keys.len())
    }
}

fn client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build();
    client.map_err(|error| {
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
                        return Err(format!("more than {MAX_BYTES} bytes"));
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

/// Reads a set; keys that are not for us, or that we do not know, are left out.
fn parse(text: &[u8]) -> Result<HashMap<String, Key>, String> {
    let document: Document = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let keys = document.keys.into_iter();
    let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    Ok(keys.filter_map(key).collect())
}

fn key(jwk: Jwk) -> Option<(String, Key)> {
    if matches!(&jwk.common.public_key_use, Some(usage) if *usage != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.common.key_algorithm {
        None => None,
        Some(algorithm) => Some(algorithm.to_string().parse().ok()?),
    };
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    let key = Key {
        decoding,
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
