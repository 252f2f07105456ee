//! Quotas of tenants: decided in one step, counted in one place.
//!
//! A [`Store`] decides about one call and charges what it admits: all limits
//! of a tenant together, or none. [`Local`] counts in this process, [`Redis`]
//! for all replicas, and [`Fallback`] goes on when Redis does not answer. A
//! [`Meter`] is one tenant's view, for the layer around both APIs and for the
//! items of a bulk load.

mod fallback;
mod gcra;
mod local;
mod shared;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::config;
pub use crate::config::TenantQuota as Limits;
use crate::error::{Error, Kind, Result};
use crate::replicas;

pub use self::shared::Redis;
pub use fallback::Fallback;
pub use local::Local;

/// Keeps the counts of quotas and decides by them.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Decides about one call that is `bytes` long as far as is known, and
    /// charges it when it is admitted.
    ///
    /// # Errors
    ///
    /// `QuotaStoreUnavailable` when nothing could be decided.
    async fn take(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision>;

    /// Charges bytes that an admitted call turned out to have on top. A tenant
    /// may come into debt by it, and is rejected until that is paid.
    fn charge(&self, tenant: &str, limits: &Limits, bytes: u64);

    /// Whether replicas count together as configured; a store of one process
    /// always does.
    fn is_whole(&self) -> bool {
        true
    }
}

/// What a store decided.
#[derive(Debug)]
pub enum Decision {
    /// The call may run; it counts as running while this is kept.
    Admitted(Running),
    /// The call may not run.
    Rejected(Rejection),
}

/// Why a call may not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The limit that it would break.
    pub limit: Limit,
    /// Time until it would not, if nothing else comes.
    pub wait: Duration,
}

/// The limits of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `requests_per_second` and `burst`.
    Rate,
    /// `bytes_per_second`.
    Bytes,
    /// `concurrent`.
    Concurrency,
    /// `requests_per_day`.
    Day,
}

/// A call that runs; dropping it frees its place.
#[derive(Default)]
#[must_use = "the call counts as running only while this is kept"]
pub struct Running(Option<Box<dyn FnOnce() + Send + Sync>>);

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

/// How often each tenant was over its quota, in shadow too; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Rejections(Arc<Mutex<BTreeMap<Arc<str>, u64>>>);

/// The quota of one tenant.
#[derive(Clone, Debug)]
pub struct Meter {
    quotas: Quotas,
    tenant: Arc<str>,
}

/// Wait for a place among the running calls: nobody knows when one ends.
const CONCURRENCY_WAIT: Duration = Duration::from_secs(1);

// === impl Running ===

impl Running {
    /// Calls `end` when the call ends.
    fn until(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Running(Some(Box::new(end)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running(counted: {})", self.0.is_some())
    }
}

/// Opens the configured store.
///
/// `longest` is the longest time that a call runs: a place that a crashed
/// replica left taken is free after it.
pub fn open(
    config: &config::Quota,
    redis: Option<&replicas::Redis>,
    longest: Duration,
) -> Arc<dyn Store> {
    match redis {
        Some(redis) if config.store == config::Store::Redis => {
            let replicas = redis.replicas();
            let redis = Redis::new(redis.clone(), longest);
            Arc::new(Fallback::new(redis, config.on_failure, replicas))
        }
        _ => Arc::new(Local::default()),
    }
}

// === impl Quotas ===

impl Quotas {
    /// Counts in a store, and what it rejects in `rejections`; `shadow` admits
    /// that.
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

    /// The quota of a tenant; one without limits is not counted.
    pub fn meter(&self, tenant: &str) -> Meter {
        Meter {
            quotas: self.clone(),
            tenant: tenant.into(),
        }
    }
}

// === impl Rejections ===

impl Rejections {
    /// Calls and items of bulk loads that were over a quota, by tenant.
    pub fn by_tenant(&self) -> BTreeMap<Arc<str>, u64> {
        self.lock().clone()
    }

    fn note(&self, tenant: &Arc<str>) {
        *self.lock().entry(tenant.clone()).or_default() += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Arc<str>, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Meter ===

impl Meter {
    /// Asks for one call that is `bytes` long as far as is known.
    ///
    /// # Errors
    ///
    /// The kind of the limit that is reached, with the wait;
    /// `QuotaStoreUnavailable` when the store does not answer and the
    /// configuration wants rejections then.
    pub async fn take(&self, bytes: u64) -> Result<Running> {
        let Some((inner, limits)) = self.counted() else {
            return Ok(Running::default());
        };
        let error = match inner.store.take(&self.tenant, limits, bytes).await {
            Ok(Decision::Admitted(running)) => return Ok(running),
            Ok(Decision::Rejected(rejection)) => rejection.error(limits),
            Err(error) => error,
        };
        inner.rejections.note(&self.tenant);
        if inner.shadow {
            let (tenant, reason) = (&*self.tenant, error.kind().reason());
            tracing::info!(tenant, reason, "over its quota, admitted: shadow mode");
            return Ok(Running::default());
        }
        Err(error)
    }

    /// Charges bytes that an admitted call turned out to have on top.
    pub fn charge(&self, bytes: u64) {
        if let Some((inner, limits)) = self.counted()
            && bytes > 0
            && limits.bytes_per_second.is_some()
        {
            inner.store.charge(&self.tenant, limits, bytes);
        }
    }

    fn counted(&self) -> Option<(&Inner, &Limits)> {
        let limits = self.quotas.0.limits.get(&*self.tenant)?;
        (*limits != Limits::default()).then_some((&*self.quotas.0, limits))
    }
}

// === impl Rejection ===

impl Rejection {
    fn error(self, limits: &Limits) -> Error {
        let (kind, most, unit) = match self.limit {
            Limit::Rate => (
                Kind::QuotaRate,
                limits.requests_per_second,
                "requests a second",
            ),
            Limit::Bytes => (Kind::QuotaBytes, limits.bytes_per_second, "bytes a second"),
            Limit::Concurrency => (
                Kind::QuotaConcurrency,
                limits.concurrent,
                "requests at once",
            ),
            Limit::Day => (Kind::QuotaDay, limits.requests_per_day, "requests a day"),
        };
        let most = most.unwrap_or_default();
        let message = format!("the tenant's quota is used up: {most} {unit}");
        Error::new(kind, message).with_retry_after(self.wait)
    }
}

#[cfg(test)]
mod tests;
