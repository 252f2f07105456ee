//! The circuit breaker of one credential.
//!
//! Consecutive failures of the transport (connection refused, broken or timed out) and HTTP 5xx
//! open it; any response of the API, also a rejection by rate limit or quota, proves that the
//! vendor works and closes it. In order: closed; after [`FAILURES`] consecutive failures open, and
//! calls are rejected without being sent; after the backoff half-open, with one call as the probe;
//! its response closes the circuit breaker, its failure opens it for twice as long. The numbers are
//! those of linkerd2's consecutive-failures accrual (linkerd.io, "Circuit Breakers"): 7 failures,
//! backoff of 1 s to 1 min with jitter of up to half.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::jitter;
use crate::library::BreakerState;

/// Consecutive failures that open the circuit breaker.
pub(super) const FAILURES: u32 = 7;
/// Backoff before the first probe; it doubles with each probe that fails.
const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// Maximum backoff before a probe, without jitter.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// Maximum share of the backoff that is added to it.
const JITTER: f64 = 0.5;
/// A call that its caller cancelled counts as a failure if the vendor sent no response for this
/// long. Without it, a vendor that hangs would never open the circuit breaker while all deadlines
/// are below `timeout`.
pub(super) const NO_RESPONSE_THRESHOLD: Duration = Duration::from_secs(10);

/// Opens after consecutive failures of one credential.
#[derive(Debug)]
pub(in crate::library) struct CircuitBreaker {
    circuit: Mutex<Circuit>,
    no_response_threshold: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Circuit {
    Closed {
        failures: u32,
    },
    /// `reopened` counts the probes in a row that failed.
    Open {
        until: Instant,
        reopened: u32,
    },
    HalfOpen {
        reopened: u32,
    },
}

/// Permission to send one call; reports how it ended, also when it is dropped.
#[derive(Debug)]
pub(in crate::library) struct CallGuard<'a> {
    breaker: &'a CircuitBreaker,
    is_probe: bool,
    begin: Instant,
    reported: bool,
}

// === impl CircuitBreaker ===

impl CircuitBreaker {
    /// Creates a closed circuit breaker; `timeout` is the maximum time of a call.
    pub(in crate::library) fn new(timeout: Duration) -> Self {
        CircuitBreaker {
            circuit: Mutex::new(Circuit::Closed { failures: 0 }),
            no_response_threshold: NO_RESPONSE_THRESHOLD.min(timeout),
        }
    }

    /// Returns how long calls will be rejected; `None` if a call would be sent.
    pub(in crate::library) fn rejects_for(&self, now: Instant) -> Option<Duration> {
        match *self.lock() {
            Circuit::Closed { .. } => None,
            Circuit::Open { until, .. } if until <= now => None,
            Circuit::Open { until, .. } => Some(until - now),
            // The end of the probe is unknown; its result is there by then.
            Circuit::HalfOpen { .. } => Some(INITIAL_BACKOFF),
        }
    }

