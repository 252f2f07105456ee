//! The breaker of one credential: a vendor that does not answer is left alone.
//!
//! Failures in a row of the transport (no connection, a broken one, silence)
//! and HTTP 5xx open it; any response of the API, rejections for pace and quota
//! included, is a sign of life and closes it. In order: closed; after
//! [`FAILURES`] in a row open, and calls are rejected without being sent; after
//! a wait half-open, which lets one call probe; its response closes the breaker,
//! its failure opens it for twice as long. Numbers are those of linkerd2's
//! consecutive-failures accrual (linkerd.io, "Circuit Breakers"): 7 failures,
//! waits of 1 s to 1 min with up to half of jitter.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::jitter;
use crate::library::BreakerState;

/// Failures in a row that open the breaker.
pub(super) const FAILURES: u32 = 7;
/// Wait before the first probe; it doubles with each probe that fails.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait before a probe, jitter apart.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Greatest share of the wait that is added to it.
const JITTER: f64 = 0.5;
/// A call that its caller ended counts as a failure if the vendor was silent
/// for this long: with deadlines below `timeout`, nothing else would tell.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// Watches the responses of one credential.
#[derive(Debug)]
pub(super) struct Breaker {
    position: Mutex<Position>,
    silence: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Position {
    Closed { failures: u32 },
    Open { until: Instant, opened: u32 },
    Probing { opened: u32 },
}

/// Leave to send one call, and the duty to tell how it went.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
    begin: Instant,
    told: bool,
}

// === impl Breaker ===

impl Breaker {
    /// Makes a closed breaker; `timeout` is the longest time of a call.
    pub(super) fn new(timeout: Duration) -> Self {
        Breaker {
            position: Mutex::new(Position::Closed { failures: 0 }),
            silence: SILENCE.min(timeout),
        }
    }

    /// How long no call will be sent; `None` if one would be sent now.
    pub(super) fn blocked(&self, now: Instant) -> Option<Duration> {
        match *self.lock() {
            Position::Closed { .. } => None,
            Position::Open { until, .. } if until <= now => None,
            Position::Open { until, .. } => Some(until - now),
            // The probe decides; whoever asks again then will know.
            Position::Probing { .. } => Some(FIRST_WAIT),
        }
    }

    /// Lets a call pass, or tells how long none will.
    ///
    /// # Errors
    ///
    /// The wait until the next probe.
    pub(super) fn pass(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        if let Some(wait) = self.blocked(now) {
            return Err(wait);
        }
        let mut position = self.lock();
        let probe = match *position {
            Position::Closed { .. } => false,
            Position::Open { opened, .. } => {
                *position = Position::Probing { opened };
                true
            }
            // Another call became the probe since we looked.
            Position::Probing { .. } => return Err(FIRST_WAIT),
        };
        Ok(Pass {
            breaker: self,
            probe,
            begin: now,
            told: false,
        })
    }

    /// Where it stands.
    pub(super) fn state(&self) -> BreakerState {
        match *self.lock() {
            Position::Closed { .. } => BreakerState::Closed,
            Position::Open { .. } => BreakerState::Open,
            Position::Probing { .. } => BreakerState::HalfOpen,
        }
    }

    fn failed(&self, probe: bool, now: Instant) {
        let mut position = self.lock();
        *position = match *position {
            Position::Closed { failures } if failures + 1 < FAILURES => Position::Closed {
                failures: failures + 1,
            },
            Position::Closed { .. } => open(now, 0),
            Position::Probing { opened } if probe => open(now, opened.saturating_add(1)),
            // Sent before it opened: says nothing new.
            unchanged @ (Position::Open { .. } | Position::Probing { .. }) => unchanged,
        };
    }

    fn answered(&self) {
        *self.lock() = Position::Closed { failures: 0 };
    }

