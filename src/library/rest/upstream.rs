//! One operation at the vendor, with its retries.
//!
//! In order, for each attempt: choose a credential (`credential`), get its access token (`token`),
//! wait for a slot of the rate limit (`rate_limiter`), check the circuit breaker, post the form
//! (`client`), parse the response (`parse`). After a failure: a rejected token is refreshed once
//! and the call sent again; a credential in cool-down is excluded; a failure that `retry` allows is
//! retried after a backoff that fits into the deadline; any other is the response.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::circuit_breaker::CallGuard;
use super::client::{Client, Response, deadline_passed, within};
use super::credential::{self, Credential, Excluded};
use super::encode::Form;
use super::parse;
use super::rate_limiter::{Lane, Permit, Waiter};
use super::retry::{self, Effect, Idempotency, RetryBudget};
use super::token::CachedToken;
use crate::call::Call;
use crate::error::{Error, Kind, Result};
use crate::telemetry::{names::event, waited};
use crate::wire::Operation;

/// The vendor, as one library calls it.
pub(super) struct Upstream {
    client: Client,
    /// At least one.
    credentials: Vec<Credential>,
    retry_budget: RetryBudget,
    /// In the order of [`Operation::ALL`].
    urls: [Url; Operation::ALL.len()],
}

/// Outcome of an operation.
pub(super) struct Outcome<T> {
    pub(super) response: Result<T>,
    /// Whether an attempt before the last may have had its effect.
    pub(super) in_doubt: bool,
}

/// State over all attempts of one operation.
#[derive(Default)]
struct AttemptState {
    retries: u32,
    refreshed: bool,
    excluded: Excluded,
    in_doubt: bool,
    /// The last error of the vendor: it says more than our own rejection of a further attempt.
    last_error: Option<Error>,
}

/// A failed attempt.
struct Failure {
    error: Error,
    stage: Stage,
}

/// How far an attempt came.
enum Stage {
    /// No access token could be fetched.
    Token,
    /// The wait for the rate limit is too long for the deadline.
    RateLimit,
    /// The circuit breaker opened while the call waited.
    CircuitBreaker,
    /// The request was sent, or was about to be, with this token.
    Sent(Arc<CachedToken>, Effect),
}

// === impl Upstream ===

impl Upstream {
    /// Sends operations to these URLs, in the order of [`Operation::ALL`], with one of
    /// `credentials`, of which there must be one or more.
    pub(super) fn new(
        client: Client,
        credentials: Vec<Credential>,
        urls: [Url; Operation::ALL.len()],
    ) -> Self {
        Upstream {
            client,
            credentials,
            retry_budget: RetryBudget::new(),
            urls,
        }
    }

    /// Returns the credentials, in the order of the configuration.
    pub(super) fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    /// Returns the host of the vendor.
    pub(super) fn host(&self) -> Option<&str> {
        self.urls[0].host_str()
    }

