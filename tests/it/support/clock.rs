//! A paused clock that nobody but the test moves, beside real sockets.
//!
//! tokio moves a paused clock to the next timer as soon as nothing else is to
//! be done, also while bytes are on their way through a socket: an HTTP client
//! would time out in no time. So a task keeps the runtime busy, and the test
//! moves the clock in small steps; between two of them sockets and tasks do
//! what they can.

use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};

/// A step: half of what the pace of calls leaves for the way to the vendor.
pub const STEP: Duration = Duration::from_millis(10);
/// Looks at the sockets after each step. A request, its answer and what they
/// set off take about six on loopback, where bytes arrive as they are sent.
const LOOKS: usize = 40;
/// Longest virtual time of [`Clock::drive`].
const PATIENCE: Duration = Duration::from_mins(30);

/// Holds the clock until it is dropped; wants a runtime of one thread.
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

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(STEP);
            tokio::time::advance(step).await;
            self.settle().await;
            left -= step;
        }
    }

    /// Lets time pass until the work is done.
    ///
    /// # Panics
    ///
    /// After half an hour of virtual time.
    pub async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            result = work => result,
            () = self.pass(PATIENCE) => panic!("not done after {PATIENCE:?} of virtual time"),
        }
    }

    /// Lets sockets and tasks do what they can without time.
    pub async fn settle(&self) {
        for _ in 0..LOOKS {
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
