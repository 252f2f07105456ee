//! Admission of the items of a bulk load: memory and quota.
//!
//! A single call is rejected when memory or quota is used up. An item waits instead, up to the time
//! of one operation, and no other item is read while it waits: this is the backpressure on the
//! client. An item that would wait longer, as for the quota of the next day, is rejected.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admission::{Class, InFlightBudget, Permit};
use crate::error::{Error, Kind, Result};
use crate::quota::{ConcurrencyPermit, TenantLimiter};

/// Admits the items of one load; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ItemAdmission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    budget: InFlightBudget,
    limiter: TenantLimiter,
    wait_timeout: Duration,
    closing: CancellationToken,
    /// The permit of the load itself: it bounds the number of loads.
    _load: Permit,
}

/// What an item holds while it is in flight.
#[derive(Debug)]
pub(super) struct ItemPermit {
    _quota: ConcurrencyPermit,
    _memory: Permit,
}

// === impl ItemAdmission ===

impl ItemAdmission {
    /// Acquires a permit for the load; each item waits up to `wait_timeout` for its own.
    ///
    /// # Errors
    ///
    /// `Overloaded` when too many loads and items are in flight.
    pub(crate) fn open(
        budget: InFlightBudget,
        limiter: TenantLimiter,
        wait_timeout: Duration,
        closing: CancellationToken,
    ) -> Result<Self> {
        let load = budget.try_acquire(Class::Bulk, 0)?;
        Ok(ItemAdmission(Arc::new(Inner {
            budget,
            limiter,
            wait_timeout,
            closing,
            _load: load,
        })))
    }

    /// Completes when the drain begins.
    pub(super) async fn drain_started(&self) {
        self.0.closing.cancelled().await;
    }

    /// Waits until memory and quota admit an item of `bytes`.
    pub(super) async fn admit(self, bytes: usize) -> Result<ItemPermit> {
        tokio::select! {
            // An item that needs no wait is admitted also during a drain.
            biased;
            permit = self.wait_for_permit(bytes) => permit,
            () = self.drain_started() => {
                let message = "the server is shutting down; send the item on a new stream";
                Err(Error::new(Kind::ShuttingDown, message))
            }
        }
    }

    async fn wait_for_permit(&self, bytes: usize) -> Result<ItemPermit> {
        let deadline = Instant::now() + self.0.wait_timeout;
        let memory = tokio::time::timeout_at(deadline, self.0.budget.acquire(bytes))
            .await
            .map_err(|_| Error::new(Kind::Overloaded, "no memory was free in time"))?;
        loop {
            let rejected = match self.0.limiter.acquire(bytes as u64).await {
                Ok(running) => {
                    return Ok(ItemPermit {
                        _quota: running,
                        _memory: memory,
                    });
                }
                Err(error) => error,
            };
            let next_attempt = rejected.retry_after().map(|wait| Instant::now() + wait);
            let Some(next_attempt) = next_attempt.filter(|attempt| *attempt < deadline) else {
                return Err(rejected);
            };
            tokio::time::sleep_until(next_attempt).await;
        }
    }
}
