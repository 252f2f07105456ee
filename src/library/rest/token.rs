//! The access token of a credential: fetched once, renewed ahead, never stale.
//!
//! A slot in a moka cache holds what is known of a credential's token. Whoever
//! needs a change of it asks for one in a task of its own, so that a caller
//! that goes away takes nothing with it; moka runs the changes of a slot one
//! after another, and each looks again whether it is still needed. In order:
//! a caller takes the valid token; past 70-85 % of its life it also starts a
//! renewal behind its back; without a valid one it waits for a fetch, or is
//! rejected at once while the last failure is fresh. Nothing here knows HTTP.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[cfg(interleavings)]
use loom::sync::atomic::AtomicBool;
#[cfg(not(interleavings))]
use std::sync::atomic::AtomicBool;

use futures_util::future::{BoxFuture, FutureExt};
use moka::future::Cache;
use moka::ops::compute::Op;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::jitter;
use crate::config::Credential;
use crate::error::{Error, Kind, Result, Retry};
use crate::wire::TokenGrant;

/// Share of a token's life after which it is renewed: drawn from this range,
/// so that replicas do not renew all at once.
const RENEW_AFTER: std::ops::Range<f64> = 0.70..0.85;
/// Least time between two renewals that the vendor's rejections force.
const FORCED_INTERVAL: Duration = Duration::from_secs(1);
/// Wait after the first failed fetch, and the least after any: the endpoint is
/// asked at most once a second. It doubles with each further failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait after a failed fetch: nobody is rejected for longer once the
/// endpoint is back.
const MAX_WAIT: Duration = Duration::from_secs(8);
/// Longest life that is believed; the vendor grants 30 days.
const MAX_LIFE: Duration = Duration::from_secs(366 * 86_400);

/// Asks the token endpoint for a token.
pub(super) type Fetch = Box<dyn Fn() -> BoxFuture<'static, Result<TokenGrant>> + Send + Sync>;

/// The tokens of one credential.
#[derive(Clone)]
pub(super) struct Tokens(Arc<Cell>);

/// A granted token.
pub(super) struct Token {
    text: SecretString,
    granted_at: Instant,
    expires_at: Instant,
    /// Whether the vendor took it once.
    accepted: AtomicBool,
}

struct Cell {
    key: Key,
    slots: Cache<Key, Arc<Slot>>,
    fetch: Fetch,
    renewing: Arc<AtomicBool>,
}

/// Digest of API key and secret: a changed secret is another credential.
type Key = blake3::Hash;

/// What is known of a credential's token.
#[derive(Clone, Default)]
struct Slot {
    token: Option<Arc<Token>>,
    /// Before this moment the endpoint is not asked ahead of need, and not at
    /// all while `failure` is set.
    next_fetch: Option<Instant>,
    /// The last fetch, where it failed.
    failure: Option<Failure>,
    /// When the vendor's rejection of a token last forced a fetch.
    forced_at: Option<Instant>,
}

/// A failed fetch, told to everybody who comes while it is fresh.
#[derive(Clone)]
struct Failure {
    kind: Kind,
    message: String,
    /// Failures in a row, this one included.
    count: u32,
}

/// Why a slot is to be changed.
enum Need {
    /// There is no valid token.
    Missing,
    /// The token nears its end.
    Ahead,
    /// The vendor rejected this token.
    Rejected(Arc<Token>),
}

// === impl Tokens ===

impl Tokens {
    /// Makes the cell; the first token is fetched by the first caller.
    pub(super) fn new(credential: &Credential, fetch: Fetch) -> Self {
        Tokens(Arc::new(Cell {
            key: key(credential),
            slots: Cache::new(1),
            fetch,
            renewing: Arc::default(),
        }))
    }

    /// A token that has not expired. Dropping the future ends nothing but the
    /// wait.
    ///
    /// # Errors
    ///
    /// Whatever the fetch failed with, at once while that is fresh.
    pub(super) async fn usable(&self) -> Result<Arc<Token>> {
        let now = Instant::now();
        if let Some(slot) = self.0.slots.get(&self.0.key).await {
            if let Some(token) = slot.valid(now) {
                if slot.may_fetch(now) {
                    self.renew_in_background();
                }
                return Ok(token);
            }
            if let Some(error) = slot.fresh_failure(now) {
                return Err(error);
            }
        }
        let slot = self.change(Need::Missing).await?;
        let now = Instant::now();
        match slot.valid(now) {
            Some(token) => Ok(token),
            None => Err(slot.error(now)),
        }
    }

