//! The access token of a credential: one fetch for all callers, refreshed before it expires, never
//! sent after.
//!
//! A moka cache holds the token for the rest of its ttl ([`RemainingTtl`]); its `entry` API is the
//! single flight: changes of one key run one after another, and each checks first whether the one
//! before has made it unnecessary. In order: a call gets the cached token; past 70-85 % of the ttl
//! it also starts a token refresh in the background; without a token it waits for a fetch, or fails
//! at once while the backoff of the last failure runs. Nothing here knows HTTP.

mod cached;
mod refresh_state;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(interleavings)]
use loom::sync::atomic::AtomicBool;
#[cfg(not(interleavings))]
use std::sync::atomic::AtomicBool;

use futures_util::future::{BoxFuture, FutureExt};
use moka::Entry;
use moka::future::Cache;
use moka::ops::compute::Op;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use self::cached::RemainingTtl;
use self::refresh_state::RefreshState;
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::jitter;
use crate::wire::TokenGrant;

pub(super) use self::cached::CachedToken;

/// Share of the ttl after which a token is refreshed: drawn from this range, so that replicas do
/// not refresh all at once.
const REFRESH_AFTER: Range<f64> = 0.70..0.85;
/// Requests a token from the token endpoint.
pub(super) type Fetch = Box<dyn Fn() -> BoxFuture<'static, Result<TokenGrant>> + Send + Sync>;

/// The tokens of all credentials of a library; clones share them.
#[derive(Clone)]
pub(super) struct TokenCache(Cache<Key, Arc<CachedToken>>);

/// Digest of API key and secret: a changed secret is another credential.
type Key = blake3::Hash;

/// The access token of one credential; clones share it.
#[derive(Clone)]
pub(super) struct AccessToken(Arc<Inner>);

// Three things are beside moka, because moka does not do them; each has a test in
// `token/tests/moka.rs`:
//
// - Failures. Their backoff must not replace a token that is still valid, so it
//   is no entry of the cache but in `RefreshState`.
// - The task of a fetch. moka drops a fetch with the caller that started it, and
//   the next caller starts another one.
// - The expiry by tokio's clock. moka has a clock of its own, which tests cannot
//   pause, and a call can wait for the rate limit after it got its token.
//
// `try_get_with` is not used. It never replaces a token that is still valid, as a refresh does, and
// it is not the single flight of `entry`, so the two together would send two requests at once.
struct Inner {
    key: Key,
    cache: Cache<Key, Arc<CachedToken>>,
    state: Mutex<RefreshState>,
    fetch: Fetch,
    refreshing: Arc<AtomicBool>,
}

/// Why a token is fetched.
enum RefreshReason {
    /// There is no valid token.
    Missing,
    /// The token is near its expiry.
    NearExpiry,
    /// The vendor rejected this token.
    Rejected(Arc<CachedToken>),
}

/// The fetch failed; the failure is in the [`RefreshState`].
struct FetchFailed;

// === impl TokenCache ===

impl TokenCache {
    /// Creates the cache of a library. It is bounded by the number of credentials.
    pub(super) fn new() -> Self {
        TokenCache(Cache::builder().expire_after(RemainingTtl).build())
    }
}

// === impl AccessToken ===

impl AccessToken {
    /// Creates the token of a credential; the first call fetches it.
    pub(super) fn new(cache: &TokenCache, credential: &config::Credential, fetch: Fetch) -> Self {
        AccessToken(Arc::new(Inner {
            key: key(credential),
            cache: cache.0.clone(),
            state: Mutex::default(),
            fetch,
            refreshing: Arc::default(),
        }))
    }

    /// Returns a token that has not expired. Dropping the future cancels the wait, not the fetch.
    ///
    /// # Errors
    ///
    /// The failure of the fetch, at once while its backoff runs.
    pub(super) async fn get(&self) -> Result<Arc<CachedToken>> {
        if let Some(token) = self.0.valid().await {
            if self.0.state().may_fetch(Instant::now()) {
                self.refresh_in_background();
            }
            return Ok(token);
        }
        if let Some(error) = self.0.state().recent_failure(Instant::now()) {
            return Err(error);
        }
        self.refresh(RefreshReason::Missing)
            .await?
            .ok_or_else(|| self.0.state().error(Instant::now()))
    }

    /// Refreshes a token that the vendor rejected; `None` while the last forced refresh is less
    /// than a second ago.
    ///
    /// # Errors
    ///
    /// The failure of the fetch.
    pub(super) async fn refresh_rejected(
        &self,
        rejected: Arc<CachedToken>,
    ) -> Result<Option<Arc<CachedToken>>> {
        let token = self
            .refresh(RefreshReason::Rejected(rejected.clone()))
            .await?;
        let state = self.0.state();
        match token {
            Some(token) if !Arc::ptr_eq(&token, &rejected) => Ok(Some(token)),
            Some(_) | None if state.failure().is_some() => Err(state.error(Instant::now())),
            Some(_) | None => Ok(None),
        }
    }

    /// Returns age and remaining ttl of the valid token.
    pub(super) fn age_and_ttl(&self) -> Option<(Duration, Duration)> {
        // A read of the cache never waits.
        let token = self.0.valid().now_or_never()??;
        let now = Instant::now();
        Some((token.age(now), token.ttl(now)))
    }

