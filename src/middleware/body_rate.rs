//! The minimum rate at which the body of a request must arrive.
//!
//! A body has a credit of time: bytes add to it, waiting uses it up. The credit is capped, so a
//! body that stalls ends its call after the timeout however fast it began. Apache's
//! `mod_reqtimeout` has the same rule, with 500 bytes per second, but without the cap; nginx has
//! the cap, a `client_body_timeout` of 1 min, but no rate. The timeout is long because the bodies on
//! one connection of HTTP/2 wait for one another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, Kind};

/// The minimum rate of bodies.
#[derive(Clone, Copy, Debug)]
pub struct MinBodyRate {
    /// How long a body may stall, and how long it may be slower than the rate.
    pub timeout: Duration,
    /// Rate that it must have after that.
    pub bytes_per_second: u32,
}

/// How the body of one request arrives; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Arrival(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rate: MinBodyRate,
    state: Mutex<State>,
    failed: Notify,
}

#[derive(Debug)]
struct State {
    /// When the credit is used up; `None` once the whole body has arrived or is not needed.
    due: Option<Instant>,
    error: Option<Error>,
}

// === impl Arrival ===

impl Arrival {
    pub(super) fn begin(rate: MinBodyRate) -> Self {
        let state = State {
            due: Some(Instant::now() + rate.timeout),
            error: None,
        };
        Arrival(Arc::new(Shared {
            rate,
            state: Mutex::new(state),
            failed: Notify::new(),
        }))
    }

    /// Adds bytes that have arrived.
    pub(super) fn add(&self, bytes: usize) {
        let MinBodyRate {
            timeout,
            bytes_per_second,
        } = self.0.rate;
        let earned = Duration::from_secs_f64(bytes as f64 / f64::from(bytes_per_second));
        let mut state = self.state();
        state.due = state
            .due
            .map(|due| (due + earned.min(timeout)).min(Instant::now() + timeout));
    }

    /// Ends the body: nothing of it is missing, or it is not needed.
    pub(super) fn end(&self) {
        self.state().due = None;
    }

    /// Ends the call with an error.
    pub(super) fn fail(&self, error: Error) {
        self.state().error = Some(error);
        self.0.failed.notify_one();
    }

    /// Returns once the body has failed or is too slow; never for one that arrives.
    pub(super) async fn failure(&self) -> Error {
        tokio::select! {
            () = self.0.failed.notified() => {}
            () = self.too_slow() => {}
        }
        let MinBodyRate {
            bytes_per_second, ..
        } = self.0.rate;
        self.state().error.take().unwrap_or_else(|| {
            let message = format!(
                "the request's body arrived slower than {bytes_per_second} bytes per second"
            );
            Error::new(Kind::DeadlineExceeded, message)
        })
    }

    async fn too_slow(&self) {
        loop {
            let due = self.state().due;
            match due {
                Some(due) if due <= Instant::now() => return,
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn begin() -> Arrival {
        Arrival::begin(MinBodyRate {
            timeout: 20 * SECOND,
            bytes_per_second: 500,
        })
    }

    /// Adds bytes every second; returns after how many seconds the body is too slow.
    async fn seconds(arrival: &Arrival, mut bytes: impl Iterator<Item = usize>) -> usize {
        let mut failure = Box::pin(arrival.failure());
        for second in 0.. {
            if let Some(error) = (&mut failure).now_or_never() {
                assert_eq!(error.kind(), Kind::DeadlineExceeded);
                return second;
            }
            let Some(bytes) = bytes.next() else { break };
            arrival.add(bytes);
            advance(SECOND).await;
        }
        usize::MAX
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_at_the_minimum_rate_arrives_however_long_it_takes() {
        let steady = std::iter::repeat_n(500, 1000);
        assert_eq!(seconds(&begin(), steady).await, usize::MAX);

        let in_bursts = [0; 18].into_iter().chain([10_000]).cycle().take(1000);
        assert_eq!(seconds(&begin(), in_bursts).await, usize::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_fails_when_its_credit_is_used_up() {
        assert_eq!(seconds(&begin(), std::iter::repeat(0)).await, 20);
        // Each second earns half a second, from the second one on: there is no credit above 20 s.
        assert_eq!(seconds(&begin(), std::iter::repeat(250)).await, 39);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_fails_however_fast_it_began() {
        let stalling = std::iter::once(8 << 20).chain(std::iter::repeat(0));
        assert_eq!(seconds(&begin(), stalling).await, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_has_arrived_may_wait_for_its_response() {
        let arrival = begin();
        arrival.end();
        assert_eq!(
            seconds(&arrival, std::iter::repeat_n(0, 1000)).await,
            usize::MAX
        );
    }
}
