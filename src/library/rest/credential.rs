//! One credential with its token, rate limiter, circuit breaker and cool-downs, and the choice
//! between several.
//!
//! A call uses the credential that can send it first, in the order of the configuration where
//! several can; credentials in cool-down or with an open circuit breaker are skipped. So a
//! credential whose quota is used up passes its calls on to the next. Nothing here sends a call.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::attempt::AttemptRecorder;
use super::circuit_breaker::CircuitBreaker;
use super::client::{Client, endpoint};
use super::cooldown::Cooldowns;
use super::encode::Form;
use super::parse;
use super::rate_limiter::{Lane, RateLimiter, SharedWindow, Waiter};
use super::token::{AccessToken, Fetch, TokenCache};
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::library::CredentialState;
use crate::replicas::Redis;
use crate::wire::{Operation, TOKEN_PATH};

/// Maximum wait of a token request for the rate limit. It goes before every call, so it waits for
/// one slot of the window at most.
const TOKEN_WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A pair of keys at the vendor, with its state.
pub(super) struct Credential {
    pub(super) attempts: AttemptRecorder,
    pub(super) token: AccessToken,
    pub(super) rate_limiter: RateLimiter,
    pub(super) circuit_breaker: CircuitBreaker,
    pub(super) cooldowns: Cooldowns,
    qps: u32,
}

/// Credentials that one call does not try again: a bit set of their indexes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Excluded(u32);

// === impl Credential ===

impl Credential {
    /// Sets up a credential; the first call sends the first request. With Redis, replicas share its
    /// rate limit.
    ///
    /// # Errors
    ///
    /// `ImageSize` for keys of megabytes.
    pub(super) fn new(
        config: &config::Rest,
        keys: &config::Credential,
        client: &Client,
        tokens: &TokenCache,
        attempts: AttemptRecorder,
        redis: Option<&Redis>,
    ) -> Result<Self> {
        let window = redis.map(|redis| SharedWindow::new(redis.clone(), &keys.api_key, config.qps));
        let rate_limiter = RateLimiter::new(config.qps, window);
        let fetch = fetch(config, keys, client, &rate_limiter, &attempts)?;
        Ok(Credential {
            attempts,
            token: AccessToken::new(tokens, keys, fetch),
            rate_limiter,
            circuit_breaker: CircuitBreaker::new(config.timeout),
            cooldowns: Cooldowns::default(),
            qps: config.qps,
        })
    }

    /// Returns the state for operators; `index` is that in the configuration.
    pub(super) fn state(&self, index: usize) -> CredentialState {
        let (queued, used) = self.rate_limiter.load();
        let counts = self.attempts.counts();
        let token = self.token.age_and_ttl();
        CredentialState {
            name: index.to_string(),
            token_age_seconds: token.map(|(age, _)| age.as_secs_f64()),
            token_remaining_seconds: token.map(|(_, ttl)| ttl.as_secs_f64()),
            available_slots: Some((f64::from(self.qps) - used as f64).max(0.0)),
            queue: Some(queued as u64),
            rate_limit_shared: self.rate_limiter.is_shared(),
            breaker: Some(self.circuit_breaker.state()),
            in_cooldown: self.cooldowns.is_any(Instant::now()),
            in_flight: counts.in_flight,
            succeeded: counts.succeeded,
            failed: counts.failed,
        }
    }

    /// Returns why no call of this operation can be sent now, if so.
    fn unavailable_reason(&self, operation: Operation, now: Instant) -> Option<Error> {
        self.cooldowns
            .rejection(operation, now)
            .or_else(|| self.circuit_breaker.rejects_for(now).map(circuit_open))
    }
}

/// Chooses the credential that can send a call first.
///
/// # Errors
///
/// Why the credentials cannot send it, if none can.
pub(super) fn choose<'a>(
    credentials: &'a [Credential],
    operation: Operation,
    waiter: &Waiter,
    excluded: Excluded,
) -> Result<(usize, &'a Credential)> {
    let now = Instant::now();
    let mut best: Option<(Duration, usize, &Credential)> = None;
    let mut reason = None;
    for (index, credential) in credentials.iter().enumerate() {
        if excluded.contains(index) {
            continue;
        }
        if let Some(error) = credential.unavailable_reason(operation, now) {
            // A circuit breaker closes sooner than a quota is renewed.
            if reason.is_none() || error.kind() == Kind::VendorUnavailable {
                reason = Some(error);
            }
            continue;
        }
        let wait = credential.rate_limiter.wait(waiter);
        if best.is_none_or(|(min, ..)| wait < min) {
            best = Some((wait, index, credential));
        }
    }
    match (best, reason) {
        (Some((_, index, credential)), _) => Ok((index, credential)),
        (None, Some(reason)) => Err(reason),
        (None, None) => {
            let message = "no credential of this library is left for the call";
            Err(Error::new(Kind::VendorUnavailable, message))
        }
    }
}

/// Returns the rejection of a circuit breaker that is open for `wait`.
pub(super) fn circuit_open(wait: Duration) -> Error {
    let message = "circuit breaker open: the vendor did not respond to the last calls";
    Error::new(Kind::VendorUnavailable, message).with_retry_after(wait)
}

// === impl Excluded ===

impl Excluded {
    /// Excludes the credential with this index.
    pub(super) fn add(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    fn contains(self, index: usize) -> bool {
        self.0 & (1 << index) != 0
    }
}

fn fetch(
    config: &config::Rest,
    keys: &config::Credential,
    client: &Client,
    rate_limiter: &RateLimiter,
    attempts: &AttemptRecorder,
) -> Result<Fetch> {
    let waiter = Waiter {
        lane: Lane::Token,
        tenant: "".into(),
        weight: 1,
    };
    let (client, rate_limiter, attempts) = (client.clone(), rate_limiter.clone(), attempts.clone());
    let url = endpoint(&config.base_url, TOKEN_PATH);
    let form = token_form(keys)?;
    let timeout = config.timeout;
    Ok(Box::new(move || {
        let (client, rate_limiter, waiter) = (client.clone(), rate_limiter.clone(), waiter.clone());
        let (url, form, attempts) = (url.clone(), form.clone(), attempts.clone());
        async move {
            let permit = rate_limiter
                .acquire(&waiter, Instant::now() + TOKEN_WAIT_TIMEOUT)
                .await?;
            let deadline = Instant::now() + timeout;
            let request = async {
                let posted = client
                    .post(url, form, None, deadline, &Arc::new(permit))
                    .await;
                parse::token_grant(&posted.map_err(|error| no_token_in_time(error, timeout))?)
            };
            attempts.record("token", None, request).await
        }
        .boxed()
    }))
}

/// Reports a passed deadline of the fetch as an outage: it is not the deadline of any caller, and
/// callers may retry after the backoff.
fn no_token_in_time(error: Error, timeout: Duration) -> Error {
    if error.kind() != Kind::DeadlineExceeded {
        return error;
    }
    let message = format!("the token endpoint did not respond within {timeout:?} (timeout)");
    Error::new(Kind::VendorUnavailable, message).with_source(error)
}

/// The keys are sent in the body, as the vendor's Java and Node SDKs do, so that no access log on
/// the way contains them.
fn token_form(keys: &config::Credential) -> Result<Form> {
    let secret = keys.secret_key.expose_secret().to_owned();
    let fields = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", keys.api_key.clone()),
        ("client_secret", secret),
    ];
    Form::new(None, &fields)
}