    fn refresh_in_background(&self) {
        let Some(refresh) = BackgroundRefresh::begin(&self.0.refreshing) else {
            return;
        };
        let inner = self.0.clone();
        tokio::spawn(async move {
            let _refresh = refresh;
            if inner.refresh(RefreshReason::NearExpiry).await.is_err()
                && let Some(failure) = inner.state().failure().cloned()
            {
                tracing::warn!(
                    reason = failure.kind.reason(),
                    failures = failure.count,
                    "access token refresh failed, keeping the current token"
                );
            }
        });
    }

    /// Refreshes in a task of its own, which a cancelled caller does not cancel.
    async fn refresh(&self, reason: RefreshReason) -> Result<Option<Arc<CachedToken>>> {
        let inner = self.0.clone();
        let refresh = tokio::spawn(async move { inner.refresh(reason).await });
        let refreshed = refresh.await.map_err(|error| {
            let message = "the fetch of the access token broke off";
            Error::new(Kind::Internal, message).with_source(error)
        })?;
        refreshed.map_err(|FetchFailed| self.0.state().error(Instant::now()))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}

// === impl Inner ===

impl Inner {
    async fn valid(&self) -> Option<Arc<CachedToken>> {
        let token = self.cache.get(&self.key).await?;
        (!token.is_expired(Instant::now())).then_some(token)
    }

    /// Fetches a token, if the refreshes before this one have not made it unnecessary. A failed
    /// fetch keeps the current token.
    async fn refresh(
        &self,
        reason: RefreshReason,
    ) -> Result<Option<Arc<CachedToken>>, FetchFailed> {
        let outcome = self
            .cache
            .entry(self.key)
            .and_try_compute_with(async |entry| {
                let current = entry.map(Entry::into_value);
                if !self.should_fetch(current.as_ref(), &reason) {
                    return Ok(Op::Nop);
                }
                self.fetch(&reason).await.map(Op::Put)
            })
            .await?;
        let token = outcome.into_entry().map(Entry::into_value);
        Ok(token.filter(|token| !token.is_expired(Instant::now())))
    }

    fn should_fetch(&self, current: Option<&Arc<CachedToken>>, reason: &RefreshReason) -> bool {
        let (state, now) = (self.state(), Instant::now());
        match reason {
            RefreshReason::Missing => {
                current.is_none_or(|token| token.is_expired(now))
                    && state.recent_failure(now).is_none()
            }
            RefreshReason::NearExpiry => state.may_fetch(now),
            RefreshReason::Rejected(rejected) => {
                current.is_none_or(|token| Arc::ptr_eq(token, rejected)) && state.may_force(now)
            }
        }
    }

    async fn fetch(&self, reason: &RefreshReason) -> Result<Arc<CachedToken>, FetchFailed> {
        // The ttl counts from before the request, so that it ends here first.
        let requested_at = Instant::now();
        let token = (self.fetch)()
            .await
            .and_then(|grant| CachedToken::new(grant, requested_at));
        let mut state = self.state();
        if let RefreshReason::Rejected(_) = reason {
            state.record_forced(requested_at);
        }
        match token {
            Ok(token) => {
                let refresh_after = token
                    .ttl(requested_at)
                    .mul_f64(jitter::random(REFRESH_AFTER));
                state.record_success(requested_at + refresh_after);
                Ok(Arc::new(token))
            }
            Err(error) => {
                state.record_failure(&error);
                Err(FetchFailed)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, RefreshState> {
        // Nothing in a change can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A refresh in the background, of which there is one at a time; it ends when this is dropped, also
/// by a panic.
struct BackgroundRefresh(Arc<AtomicBool>);

impl BackgroundRefresh {
    fn begin(flag: &Arc<AtomicBool>) -> Option<Self> {
        flag.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        Some(BackgroundRefresh(flag.clone()))
    }
}

impl Drop for BackgroundRefresh {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn key(credential: &config::Credential) -> Key {
    let mut hasher = blake3::Hasher::new();
    // The length separates the two keys.
    hasher.update(&(credential.api_key.len() as u64).to_le_bytes());
    hasher.update(credential.api_key.as_bytes());
    hasher.update(credential.secret_key.expose_secret().as_bytes());
    hasher.finalize()
}

/// All interleavings of threads (`make loom`). moka serializes the changes of an entry.
#[cfg(all(test, interleavings))]
mod interleavings {
    use loom::sync::atomic::AtomicUsize;
    use loom::thread::spawn;

    use super::*;

    #[test]
    fn no_interleaving_refreshes_twice_at_once_or_never_again() {
        loom::model(|| {
            let flag = Arc::new(AtomicBool::new(false));
            let running = Arc::new(AtomicUsize::new(0));
            let call = || {
                let (flag, running) = (flag.clone(), running.clone());
                spawn(move || {
                    let refresh = BackgroundRefresh::begin(&flag);
                    if refresh.is_some() {
                        assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0);
                        running.fetch_sub(1, Ordering::Relaxed);
                    }
                    refresh.is_some()
                })
            };

            let [one, other] = [call(), call()].map(|call| call.join().unwrap());

            assert!(one || other, "one of them refreshes");
            assert!(
                BackgroundRefresh::begin(&flag).is_some(),
                "and the next can"
            );
        });
    }
}

#[cfg(test)]
mod tests;
