//! Goes on when the shared store does not answer.
//!
//! After a failure the shared store is left alone for a second; then one call
//! tries it again while the others go on without. Operators hear of both
//! turns, once each.

use std::sync::Mutex;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Decision, Limits, Local, Redis, Running, Store};
use crate::config::OnFailure;
use crate::error::{self, Error, Kind, Result};
use crate::replicas::RETRY_INTERVAL;

/// Counts in Redis while it answers, and as configured while it does not.
#[derive(Debug)]
pub struct Fallback {
    shared: Redis,
    own: Local,
    on_failure: OnFailure,
    replicas: u64,
    /// When the shared store is tried again; `None` while it answers.
    again: Mutex<Option<Instant>>,
}

impl Fallback {
    /// Counts in `shared`, by `replicas` processes together.
    pub fn new(shared: Redis, on_failure: OnFailure, replicas: u32) -> Self {
        Fallback {
            shared,
            own: Local::default(),
            on_failure,
            replicas: u64::from(replicas),
            again: Mutex::default(),
        }
    }

    /// Whether the shared store is asked; of all calls after a pause only the
    /// first asks, as the others would wait in vain with it.
    fn may_ask(&self) -> bool {
        let Ok(mut again) = self.again.lock() else {
            return true;
        };
        match *again {
            Some(time) if Instant::now() < time => false,
            Some(_) => {
                *again = Some(Instant::now() + RETRY_INTERVAL);
                true
            }
            None => true,
        }
    }

    fn note(&self, failure: Option<&Error>) {
        let next = failure.map(|_| Instant::now() + RETRY_INTERVAL);
        let Ok(mut again) = self.again.lock() else {
            return;
        };
        let before = std::mem::replace(&mut *again, next);
        drop(again);
        match (before, failure) {
            (None, Some(failure)) => {
                let error = error::chain(failure);
                tracing::error!(%error, "quotas are no longer counted together");
            }
            (Some(_), None) => tracing::info!("quotas are counted together again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    async fn without(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision> {
        match self.on_failure {
            OnFailure::Local => self.own.take(tenant, &self.share(limits), bytes).await,
            OnFailure::Open => Ok(Decision::Admitted(Running::default())),
            OnFailure::Closed => {
                let message = "the quotas cannot be counted now";
                Err(Error::new(Kind::QuotaStoreUnavailable, message))
            }
        }
    }

    /// This replica's share of a quota. Whole numbers are
    /// rounded up, since a share of nothing would reject everything.
    fn share(&self, limits: &Limits) -> Limits {
        let share = |limit: Option<u64>| limit.map(|limit| limit.div_ceil(self.replicas));
        Limits {
            requests_per_second: share(limits.requests_per_second),
            burst: share(limits.burst),
            requests_per_day: share(limits.requests_per_day),
            bytes_per_second: share(limits.bytes_per_second),
            concurrent: share(limits.concurrent),
        }
    }
}

#[async_trait]
impl Store for Fallback {
    async fn take(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision> {
        if self.may_ask() {
            let decision = self.shared.take(tenant, limits, bytes).await;
            self.note(decision.as_ref().err());
            if decision.is_ok() {
                return decision;
            }
        }
        self.without(tenant, limits, bytes).await
    }

    fn charge(&self, tenant: &str, limits: &Limits, bytes: u64) {
        if self.is_whole() {
            self.shared.charge(tenant, limits, bytes);
        } else {
            self.own.charge(tenant, &self.share(limits), bytes);
        }
    }

    fn is_whole(&self) -> bool {
        self.again.lock().is_ok_and(|again| again.is_none())
    }
}
