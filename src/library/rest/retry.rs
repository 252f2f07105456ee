//! Whether and when a failed call is sent again.
//!
//! Three questions, in order: may the operation be repeated after this failure
//! ([`Safety`]), does the error table say that a repeat can help, and does the
//! budget allow one. Waits grow exponentially with full jitter (AWS
//! Architecture Blog, "Exponential Backoff And Jitter": a wait is drawn from
//! zero to the cap of its round). The budget is Finagle's (`RetryBudget`:
//! 20 % of the calls) kept as a bucket like gRFC A6's: calls put in, repeats
//! take out, so a vendor that fails every time sees at most 1.2 x the calls.
//! Repeats wait in the shaper like every call. Nothing here sends anything.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::jitter;
use crate::error::{Error, Kind, Retry};

/// Cap of the first wait; it doubles with each repeat.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Calls that pay for one repeat: 20 %.
const CALLS_PER_REPEAT: u32 = 5;
/// Repeats that can be saved up, for failures that come together.
const MAX_SAVED: u32 = 10;
/// Drawn on top of the wait after code 18, so that callers who were rejected
/// together do not come back together.
const SPREAD: Duration = Duration::from_millis(250);

/// What a failed attempt may have done at the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it was not written, or rejected before it was looked at.
    None,
    /// Possibly what it asked for.
    Unknown,
}

/// What a repeat does if the first attempt had its effect after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Safety {
    /// The same again, or it tells that it was done already.
    Harmless,
    /// It would answer something else than the first attempt.
    Harmful,
}

/// The repeats that the calls of one library have paid for.
#[derive(Debug)]
pub(super) struct Budget(Mutex<Purse>);

/// In calls: one repeat costs [`CALLS_PER_REPEAT`].
#[derive(Clone, Copy, Debug)]
struct Purse {
    saved: u32,
    /// Calls that still pay for the repeat that was lent at the start.
    lent: u32,
}

/// What the vendor's rejection says about the operation's effect, where the
/// request was written.
pub(super) fn effect(error: &Error) -> Effect {
    // The platform's own gateway rejects these before the service sees them;
    // HTTP 429, which has no code, is such a rejection as well.
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

/// The wait before the repeat number `repeats` (0 is the first); `None` if
/// there is to be none. The budget pays for it.
pub(super) fn wait(
    error: &Error,
    repeats: u32,
    effect: Effect,
    safety: Safety,
    budget: &Budget,
) -> Option<Duration> {
    if effect == Effect::Unknown && safety == Safety::Harmful {
        return None;
    }
    if repeats >= most_repeats(error.kind()) || !budget.withdraw() {
        return None;
    }
    let cap = FIRST_WAIT * (1 << repeats);
    Some(match error.kind().retry() {
        Retry::NextWindow => error.retry_after().unwrap_or_default() + jitter::up_to(SPREAD),
        Retry::Never | Retry::Backoff | Retry::Few | Retry::Once | Retry::NewToken => {
            jitter::up_to(cap)
        }
    })
}

fn most_repeats(kind: Kind) -> u32 {
    match kind.retry() {
        // A new token is another matter than a repeat (`call`).
        Retry::Never | Retry::NewToken => 0,
        Retry::Once => 1,
        Retry::Few => 2,
        Retry::Backoff | Retry::NextWindow => 3,
    }
}

// === impl Budget ===

impl Budget {
    /// Makes a purse with one repeat in it, lent until five calls have paid
    /// for it: otherwise the first failure of all would reach its caller.
    pub(super) fn new() -> Self {
        Budget(Mutex::new(Purse {
            saved: CALLS_PER_REPEAT,
            lent: CALLS_PER_REPEAT,
        }))
    }

    /// Puts in what one call pays.
    pub(super) fn deposit(&self) {
        let mut purse = self.lock();
        if purse.lent > 0 {
            purse.lent -= 1;
        } else {
            purse.saved = (purse.saved + 1).min(MAX_SAVED * CALLS_PER_REPEAT);
        }
    }

    /// Takes out one repeat, if there is enough.
    pub(super) fn withdraw(&self) -> bool {
        let mut purse = self.lock();
        let left = purse.saved.checked_sub(CALLS_PER_REPEAT);
        purse.saved = left.unwrap_or(purse.saved);
        left.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Purse> {
        // A purse is right after every single step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(kind: Kind, repeats: u32, effect: Effect, safety: Safety) -> Option<Duration> {
        wait(
            &Error::new(kind, "x"),
            repeats,
            effect,
            safety,
            &Budget::new(),
        )
    }

    proptest! {
        #[test]
        fn at_every_moment_repeats_are_at_most_a_fifth_of_the_calls_and_the_first_is_lent(
            calls in prop::collection::vec(0_u32..4, 1..400),
        ) {
            let budget = Budget::new();
            let mut repeats = 0;
            for (number, wanted) in calls.into_iter().enumerate() {
                budget.deposit();
                repeats += (0..wanted).filter(|_| budget.withdraw()).count();
                let calls = number + 1;
                prop_assert!(repeats <= (calls / 5).max(1), "{repeats} of {calls}");
            }
        }
    }

    #[test]
    fn a_good_day_pays_for_ten_repeats_and_no_more() {
        let budget = Budget::new();
        (0..100_000).for_each(|_| budget.deposit());

        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 10);
    }

    #[test]
    fn waits_are_drawn_from_zero_to_a_cap_that_doubles() {
        for repeats in 0..3 {
            let cap = FIRST_WAIT * (1 << repeats);
            let mut longest = Duration::ZERO;
            for _ in 0..500 {
                let kind = Kind::VendorUnavailable;
                let wait = again(kind, repeats, Effect::None, Safety::Harmful).unwrap();
                assert!(wait <= cap, "{wait:?}");
                longest = longest.max(wait);
            }
            assert!(longest > cap / 2, "the whole range is used: {longest:?}");
        }
    }

    #[test]
    fn a_rejection_for_pace_waits_for_the_next_second() {
        let wait = again(Kind::RateLimited, 0, Effect::None, Safety::Harmful).unwrap();

        assert!((Duration::from_secs(1)..=Duration::from_secs(1) + SPREAD).contains(&wait));
    }

    #[test]
    fn the_error_table_bounds_the_repeats() {
        for (kind, most) in [
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
            let repeats = (0..10).take_while(|repeats| {
                again(kind, *repeats, Effect::None, Safety::Harmless).is_some()
            });
            assert_eq!(repeats.count(), most, "{kind:?}");
        }
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_where_that_is_harmless() {
        let kind = Kind::VendorUnavailable;
        assert!(again(kind, 0, Effect::Unknown, Safety::Harmful).is_none());
        assert!(again(kind, 0, Effect::Unknown, Safety::Harmless).is_some());
        assert!(again(kind, 0, Effect::None, Safety::Harmful).is_some());
    }
}