    /// Performs an operation.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        call: &Call,
        operation: Operation,
        form: Form,
    ) -> Result<T> {
        self.perform(call, operation, form).await.response
    }

    /// Performs an operation and returns whether a retried attempt is in doubt.
    pub(super) async fn perform<T: DeserializeOwned>(
        &self,
        call: &Call,
        operation: Operation,
        form: Form,
    ) -> Outcome<T> {
        self.retry_budget.deposit();
        let mut state = AttemptState::default();
        let response = self.attempts(call, operation, form, &mut state).await;
        Outcome {
            response,
            in_doubt: state.in_doubt,
        }
    }

    /// Performs an operation that no caller requested, if the retry budget pays for it; `None` if
    /// it does not, or if the operation fails.
    pub(super) async fn best_effort_call<T: DeserializeOwned>(
        &self,
        call: &Call,
        operation: Operation,
        form: Form,
    ) -> Option<T> {
        if !self.retry_budget.withdraw() {
            return None;
        }
        self.attempts(call, operation, form, &mut AttemptState::default())
            .await
            .ok()
    }

    async fn attempts<T: DeserializeOwned>(
        &self,
        call: &Call,
        operation: Operation,
        form: Form,
        state: &mut AttemptState,
    ) -> Result<T> {
        let waiter = waiter(call);
        loop {
            if call.remaining().is_zero() {
                return Err(state.last_error.take().unwrap_or_else(deadline_passed));
            }
            let (index, credential) =
                credential::choose(&self.credentials, operation, &waiter, state.excluded)
                    .map_err(|error| state.last_error.take().unwrap_or(error))?;
            let attempt = self.attempt(credential, call, &waiter, operation, form.clone());
            let failure = match attempt.await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let wait = match failure.stage {
                Stage::Sent(token, effect) => {
                    let error = failure.error;
                    self.after_failure(credential, call, operation, (error, token, effect), state)
                        .await?
                }
                Stage::Token => {
                    credential.cooldowns.record(operation, &failure.error);
                    state.excluded.add(index);
                    state.last_error.get_or_insert(failure.error);
                    Duration::ZERO
                }
                Stage::CircuitBreaker => Duration::ZERO,
                Stage::RateLimit => return Err(state.last_error.take().unwrap_or(failure.error)),
            };
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Makes one attempt with one credential.
    async fn attempt<T: DeserializeOwned>(
        &self,
        credential: &Credential,
        call: &Call,
        waiter: &Waiter,
        operation: Operation,
        form: Form,
    ) -> Result<T, Failure> {
        let at = |stage| move |error| Failure { error, stage };
        loop {
            let token = token(credential, call).await.map_err(at(Stage::Token))?;
            let permit = permit(credential, waiter, call)
                .await
                .map_err(at(Stage::RateLimit))?;
            let (permit, now) = (Arc::new(permit), Instant::now());
            if token.is_expired(now) {
                // It expired while the call waited for the rate limit.
                continue;
            }
            let guard = credential
                .circuit_breaker
                .try_call(now)
                .map_err(credential::circuit_open)
                .map_err(at(Stage::CircuitBreaker))?;
            let url = self.url(operation, &token);
            let request = async {
                let posted = self
                    .client
                    .post(url, form, Some(&call.trace), call.deadline, &permit)
                    .await;
                record_outcome(guard, &posted);
                if posted.is_ok() {
                    credential.rate_limiter.record_response_time(now.elapsed());
                }
                posted.and_then(|response| parse::response(&response))
            };
            let response = credential
                .attempts
                .record(operation.name(), Some(call), request)
                .await;
            if response.is_ok() {
                token.mark_accepted();
            }
            return response.map_err(|error| {
                let effect = match permit.was_sent() {
                    true => retry::effect(&error),
                    false => Effect::None,
                };
                let error = parse::without_token(error, &token);
                at(Stage::Sent(token, effect))(error)
            });
        }
    }

    /// Decides after a failure of the vendor or of the connection to it: returns the wait before
    /// the next attempt, or the caller's response.
    async fn after_failure(
        &self,
        credential: &Credential,
        call: &Call,
        operation: Operation,
        (error, token, effect): (Error, Arc<CachedToken>, Effect),
        state: &mut AttemptState,
    ) -> Result<Duration> {
        if error.kind() == Kind::VendorToken {
            let may_refresh = !std::mem::replace(&mut state.refreshed, true);
            if may_refresh && self.refresh(credential, call, token).await? {
                return Ok(Duration::ZERO);
            }
            return Err(error);
        }
        if credential.cooldowns.record(operation, &error) {
            state.last_error = Some(error);
            return Ok(Duration::ZERO);
        }
        let idempotency = Idempotency::of(operation);
        let wait = retry::wait(
            &error,
            state.retries,
            effect,
            idempotency,
            &self.retry_budget,
        );
        match wait.filter(|wait| *wait < call.remaining()) {
            Some(wait) => {
                state.retries += 1;
                state.in_doubt |= effect == Effect::Unknown;
                state.last_error = Some(error);
                Ok(wait)
            }
            None => Err(error),
        }
    }

    /// Refreshes a rejected token; returns whether the call is to be sent again. A token that was
    /// accepted before was revoked, so the next one will work; where no token was ever accepted,
    /// the retry budget pays.
    async fn refresh(
        &self,
        credential: &Credential,
        call: &Call,
        rejected: Arc<CachedToken>,
    ) -> Result<bool> {
        let was_accepted = rejected.was_accepted();
        let refresh = credential.token.refresh_rejected(rejected);
        let token = within(call.deadline, refresh).await?;
        Ok(token.is_some() && (was_accepted || self.retry_budget.withdraw()))
    }

    fn url(&self, operation: Operation, token: &CachedToken) -> Url {
        token.in_urls(&self.urls)[operation.index()].clone()
    }
}

async fn token(credential: &Credential, call: &Call) -> Result<Arc<CachedToken>> {
    let begin = Instant::now();
    let token = within(call.deadline, credential.token.get()).await;
    waited(event::TOKEN_WAIT, begin.elapsed());
    token
}

/// Waits for the rate limit, and records the wait also when it fails.
async fn permit(credential: &Credential, waiter: &Waiter, call: &Call) -> Result<Permit> {
    let begin = Instant::now();
    let permit = credential.rate_limiter.acquire(waiter, call.deadline).await;
    call.stats.add_wait(begin.elapsed());
    waited(event::QUEUE_WAIT, begin.elapsed());
    permit
}

/// Reports the outcome of a call to the circuit breaker, which judges a cancelled call by itself.
fn record_outcome(guard: CallGuard<'_>, posted: &Result<Response>) {
    match posted {
        Ok(response) if response.status.is_server_error() && !parse::is_api_error(response) => {
            guard.failed(Instant::now());
        }
        Err(error) if error.kind() == Kind::VendorUnavailable => guard.failed(Instant::now()),
        Err(error) if error.kind() == Kind::DeadlineExceeded => drop(guard),
        Ok(_) | Err(_) => guard.responded(),
    }
}

fn waiter(call: &Call) -> Waiter {
    Waiter {
        lane: if call.bulk { Lane::Bulk } else { Lane::Unary },
        tenant: call.tenant.name.as_str().into(),
        weight: call.tenant.weight,
    }
}
