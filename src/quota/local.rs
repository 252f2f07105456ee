//! Counts quotas in this process.
//!
//! Each replica then admits the whole quota, and a restart forgets the day's
//! count. The decision is a plain function of the state and two clocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::time::Instant;

use super::gcra::Gcra;
use super::{CONCURRENCY_WAIT, Decision, Limit, Limits, Rejection, Running, Store};
use crate::error::Result;

/// Counts in memory; clones share the counts.
#[derive(Clone, Debug)]
pub struct Local {
    started: Instant,
    tenants: Arc<Mutex<HashMap<String, Counts>>>,
}

/// What one tenant has taken.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: Gcra,
    bytes: Gcra,
    day: u64,
    of_day: u64,
    running: u64,
}

/// What the clocks say: seconds since the start, and since 1970.
#[derive(Clone, Copy, Debug)]
struct Now {
    monotonic: f64,
    unix: u64,
}

const DAY_S: u64 = 24 * 60 * 60;

impl Default for Local {
    fn default() -> Self {
        Local {
            started: Instant::now(),
            tenants: Arc::default(),
        }
    }
}

impl Local {
    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            monotonic: self.started.elapsed().as_secs_f64(),
            unix: unix.unwrap_or_default().as_secs(),
        }
    }

    fn with<T>(&self, tenant: &str, work: impl FnOnce(&mut Counts) -> T) -> T {
        let tenants = self.tenants.lock();
        // Counts are numbers: a panic elsewhere cannot have left them half.
        let mut tenants = tenants.unwrap_or_else(PoisonError::into_inner);
        work(tenants.entry(tenant.to_owned()).or_default())
    }
}

#[async_trait]
impl Store for Local {
    async fn take(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision> {
        let now = self.now();
        if let Err(rejection) = self.with(tenant, |counts| counts.take(now, limits, bytes)) {
            return Ok(Decision::Rejected(rejection));
        }
        let (store, tenant) = (self.clone(), tenant.to_owned());
        let end = move || store.with(&tenant, |counts| counts.running -= 1);
        Ok(Decision::Admitted(Running::until(end)))
    }

    fn charge(&self, tenant: &str, limits: &Limits, bytes: u64) {
        if let Some(rate) = limits.bytes_per_second {
            let now = self.now().monotonic;
            self.with(tenant, |counts| {
                counts.bytes.take(now, bytes as f64, rate as f64)
            });
        }
    }
}

// === impl Counts ===

impl Counts {
    /// Takes one request if every limit allows it.
    fn take(&mut self, now: Now, limits: &Limits, bytes: u64) -> Result<(), Rejection> {
        let today = now.unix / DAY_S;
        if self.day != today {
            (self.day, self.of_day) = (today, 0);
        }
        self.check(now, limits)?;
        if let Some(rate) = limits.requests_per_second {
            self.requests.take(now.monotonic, 1.0, rate as f64);
        }
        if let Some(rate) = limits.bytes_per_second {
            self.bytes.take(now.monotonic, bytes as f64, rate as f64);
        }
        self.of_day += 1;
        self.running += 1;
        Ok(())
    }

    fn check(&self, now: Now, limits: &Limits) -> Result<(), Rejection> {
        let rejected = |limit, wait| Err(Rejection { limit, wait });
        if limits
            .requests_per_day
            .is_some_and(|most| self.of_day >= most)
        {
            let wait = Duration::from_secs(DAY_S - now.unix % DAY_S);
            return rejected(Limit::Day, wait);
        }
        if let Some(rate) = limits.requests_per_second {
            let burst = limits.burst.unwrap_or(rate);
            let wait = self
                .requests
                .wait(now.monotonic, 1.0, rate as f64, burst as f64);
            if wait > SLACK_S {
                return rejected(Limit::Rate, seconds(wait));
            }
        }
        if let Some(rate) = limits.bytes_per_second {
            // The size is often not known yet, so a call is admitted while
            // anything is left, and may leave a debt.
            let rate = rate as f64;
            let wait = self.bytes.wait(now.monotonic, 1.0, rate, rate);
            if wait > SLACK_S {
                return rejected(Limit::Bytes, seconds(wait));
            }
        }
        if limits.concurrent.is_some_and(|most| self.running >= most) {
            return rejected(Limit::Concurrency, CONCURRENCY_WAIT);
        }
        Ok(())
    }
}

/// Rounding of seconds that a process counts in `f64`; a caller that waits
/// exactly as long as it was told must be admitted.
const SLACK_S: f64 = 1e-6;

/// Rounds up, so that after the wait the time has come.
fn seconds(wait: f64) -> Duration {
    Duration::from_secs_f64(wait.max(0.0)) + Duration::from_micros(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_ends_at_midnight_utc_and_so_does_the_wait() {
        let limits = Limits {
            requests_per_day: Some(2),
            ..Limits::default()
        };
        let at = |unix| Now {
            monotonic: unix as f64,
            unix,
        };
        let midnight = 20_000 * DAY_S;
        let mut counts = Counts::default();
        for _ in 0..2 {
            counts.take(at(midnight - 100), &limits, 0).unwrap();
        }

        let rejected = counts.take(at(midnight - 90), &limits, 0).unwrap_err();
        assert_eq!(rejected.limit, Limit::Day);
        assert_eq!(rejected.wait, Duration::from_secs(90));
        counts.take(at(midnight), &limits, 0).unwrap();
    }
}