    /// Another token than the one that the vendor rejected; `None` where it may
    /// not be asked for one again already.
    ///
    /// # Errors
    ///
    /// Whatever the fetch failed with.
    pub(super) async fn renew(&self, rejected: Arc<Token>) -> Result<Option<Arc<Token>>> {
        let slot = self.change(Need::Rejected(rejected.clone())).await?;
        let now = Instant::now();
        match slot.valid(now) {
            Some(token) if !Arc::ptr_eq(&token, &rejected) => Ok(Some(token)),
            Some(_) | None if slot.failure.is_some() => Err(slot.error(now)),
            Some(_) | None => Ok(None),
        }
    }

    /// Age and rest of the valid token's life.
    pub(super) fn life(&self) -> Option<(Duration, Duration)> {
        let now = Instant::now();
        // Looking into a cache never waits.
        let slot = self.0.slots.get(&self.0.key).now_or_never()??;
        let token = slot.valid(now)?;
        Some((now - token.granted_at, token.expires_at - now))
    }

    fn renew_in_background(&self) {
        let Some(renewal) = Renewal::begin(&self.0.renewing) else {
            return;
        };
        let cell = self.0.clone();
        tokio::spawn(async move {
            let _renewal = renewal;
            let slot = cell.change(Need::Ahead).await;
            if let Some(failure) = &slot.failure {
                tracing::warn!(
                    reason = failure.kind.reason(),
                    failures = failure.count,
                    "the access token could not be renewed; the old one serves until it expires"
                );
            }
        });
    }

    /// Changes the slot in a task that outlives its caller.
    async fn change(&self, need: Need) -> Result<Arc<Slot>> {
        let cell = self.0.clone();
        let task = tokio::spawn(async move { cell.change(need).await });
        task.await.map_err(|error| {
            Error::new(Kind::Internal, "the fetch of the access token broke off").with_source(error)
        })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(..)")
    }
}

/// A renewal behind the back of calls, of which there is one at a time; it ends
/// when this is dropped, however that comes.
struct Renewal(Arc<AtomicBool>);

