//! Quotas of tenants: one decision about all limits of a call.
//!
//! A [`Store`] decides about a call and charges it when it is admitted: against all limits of the
//! tenant, or against none. [`LocalStore`] counts in this process, [`RedisStore`] for all replicas,
//! and [`FallbackStore`] decides while Redis is unavailable. A [`TenantLimiter`] is the quota of
//! one tenant, for the layer around both APIs and for the items of a bulk load.

mod fallback;
mod gcra;
mod local;
mod redis_store;
mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config;
use crate::error::Result;
use crate::replicas::Redis;

pub use self::fallback::FallbackStore;
pub use self::local::LocalStore;
pub use self::redis_store::RedisStore;
pub use self::store::{ConcurrencyPermit, Decision, Limit, Limits, Rejection, Store, Usage};

/// The quotas of all tenants.
#[derive(Clone, Debug)]
pub struct Quotas(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: BTreeMap<String, Limits>,
    store: Arc<dyn Store>,
    shadow: bool,
    rejections: Rejections,
}

/// How often each tenant was over its quota, also in shadow mode; clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Rejections(Arc<Mutex<BTreeMap<Arc<str>, u64>>>);

/// Enforces the quota of one tenant.
#[derive(Clone, Debug)]
pub struct TenantLimiter {
    quotas: Quotas,
    tenant: Arc<str>,
}

/// Opens the configured store.
///
/// `max_call_time` bounds the time for which a call counts as concurrent: then the permits of a
/// replica that crashed are free.
pub fn open(
    config: &config::Quota,
    redis: Option<&Redis>,
    max_call_time: Duration,
) -> Arc<dyn Store> {
    match redis {
        Some(redis) if config.store == config::Store::Redis => {
            let replicas = redis.replicas();
            let store = RedisStore::new(redis.clone(), max_call_time);
            Arc::new(FallbackStore::new(store, config.on_failure, replicas))
        }
        _ => Arc::new(LocalStore::default()),
    }
}

// === impl Quotas ===

impl Quotas {
    /// Enforces `limits` by a store, and counts its rejections; `shadow` admits them.
    pub fn of(
        store: Arc<dyn Store>,
        limits: BTreeMap<String, Limits>,
        shadow: bool,
        rejections: Rejections,
    ) -> Self {
        Quotas(Arc::new(Inner {
            limits,
            store,
            shadow,
            rejections,
        }))
    }

    /// Returns the limits of a tenant, their use where this process alone counts it, and how often
    /// the tenant was over them since the start.
    pub fn of_tenant(&self, tenant: &str) -> (Limits, Option<Usage>, u64) {
        let limits = self.0.limits.get(tenant).cloned().unwrap_or_default();
        let rejected = self.0.rejections.lock().get(tenant).copied();
        (
            limits,
            self.0.store.usage(tenant),
            rejected.unwrap_or_default(),
        )
    }

    /// Returns the limiter of a tenant; one without limits is not counted.
    pub fn limiter(&self, tenant: &str) -> TenantLimiter {
        TenantLimiter {
            quotas: self.clone(),
            tenant: tenant.into(),
        }
    }
}

// === impl Rejections ===

impl Rejections {
    /// Returns the calls and items of bulk loads that were over a quota, by tenant.
    pub fn by_tenant(&self) -> BTreeMap<Arc<str>, u64> {
        self.lock().clone()
    }

    fn record(&self, tenant: &Arc<str>) {
        *self.lock().entry(tenant.clone()).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl TenantLimiter ===

impl TenantLimiter {
    /// Acquires the quota of one call with `bytes` known bytes.
    ///
    /// # Errors
    ///
    /// The kind of the limit that is reached, with the wait; `QuotaStoreUnavailable` when the store
    /// is unavailable and the configuration rejects calls then.
    pub async fn acquire(&self, bytes: u64) -> Result<ConcurrencyPermit> {
        let Some((quotas, limits)) = self.counted() else {
            return Ok(ConcurrencyPermit::default());
        };
        let error = match quotas.store.acquire(&self.tenant, limits, bytes).await {
            Ok(Decision::Admitted(permit)) => return Ok(permit),
            Ok(Decision::Rejected(rejection)) => rejection.error(limits),
            Err(error) => error,
        };
        quotas.rejections.record(&self.tenant);
        if quotas.shadow {
            let (tenant, reason) = (&*self.tenant, error.kind().reason());
            tracing::info!(
                tenant,
                reason,
                "quota exceeded, call admitted in shadow mode"
            );
            return Ok(ConcurrencyPermit::default());
        }
        Err(error)
    }

    /// Charges more bytes of an admitted call.
    pub fn charge(&self, bytes: u64) {
        if let Some((quotas, limits)) = self.counted()
            && bytes > 0
            && limits.bytes_per_second.is_some()
        {
            quotas.store.charge(&self.tenant, limits, bytes);
        }
    }

    fn counted(&self) -> Option<(&Inner, &Limits)> {
        let limits = self.quotas.0.limits.get(&*self.tenant)?;
        (*limits != Limits::default()).then_some((&*self.quotas.0, limits))
    }
}

#[cfg(test)]
mod tests;
