//! A paused clock that only the test advances, with real sockets.
//!
//! tokio advances a paused clock to the next timer as soon as no task is ready, also while bytes
//! are in transit through a socket: an HTTP client would time out at once. So a task keeps the
//! runtime busy, and the test advances the clock in small steps; between two steps sockets and
//! tasks make all the progress they can.

use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};

/// One step: half of the time that the rate limiter allows for the transport to the vendor.
pub const STEP: Duration = Duration::from_millis(10);
/// Polls of the runtime after each step. A request, its response and what they trigger need about
/// six on loopback, where bytes arrive as they are sent.
const POLLS: usize = 40;
/// Maximum virtual time of [`Clock::drive`].
const MAX_TIME: Duration = Duration::from_mins(30);

/// Stops the clock until it is dropped; requires a runtime of one thread.
#[derive(Debug)]
pub struct Clock(JoinHandle<()>);

// === impl Clock ===

impl Clock {
    /// Stops the clock.
    pub fn stop() -> Self {
        tokio::time::pause();
        Clock(tokio::spawn(async {
            loop {
                yield_now().await;
            }
        }))
    }

    /// Advances the clock.
    pub async fn pass(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(STEP);
            tokio::time::advance(step).await;
            self.settle().await;
            left -= step;
        }
    }

    /// Advances the clock until the work is done.
    ///
    /// # Panics
    ///
    /// After half an hour of virtual time.
    pub async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            result = work => result,
            () = self.pass(MAX_TIME) => panic!("not done after {MAX_TIME:?} of virtual time"),
        }
    }

    /// Lets sockets and tasks make progress without advancing the clock.
    pub async fn settle(&self) {
        for _ in 0..POLLS {
            yield_now().await;
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.abort();
        tokio::time::resume();
    }
}
