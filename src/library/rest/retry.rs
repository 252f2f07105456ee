//! Whether and when a failed call is retried.
//!
//! Three checks, in order: the operation is idempotent or the failed attempt had no effect
//! ([`Idempotency`]), the error table says that a retry can help, and the retry budget has a token.
//! The wait is exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff
//! And Jitter": it is drawn from zero to the cap of its attempt). The retry budget follows
//! Finagle's `RetryBudget` (20 % of the calls) and is a token bucket like that of gRFC A6: calls
//! deposit tokens, retries withdraw them, so a vendor that fails every time receives up to 1.2 x
//! the calls. Retries pass the rate limiter like every call. Nothing here sends a request.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Kind, Retry};
use crate::jitter;
use crate::wire::Operation;

/// Cap of the first backoff; it doubles with each retry.
const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
/// Cap of every backoff.
const MAX_BACKOFF: Duration = Duration::from_millis(800);
/// Calls that pay for one retry: 20 %.
const CALLS_PER_RETRY: u32 = 5;
/// Retries that the bucket holds, for failures that come together.
const MAX_RETRIES_IN_BUCKET: u32 = 10;
/// Random wait on top of the window after code 18, so that callers who were rejected together do
/// not retry together.
const JITTER: Duration = Duration::from_millis(250);

/// Effect of a failed attempt at the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// No effect: it was not written, or rejected before it was processed.
    None,
    /// Unknown: the vendor may have done the operation.
    Unknown,
}

/// Whether an operation may be sent again after it took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idempotency {
    /// A second attempt returns the same, or reports that it was done already.
    Idempotent,
    /// A second attempt returns another response than the first.
    NotIdempotent,
}

/// The retry budget of one library: a token bucket that its calls fill.
///
/// Why not `tower::retry::budget::TpsBudget`: its reserve is a number of retries per second that
/// comes back with every window, so retries of a library with little traffic are not bounded by 20
/// % of its calls, or, without a reserve, the first failed call cannot be retried. Its deposits
/// have no cap either: after a minute of heavy traffic it would pay for thousands of retries at
/// once.
#[derive(Debug)]
pub(in crate::library) struct RetryBudget(Mutex<TokenBucket>);

/// Tokens of the budget: a call deposits one, a retry costs [`CALLS_PER_RETRY`].
#[derive(Clone, Copy, Debug)]
struct TokenBucket {
    tokens: u32,
    /// Calls that still pay for the retry that the bucket holds initially.
    initial: u32,
}

// === impl Idempotency ===

impl Idempotency {
    /// Classifies an operation. A second add returns the sign with code 216681; a second deletion
    /// returns the same error as one of an unknown image.
    pub(super) fn of(operation: Operation) -> Self {
        match operation {
            Operation::Add | Operation::Search | Operation::Update => Idempotency::Idempotent,
            Operation::Delete => Idempotency::NotIdempotent,
        }
    }
}

/// Returns the effect of a request that was written and failed with `error`.
pub(super) fn effect(error: &Error) -> Effect {
    // The vendor's API gateway rejects these before the service sees them; HTTP 429, which has no
    // code, is such a rejection as well.
    let rejected = matches!(
        error.kind(),
        Kind::RateLimited
            | Kind::VendorBusy
            | Kind::VendorToken
            | Kind::VendorSetup
            | Kind::DailyQuotaExceeded
            | Kind::TotalQuotaExceeded
    );
    match rejected {
        true => Effect::None,
        false => Effect::Unknown,
    }
}

/// Returns the wait before retry number `retries` (0 is the first), paid from the budget; `None` if
/// the call must not be retried.
pub(super) fn wait(
    error: &Error,
    retries: u32,
    effect: Effect,
    idempotency: Idempotency,
    budget: &RetryBudget,
) -> Option<Duration> {
    if effect == Effect::Unknown && idempotency == Idempotency::NotIdempotent {
        return None;
    }
    if retries >= max_retries(error.kind()) || !budget.withdraw() {
        return None;
    }
    Some(match error.kind().retry() {
        Retry::NextWindow => {
            error.retry_after().unwrap_or_default() + JITTER.mul_f64(jitter::random(0.0..1.0))
        }
        Retry::Never | Retry::Backoff | Retry::Few | Retry::Once | Retry::NewToken => {
            jitter::backoff(INITIAL_BACKOFF, MAX_BACKOFF, retries, 0.0..1.0)
        }
    })
}

