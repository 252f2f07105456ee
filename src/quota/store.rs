//! What every quota store promises, and its decisions.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

pub use crate::config::TenantQuota as Limits;
use crate::error::{Error, Kind, Result};

/// Wait that a rejection by `concurrent` names: the end of a running call is unknown.
pub(super) const CONCURRENCY_WAIT: Duration = Duration::from_secs(1);

/// Counts the use of quotas and decides by them.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Decides about one call with `bytes` known bytes, and charges it when it is admitted: against
    /// every limit, or against none.
    ///
    /// # Errors
    ///
    /// `QuotaStoreUnavailable` when the store cannot decide.
    async fn acquire(&self, tenant: &str, limits: &Limits, bytes: u64) -> Result<Decision>;

    /// Charges more bytes of an admitted call. A tenant may get into debt, and is rejected until
    /// the debt is paid.
    fn charge(&self, tenant: &str, limits: &Limits, bytes: u64);

    /// Returns what a tenant uses now; none where other processes count too, and for a tenant that
    /// has not called.
    fn usage(&self, _tenant: &str) -> Option<Usage> {
        None
    }

    /// Returns whether quotas are counted in the configured store at present, and not in its
    /// fallback.
    fn is_up(&self) -> bool {
        true
    }
}

/// Use of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests of this day, in UTC.
    pub requests_today: u64,
    /// Requests that run now.
    pub running: u64,
}

/// Decision of a store.
#[derive(Debug)]
pub enum Decision {
    /// The call may run; it counts as concurrent while this is kept.
    Admitted(ConcurrencyPermit),
    /// The call may not run.
    Rejected(Rejection),
}

/// Why a call may not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The limit that is reached.
    pub limit: Limit,
    /// Time until the call would be admitted, if no other call comes.
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

/// Permission of one call to run; dropping it ends the call for `concurrent`.
#[derive(Default)]
#[must_use = "the call counts as running only while this is kept"]
pub struct ConcurrencyPermit(Option<Box<dyn FnOnce() + Send + Sync>>);

// === impl ConcurrencyPermit ===

impl ConcurrencyPermit {
    /// Calls `release` when the call ends.
    pub(super) fn new(release: impl FnOnce() + Send + Sync + 'static) -> Self {
        ConcurrencyPermit(Some(Box::new(release)))
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

impl fmt::Debug for ConcurrencyPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConcurrencyPermit(counted: {})", self.0.is_some())
    }
}

// === impl Rejection ===

impl Rejection {
    /// Returns the error for the caller.
    pub(super) fn error(self, limits: &Limits) -> Error {
        let (kind, max, unit) = match self.limit {
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
        let max = max.unwrap_or_default();
        let message = format!("the tenant's quota is used up: {max} {unit}");
        Error::new(kind, message).with_retry_after(self.wait)
    }
}
