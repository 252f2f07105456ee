//! The quota store that decides while Redis is unavailable.
//!
//! After a failure Redis is not used for a second; then one call tries it again while the others
//! use the fallback. Each change is logged once.

use std::sync::Mutex;

use async_trait::async_trait;
use tokio::time::Instant;

use super::local::LocalStore;
use super::redis_store::RedisStore;
use super::store::{ConcurrencyPermit, Decision, Limits, Store};
use crate::config::OnFailure;
use crate::error::{self, Error, Kind, Result};
use crate::replicas::RETRY_INTERVAL;

/// Counts in Redis, and as configured while it is unavailable.
#[derive(Debug)]
pub struct FallbackStore {
    shared: RedisStore,
    local: LocalStore,
    on_failure: OnFailure,
    replicas: u64,
    /// When Redis is tried again; `None` while it is available.
    retry_at: Mutex<Option<Instant>>,
}

// === impl FallbackStore ===

impl FallbackStore {
    /// Counts in `shared`, which `replicas` processes use.
    pub fn new(shared: RedisStore, on_failure: OnFailure, replicas: u32) -> Self {
        FallbackStore {
            shared,
            local: LocalStore::default(),
            on_failure,
            replicas: u64::from(replicas),
            retry_at: Mutex::default(),
        }
    }

    /// Returns whether this call uses Redis; after a pause only the first call does, since the
    /// others would wait for the same failure.
    fn may_try(&self) -> bool {
        let Ok(mut retry_at) = self.retry_at.lock() else {
            return true;
        };
        match *retry_at {
            Some(time) if Instant::now() < time => false,
            Some(_) => {
                *retry_at = Some(Instant::now() + RETRY_INTERVAL);
                true
            }
            None => true,
        }
    }

    fn record_outcome(&self, failure: Option<&Error>) {
        let next = failure.map(|_| Instant::now() + RETRY_INTERVAL);
        let Ok(mut retry_at) = self.retry_at.lock() else {
            return;
        };
        let before = std::mem::replace(&mut *retry_at, next);
        drop(retry_at);
        match (before, failure) {
            (None, Some(failure)) => {
                let error = error::chain(failure);
                tracing::error!(%error, "quota store unavailable, quotas fell back");
            }
            (Some(_), None) => tracing::info!("quota store available again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    async fn decide_without(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision> {
        match self.on_failure {
            OnFailure::Local => self.local.acquire(tenant, &self.share(limits), bytes).await,
            OnFailure::Open => Ok(Decision::Admitted(ConcurrencyPermit::default())),
            OnFailure::Closed => {
                let message = "the quota store is unavailable";
                Err(Error::new(Kind::QuotaStoreUnavailable, message))
            }
        }
    }

    /// Returns this replica's share of a quota, rounded up: a share of 0 would reject every call.
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
impl Store for FallbackStore {
    async fn acquire(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision> {
        if self.may_try() {
            let decision = self.shared.acquire(tenant, limits, bytes).await;
            self.record_outcome(decision.as_ref().err());
            if decision.is_ok() {
                return decision;
            }
        }
        self.decide_without(tenant, limits, bytes).await
    }

    fn charge(&self, tenant: &str, limits: &Limits, bytes: u64) {
        if self.is_up() {
            self.shared.charge(tenant, limits, bytes);
        } else {
            self.local.charge(tenant, &self.share(limits), bytes);
        }
    }

    fn is_up(&self) -> bool {
        self.retry_at
            .lock()
            .is_ok_and(|retry_at| retry_at.is_none())
    }
}