fn max_retries(kind: Kind) -> u32 {
    match kind.retry() {
        // A token refresh is no retry (`upstream`).
        Retry::Never | Retry::NewToken => 0,
        Retry::Once => 1,
        Retry::Few => 2,
        Retry::Backoff | Retry::NextWindow => 3,
    }
}

// === impl RetryBudget ===

impl RetryBudget {
    /// Creates a bucket that holds one retry, which the next five calls pay for: otherwise the
    /// first failure of a library could not be retried.
    pub(in crate::library) fn new() -> Self {
        RetryBudget(Mutex::new(TokenBucket {
            tokens: CALLS_PER_RETRY,
            initial: CALLS_PER_RETRY,
        }))
    }

    /// Deposits the token of one call.
    pub(in crate::library) fn deposit(&self) {
        let mut bucket = self.lock();
        if bucket.initial > 0 {
            bucket.initial -= 1;
        } else {
            bucket.tokens = (bucket.tokens + 1).min(MAX_RETRIES_IN_BUCKET * CALLS_PER_RETRY);
        }
    }

    /// Withdraws the tokens of one retry, if there are enough.
    pub(in crate::library) fn withdraw(&self) -> bool {
        let mut bucket = self.lock();
        let remaining = bucket.tokens.checked_sub(CALLS_PER_RETRY);
        bucket.tokens = remaining.unwrap_or(bucket.tokens);
        remaining.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, TokenBucket> {
        // Every single step leaves a consistent bucket.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn retry(
        kind: Kind,
        retries: u32,
        effect: Effect,
        idempotency: Idempotency,
    ) -> Option<Duration> {
        wait(
            &Error::new(kind, "x"),
            retries,
            effect,
            idempotency,
            &RetryBudget::new(),
        )
    }

    proptest! {
        #[test]
        fn retries_never_exceed_a_fifth_of_the_calls_but_for_the_initial_one(
            calls in prop::collection::vec(0_u32..4, 1..400),
        ) {
            let budget = RetryBudget::new();
            let mut retries = 0;
            for (number, requested) in calls.into_iter().enumerate() {
                budget.deposit();
                retries += (0..requested).filter(|_| budget.withdraw()).count();
                let calls = number + 1;
                prop_assert!(retries <= (calls / 5).max(1), "{retries} of {calls}");
            }
        }
    }

    #[test]
    fn the_bucket_holds_ten_retries_however_many_calls_succeed() {
        let budget = RetryBudget::new();
        (0..100_000).for_each(|_| budget.deposit());

        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 10);
    }

    #[test]
    fn backoff_has_full_jitter_and_a_cap_that_doubles() {
        for retries in 0..3 {
            let cap = INITIAL_BACKOFF * (1 << retries);
            let mut max = Duration::ZERO;
            for _ in 0..500 {
                let kind = Kind::VendorUnavailable;
                let wait = retry(kind, retries, Effect::None, Idempotency::NotIdempotent).unwrap();
                assert!(wait <= cap, "{wait:?}");
                max = max.max(wait);
            }
            assert!(max > cap / 2, "the whole range is used: {max:?}");
        }
    }

    #[test]
    fn a_rejection_by_the_rate_limit_waits_for_the_next_second() {
        let wait = retry(
            Kind::RateLimited,
            0,
            Effect::None,
            Idempotency::NotIdempotent,
        )
        .unwrap();

        assert!((Duration::from_secs(1)..=Duration::from_secs(1) + JITTER).contains(&wait));
    }

    #[test]
    fn the_error_table_bounds_the_retries() {
        for (kind, max) in [
            (Kind::VendorUnavailable, 3),
            (Kind::VendorBusy, 3),
            (Kind::RateLimited, 3),
            (Kind::UrlTimeout, 2),
            (Kind::VendorRecognition, 1),
            (Kind::VendorToken, 0),
            (Kind::DailyQuotaExceeded, 0),
            (Kind::VendorProtocol, 0),
            (Kind::ImageFormat, 0),
            (Kind::DeadlineExceeded, 0),
        ] {
            let retries = (0..10).take_while(|retries| {
                retry(kind, *retries, Effect::None, Idempotency::Idempotent).is_some()
            });
            assert_eq!(retries.count(), max, "{kind:?}");
        }
    }

    #[test]
    fn an_attempt_of_unknown_effect_is_retried_only_if_idempotent() {
        let kind = Kind::VendorUnavailable;
        assert!(retry(kind, 0, Effect::Unknown, Idempotency::NotIdempotent).is_none());
        assert!(retry(kind, 0, Effect::Unknown, Idempotency::Idempotent).is_some());
        assert!(retry(kind, 0, Effect::None, Idempotency::NotIdempotent).is_some());
    }
}
