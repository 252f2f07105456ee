//! The state of the token refresh: backoff, last failure, last forced refresh.
//!
//! Nothing here locks or sends a request.

use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Kind, Retry};
use crate::jitter;

/// Minimum time between two refreshes that the vendor's rejections force.
const FORCED_INTERVAL: Duration = Duration::from_secs(1);
/// Backoff after the first failed fetch, and the minimum after any: the endpoint gets one request a
/// second at the maximum. It doubles with each further failure.
const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// Maximum backoff: calls are rejected for no longer once the endpoint is back.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// Random factor of the backoff.
const JITTER: Range<f64> = 0.75..1.0;

/// When the endpoint may get a request, and how the last one failed.
#[derive(Default)]
pub(super) struct RefreshState {
    /// Before this moment the endpoint gets no request for a refresh, and none at all while
    /// `failure` is set.
    next_fetch: Option<Instant>,
    /// The failure of the last fetch.
    failure: Option<Failure>,
    /// When the vendor's rejection of a token last forced a fetch.
    forced_at: Option<Instant>,
}

/// A failed fetch, which fails every call until its backoff is over.
#[derive(Clone)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    message: String,
    /// Consecutive failures, this one included.
    pub(super) count: u32,
}

// === impl RefreshState ===

impl RefreshState {
    /// Returns whether the endpoint may get a request for a refresh.
    pub(super) fn may_fetch(&self, now: Instant) -> bool {
        self.next_fetch.is_none_or(|next| now >= next)
    }

    /// Returns whether the last forced refresh is long enough ago for another.
    pub(super) fn may_force(&self, now: Instant) -> bool {
        self.forced_at
            .is_none_or(|forced| now >= forced + FORCED_INTERVAL)
    }

    /// Returns the last failure.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Returns the error of calls without a token while a backoff runs.
    pub(super) fn recent_failure(&self, now: Instant) -> Option<Error> {
        (self.failure.is_some() && !self.may_fetch(now)).then(|| self.error(now))
    }

    /// Records a refresh that the rejection of a token forced.
    pub(super) fn record_forced(&mut self, requested_at: Instant) {
        self.forced_at = Some(requested_at);
    }

    /// Records a fetch that succeeded; the token is refreshed at `refresh_at`.
    pub(super) fn record_success(&mut self, refresh_at: Instant) {
        self.next_fetch = Some(refresh_at);
        self.failure = None;
    }

    /// Records a fetch that failed, and starts its backoff.
    pub(super) fn record_failure(&mut self, error: &Error) {
        let before = self.failure.as_ref().map_or(0, |failure| failure.count);
        let backoff = jitter::backoff(INITIAL_BACKOFF, MAX_BACKOFF, before, JITTER);
        self.next_fetch = Some(Instant::now() + backoff.max(INITIAL_BACKOFF));
        self.failure = Some(Failure {
            kind: error.kind(),
            message: error.message().to_owned(),
            count: before + 1,
        });
    }

    /// Returns the error of a call that got no token.
    pub(super) fn error(&self, now: Instant) -> Error {
        let Some(failure) = &self.failure else {
            let message = "the access token expired while it was fetched";
            return Error::new(Kind::VendorToken, message);
        };
        let error = Error::new(failure.kind, failure.message.clone());
        match (failure.kind.retry(), self.next_fetch) {
            (Retry::Never, _) | (_, None) => error,
            (_, Some(next)) => error.with_retry_after(next.saturating_duration_since(now)),
        }
    }
}