impl Renewal {
    fn begin(flag: &Arc<AtomicBool>) -> Option<Self> {
        flag.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        Some(Renewal(flag.clone()))
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

// === impl Cell ===

impl Cell {
    async fn change(&self, need: Need) -> Arc<Slot> {
        let entry = self.slots.entry(self.key);
        let outcome = entry.and_compute_with(async |current| {
            let current = current.map_or_else(Arc::default, |entry| entry.into_value());
            if !current.should_fetch(&need, Instant::now()) {
                return Op::Nop;
            }
            Op::Put(Arc::new(self.fetch(&current, &need).await))
        });
        match outcome.await.into_entry() {
            Some(entry) => entry.into_value(),
            // Only a slot that is there is ever left alone.
            None => Arc::default(),
        }
    }

    async fn fetch(&self, current: &Slot, need: &Need) -> Slot {
        // Counted from before the request, so that it ends here first.
        let asked_at = Instant::now();
        let grant = (self.fetch)().await;
        let forced_at = match need {
            Need::Rejected(_) => Some(asked_at),
            Need::Missing | Need::Ahead => current.forced_at,
        };
        match grant.and_then(|grant| Slot::granted(grant, asked_at)) {
            Ok(slot) => Slot { forced_at, ..slot },
            Err(error) => Slot {
                forced_at,
                ..current.failed(&error)
            },
        }
    }
}

// === impl Slot ===

impl Slot {
    fn granted(grant: TokenGrant, asked_at: Instant) -> Result<Slot> {
        if grant.access_token.is_empty() || grant.expires_in == 0 {
            return Err(Error::new(
                Kind::VendorProtocol,
                "the token endpoint granted a token without text or life",
            ));
        }
        let life = Duration::from_secs(grant.expires_in).min(MAX_LIFE);
        let share = jitter::draw(RENEW_AFTER);
        let token = Token {
            text: grant.access_token.into(),
            granted_at: asked_at,
            expires_at: asked_at + life,
            accepted: AtomicBool::new(false),
        };
        Ok(Slot {
            token: Some(Arc::new(token)),
            next_fetch: Some(asked_at + life.mul_f64(share)),
            ..Slot::default()
        })
    }

    /// The slot after a failed fetch: what token there was stays.
    fn failed(&self, error: &Error) -> Slot {
        let count = self.failure.as_ref().map_or(0, |failure| failure.count) + 1;
        let wait = FIRST_WAIT.saturating_mul(1 << (count - 1).min(16));
        let wait = wait.min(MAX_WAIT).mul_f64(jitter::draw(0.75..1.0));
        let wait = wait.max(FIRST_WAIT);
        Slot {
            next_fetch: Some(Instant::now() + wait),
            failure: Some(Failure {
                kind: error.kind(),
                message: error.message().to_owned(),
                count,
            }),
            ..self.clone()
        }
    }

    /// Whether the endpoint is to be asked, seen now that it is our turn.
    fn should_fetch(&self, need: &Need, now: Instant) -> bool {
        match need {
            Need::Missing => self.valid(now).is_none() && self.fresh_failure(now).is_none(),
            Need::Ahead => self.may_fetch(now),
            Need::Rejected(rejected) => {
                let still_there = self
                    .token
                    .as_ref()
                    .is_none_or(|token| Arc::ptr_eq(token, rejected));
                let rested = self
                    .forced_at
                    .is_none_or(|forced| now >= forced + FORCED_INTERVAL);
                still_there && rested
            }
        }
    }

    fn valid(&self, now: Instant) -> Option<Arc<Token>> {
        self.token.clone().filter(|token| !token.is_expired(now))
    }

    fn may_fetch(&self, now: Instant) -> bool {
        self.next_fetch.is_none_or(|next| now >= next)
    }

    fn fresh_failure(&self, now: Instant) -> Option<Error> {
        let fresh = self.failure.is_some() && !self.may_fetch(now);
        fresh.then(|| self.error(now))
    }

    fn error(&self, now: Instant) -> Error {
        let Some(failure) = &self.failure else {
            return Error::new(
                Kind::VendorToken,
                "the access token expired while it was fetched",
            );
        };
        let error = Error::new(failure.kind, failure.message.clone());
        match (failure.kind.retry(), self.next_fetch) {
            (Retry::Never, _) | (_, None) => error,
            (_, Some(next)) => error.with_retry_after(next.saturating_duration_since(now)),
        }
    }
}

// === impl Token ===

impl Token {
    /// The text, for the query of a call and nothing else.
    pub(super) fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Whether its life is over.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires_at <= now
    }

    /// Notes that the vendor took it.
    pub(super) fn accept(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// Whether the vendor took it once: rejected later, it was revoked.
    pub(super) fn was_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

fn key(credential: &Credential) -> Key {
    let mut hasher = blake3::Hasher::new();
    // The length keeps two pairs from running into the same text.
    hasher.update(&(credential.api_key.len() as u64).to_le_bytes());
    hasher.update(credential.api_key.as_bytes());
    hasher.update(credential.secret_key.expose_secret().as_bytes());
    hasher.finalize()
}

/// All orders in which threads can meet (`make loom`). What changes a slot runs
/// one after another, which is moka's part.
#[cfg(all(test, interleavings))]
mod interleavings {
    use loom::sync::atomic::AtomicUsize;
    use loom::thread::spawn;

    use super::*;

    #[test]
    fn no_order_of_calls_renews_twice_at_once_or_never_again() {
        loom::model(|| {
            let flag = Arc::new(AtomicBool::new(false));
            let running = Arc::new(AtomicUsize::new(0));
            let call = || {
                let (flag, running) = (flag.clone(), running.clone());
                spawn(move || {
                    let renewal = Renewal::begin(&flag);
                    if renewal.is_some() {
                        assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0);
                        running.fetch_sub(1, Ordering::Relaxed);
                    }
                    renewal.is_some()
                })
            };

            let [one, other] = [call(), call()].map(|call| call.join().unwrap());

            assert!(one || other, "somebody renews");
            assert!(Renewal::begin(&flag).is_some(), "and the next can");
        });
    }
}

#[cfg(test)]
mod tests;