    /// A probe ended without a verdict: the next call may be one.
    fn undecided(&self, now: Instant) {
        let mut position = self.lock();
        if let Position::Probing { opened } = *position {
            *position = Position::Open { until: now, opened };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Position> {
        // A position is replaced whole.
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(now: Instant, opened: u32) -> Position {
    let wait = FIRST_WAIT.saturating_mul(1 << opened.min(16)).min(MAX_WAIT);
    let wait = wait.mul_f64(jitter::draw(1.0..1.0 + JITTER));
    tracing::warn!(
        retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        "the vendor does not answer; calls to it are rejected for a while"
    );
    Position::Open {
        until: now + wait,
        opened,
    }
}

// === impl Pass ===

impl Pass<'_> {
    /// The vendor answered, whatever it said.
    pub(super) fn answered(mut self) {
        self.told = true;
        self.breaker.answered();
    }

    /// The transport failed, or a server error came back.
    pub(super) fn failed(mut self, now: Instant) {
        self.told = true;
        self.breaker.failed(self.probe, now);
    }
}

impl Drop for Pass<'_> {
    /// Judges a call that was ended from this side.
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let now = Instant::now();
        if now - self.begin >= self.breaker.silence {
            self.breaker.failed(self.probe, now);
        } else if self.probe {
            self.breaker.undecided(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_failures(failures: u32) -> Breaker {
        let breaker = Breaker::new(Duration::from_secs(30));
        for _ in 0..failures {
            let now = Instant::now();
            breaker.pass(now).unwrap().failed(now);
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_a_response_in_between_does_not_let_them() {
        let breaker = after_failures(FAILURES - 1);
        breaker.pass(Instant::now()).unwrap().answered();
        for _ in 0..FAILURES - 1 {
            let now = Instant::now();
            breaker.pass(now).unwrap().failed(now);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);

        let now = Instant::now();
        breaker.pass(now).unwrap().failed(now);

        assert_eq!(breaker.state(), BreakerState::Open);
        let wait = breaker.pass(now).unwrap_err();
        assert!(
            (FIRST_WAIT..=FIRST_WAIT * 3 / 2).contains(&wait),
            "{wait:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn half_open_lets_one_call_probe_and_its_response_closes_it() {
        let breaker = after_failures(FAILURES);
        let later = Instant::now() + FIRST_WAIT * 2;

        let probe = breaker.pass(later).unwrap();

        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.pass(later).is_err(), "one probe at a time");
        probe.answered();
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(breaker.pass(later).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn each_failed_probe_doubles_the_wait_up_to_a_minute_and_jitter() {
        let breaker = after_failures(FAILURES);
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = breaker.blocked(Instant::now()).unwrap();
            waits.push(wait.as_secs_f64());
            tokio::time::advance(wait).await;
            let now = Instant::now();
            breaker.pass(now).unwrap().failed(now);
        }

        for (wait, least) in waits.iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60]) {
            let least = f64::from(least);
            assert!((least..=least * 1.5).contains(wait), "{waits:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_was_given_up_leaves_its_place_to_the_next() {
        let breaker = after_failures(FAILURES);
        let later = Instant::now() + FIRST_WAIT * 2;
        drop(breaker.pass(later).unwrap());

        assert!(breaker.pass(later).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_their_callers_end_count_only_after_a_long_silence() {
        let breaker = after_failures(0);
        for _ in 0..FAILURES * 2 {
            let pass = breaker.pass(Instant::now()).unwrap();
            tokio::time::advance(SILENCE - Duration::from_millis(1)).await;
            drop(pass);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);

        let passes: Vec<_> = (0..FAILURES)
            .map(|_| breaker.pass(Instant::now()).unwrap())
            .collect();
        tokio::time::advance(SILENCE).await;
        drop(passes);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_failure_of_an_older_call_does_not_end_the_probe() {
        let breaker = after_failures(0);
        let older = breaker.pass(Instant::now()).unwrap();
        for _ in 0..FAILURES {
            let now = Instant::now();
            breaker.pass(now).unwrap().failed(now);
        }
        let later = Instant::now() + FIRST_WAIT * 2;
        let probe = breaker.pass(later).unwrap();

        older.failed(later);

        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        probe.answered();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