    /// Permits a call.
    ///
    /// # Errors
    ///
    /// The wait until the next probe.
    pub(in crate::library) fn try_call(&self, now: Instant) -> Result<CallGuard<'_>, Duration> {
        if let Some(wait) = self.rejects_for(now) {
            return Err(wait);
        }
        let mut circuit = self.lock();
        let is_probe = match *circuit {
            Circuit::Closed { .. } => false,
            Circuit::Open { reopened, .. } => {
                *circuit = Circuit::HalfOpen { reopened };
                true
            }
            // Another call became the probe since the check above.
            Circuit::HalfOpen { .. } => return Err(INITIAL_BACKOFF),
        };
        Ok(CallGuard {
            breaker: self,
            is_probe,
            begin: now,
            reported: false,
        })
    }

    /// Returns the state for operators.
    pub(in crate::library) fn state(&self) -> BreakerState {
        match *self.lock() {
            Circuit::Closed { .. } => BreakerState::Closed,
            Circuit::Open { .. } => BreakerState::Open,
            Circuit::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn record_failure(&self, is_probe: bool, now: Instant) {
        let mut circuit = self.lock();
        *circuit = match *circuit {
            Circuit::Closed { failures } if failures + 1 < FAILURES => Circuit::Closed {
                failures: failures + 1,
            },
            Circuit::Closed { .. } => open(now, 0),
            Circuit::HalfOpen { reopened } if is_probe => open(now, reopened.saturating_add(1)),
            // Sent before the circuit breaker opened: no new information.
            unchanged @ (Circuit::Open { .. } | Circuit::HalfOpen { .. }) => unchanged,
        };
    }

    fn record_response(&self) {
        *self.lock() = Circuit::Closed { failures: 0 };
    }

    /// A probe that ended without a result: the next call becomes the probe.
    fn record_cancelled_probe(&self, now: Instant) {
        let mut circuit = self.lock();
        if let Circuit::HalfOpen { reopened } = *circuit {
            *circuit = Circuit::Open {
                until: now,
                reopened,
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Circuit> {
        // The value is only ever replaced as a whole.
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(now: Instant, reopened: u32) -> Circuit {
    let backoff = jitter::backoff(INITIAL_BACKOFF, MAX_BACKOFF, reopened, 1.0..1.0 + JITTER);
    let retry_after_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(retry_after_ms, "circuit breaker opened");
    Circuit::Open {
        until: now + backoff,
        reopened,
    }
}

// === impl CallGuard ===

impl CallGuard<'_> {
    /// Reports that the vendor responded, with success or an API error.
    pub(in crate::library) fn responded(mut self) {
        self.reported = true;
        self.breaker.record_response();
    }

    /// Reports that the transport failed or the server returned HTTP 5xx.
    pub(in crate::library) fn failed(mut self, now: Instant) {
        self.reported = true;
        self.breaker.record_failure(self.is_probe, now);
    }
}

impl Drop for CallGuard<'_> {
    /// Judges a call that was cancelled on this side by its duration.
    fn drop(&mut self) {
        if self.reported {
            return;
        }
        let now = Instant::now();
        if now - self.begin >= self.breaker.no_response_threshold {
            self.breaker.record_failure(self.is_probe, now);
        } else if self.is_probe {
            self.breaker.record_cancelled_probe(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_failures(failures: u32) -> CircuitBreaker {
        let breaker = CircuitBreaker::new(Duration::from_secs(30));
        for _ in 0..failures {
            let now = Instant::now();
            breaker.try_call(now).unwrap().failed(now);
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn consecutive_failures_open_it_and_a_response_in_between_resets_the_count() {
        let breaker = after_failures(FAILURES - 1);
        breaker.try_call(Instant::now()).unwrap().responded();
        for _ in 0..FAILURES - 1 {
            let now = Instant::now();
            breaker.try_call(now).unwrap().failed(now);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);

        let now = Instant::now();
        breaker.try_call(now).unwrap().failed(now);

        assert_eq!(breaker.state(), BreakerState::Open);
        let wait = breaker.try_call(now).unwrap_err();
        assert!(
            (INITIAL_BACKOFF..=INITIAL_BACKOFF * 3 / 2).contains(&wait),
            "{wait:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn half_open_permits_one_probe_and_its_response_closes_it() {
        let breaker = after_failures(FAILURES);
        let later = Instant::now() + INITIAL_BACKOFF * 2;

        let probe = breaker.try_call(later).unwrap();

        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.try_call(later).is_err(), "one probe at a time");
        probe.responded();
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(breaker.try_call(later).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn each_failed_probe_doubles_the_backoff_up_to_a_minute_and_jitter() {
        let breaker = after_failures(FAILURES);
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = breaker.rejects_for(Instant::now()).unwrap();
            waits.push(wait.as_secs_f64());
            tokio::time::advance(wait).await;
            let now = Instant::now();
            breaker.try_call(now).unwrap().failed(now);
        }

        for (wait, min) in waits.iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60]) {
            let min = f64::from(min);
            assert!((min..=min * 1.5).contains(wait), "{waits:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_cancelled_probe_the_next_call_is_the_probe() {
        let breaker = after_failures(FAILURES);
        let later = Instant::now() + INITIAL_BACKOFF * 2;
        drop(breaker.try_call(later).unwrap());

        assert!(breaker.try_call(later).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_calls_count_as_failures_only_after_the_threshold_without_a_response() {
        let breaker = after_failures(0);
        for _ in 0..FAILURES * 2 {
            let guard = breaker.try_call(Instant::now()).unwrap();
            tokio::time::advance(NO_RESPONSE_THRESHOLD - Duration::from_millis(1)).await;
            drop(guard);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);

        let guards: Vec<_> = (0..FAILURES)
            .map(|_| breaker.try_call(Instant::now()).unwrap())
            .collect();
        tokio::time::advance(NO_RESPONSE_THRESHOLD).await;
        drop(guards);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_failure_of_an_older_call_does_not_end_the_probe() {
        let breaker = after_failures(0);
        let older = breaker.try_call(Instant::now()).unwrap();
        for _ in 0..FAILURES {
            let now = Instant::now();
            breaker.try_call(now).unwrap().failed(now);
        }
        let later = Instant::now() + INITIAL_BACKOFF * 2;
        let probe = breaker.try_call(later).unwrap();

        older.failed(later);

        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        probe.responded();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
