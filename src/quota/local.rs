//! The quota store in the memory of this process.
//!
//! Each replica admits the whole quota, and a restart loses the count of the day. The decision is a
//! pure function of the counts and two clocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::time::Instant;

use super::gcra::Gcra;
use super::store::{
    CONCURRENCY_WAIT, ConcurrencyPermit, Decision, Limit, Limits, Rejection, Store, Usage,
};
use crate::error::Result;

/// Counts in memory; clones share the counts.
#[derive(Clone, Debug)]
pub struct LocalStore {
    started: Instant,
    tenants: Arc<Mutex<HashMap<String, Counts>>>,
}

/// Use of one tenant.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: Gcra,
    bytes: Gcra,
    day: u64,
    requests_of_day: u64,
    concurrent: u64,
}

/// The clocks: seconds since the start, and since 1970.
#[derive(Clone, Copy, Debug)]
struct Now {
    monotonic: f64,
    unix: u64,
}

const DAY_S: u64 = 24 * 60 * 60;

// === impl LocalStore ===

impl Default for LocalStore {
    fn default() -> Self {
        LocalStore {
            started: Instant::now(),
            tenants: Arc::default(),
        }
    }
}

impl LocalStore {
    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            monotonic: self.started.elapsed().as_secs_f64(),
            unix: unix.unwrap_or_default().as_secs(),
        }
    }

    fn with<T>(&self, tenant: &str, work: impl FnOnce(&mut Counts) -> T) -> T {
        // Counts are numbers: a panic elsewhere cannot leave them inconsistent.
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        work(tenants.entry(tenant.to_owned()).or_default())
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn acquire(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision> {
        let now = self.now();
        if let Err(rejection) = self.with(tenant, |counts| counts.acquire(now, limits, bytes)) {
            return Ok(Decision::Rejected(rejection));
        }
        let (store, tenant) = (self.clone(), tenant.to_owned());
        let release = move || store.with(&tenant, |counts| counts.concurrent -= 1);
        Ok(Decision::Admitted(ConcurrencyPermit::new(release)))
    }

    fn usage(&self, tenant: &str) -> Option<Usage> {
        let today = self.now().unix / DAY_S;
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = tenants.get(tenant)?;
        Some(Usage {
            requests_today: if counts.day == today {
                counts.requests_of_day
            } else {
                0
            },
            running: counts.concurrent,
        })
    }

    fn charge(&self, tenant: &str, limits: &Limits, bytes: u64) {
        if let Some(rate) = limits.bytes_per_second {
            let now = self.now().monotonic;
            self.with(tenant, |counts| {
                counts.bytes.charge(now, bytes as f64, rate as f64)
            });
        }
    }
}

// === impl Counts ===

impl Counts {
    /// Charges one request if every limit allows it.
    fn acquire(&mut self, now: Now, limits: &Limits, bytes: u64) -> Result<(), Rejection> {
        let today = now.unix / DAY_S;
        if self.day != today {
            (self.day, self.requests_of_day) = (today, 0);
        }
        self.check(now, limits)?;
        if let Some(rate) = limits.requests_per_second {
            self.requests.charge(now.monotonic, 1.0, rate as f64);
        }
        if let Some(rate) = limits.bytes_per_second {
            self.bytes.charge(now.monotonic, bytes as f64, rate as f64);
        }
        self.requests_of_day += 1;
        self.concurrent += 1;
        Ok(())
    }

    fn check(&self, now: Now, limits: &Limits) -> Result<(), Rejection> {
        let rejected = |limit, wait| Err(Rejection { limit, wait });
        if limits
            .requests_per_day
            .is_some_and(|max| self.requests_of_day >= max)
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
            // The size is often unknown at this point, so a call is admitted while the quota is not
            // used up, and may cause a debt.
            let rate = rate as f64;
            let wait = self.bytes.wait(now.monotonic, 1.0, rate, rate);
            if wait > SLACK_S {
                return rejected(Limit::Bytes, seconds(wait));
            }
        }
        if limits.concurrent.is_some_and(|max| self.concurrent >= max) {
            return rejected(Limit::Concurrency, CONCURRENCY_WAIT);
        }
        Ok(())
    }
}

/// Tolerance for rounding errors of seconds in `f64`; a caller that waits exactly as long as its
/// rejection says must be admitted.
const SLACK_S: f64 = 1e-6;

/// Rounds up, so that a call is admitted after the wait.
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
            counts.acquire(at(midnight - 100), &limits, 0).unwrap();
        }

        let rejected = counts.acquire(at(midnight - 90), &limits, 0).unwrap_err();
        assert_eq!(rejected.limit, Limit::Day);
        assert_eq!(rejected.wait, Duration::from_secs(90));
        counts.acquire(at(midnight), &limits, 0).unwrap();
    }
}
