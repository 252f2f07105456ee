//! Admission of the items of a bulk load: requests in flight and quota.
//!
//! A single call is rejected when budget or quota is used up. An item waits instead, up to the time
//! of one operation, and no other item is read while it waits: this is the backpressure on the
//! client. An item that would wait longer, as for the quota of the next day, is rejected. Its bytes
//! are charged before, as they arrive.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admission::CallPermit;
use crate::error::{Error, Kind, Result};
use crate::quota::{ConcurrencyPermit, TenantLimiter};

/// Admits the items of one load; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ItemAdmission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limiter: TenantLimiter,
    wait_timeout: Duration,
    closing: CancellationToken,
}

/// What an item holds while it is in flight.
#[derive(Debug)]
pub(super) struct ItemPermit {
    /// What the item's bytes are charged to.
    pub(super) memory: CallPermit,
    _quota: ConcurrencyPermit,
}

// === impl ItemAdmission ===

impl ItemAdmission {
    /// Makes each item wait up to `wait_timeout` for its permit.
    pub(crate) fn new(
        limiter: TenantLimiter,
        wait_timeout: Duration,
        closing: CancellationToken,
    ) -> Self {
        ItemAdmission(Arc::new(Inner {
            limiter,
            wait_timeout,
            closing,
        }))
    }

    /// Completes when the drain begins.
    pub(super) async fn drain_started(&self) {
        self.0.closing.cancelled().await;
    }

    /// Waits until budget and quota admit an item of `bytes`, which `memory` has charged.
    pub(super) async fn admit(self, memory: CallPermit, bytes: usize) -> Result<ItemPermit> {
        tokio::select! {
            // An item that needs no wait is admitted also during a drain.
            biased;
            permit = self.wait_for_permit(memory, bytes) => permit,
            () = self.drain_started() => {
                let message = "the server is shutting down; send the item on a new stream";
                Err(Error::new(Kind::ShuttingDown, message))
            }
        }
    }

    async fn wait_for_permit(&self, memory: CallPermit, bytes: usize) -> Result<ItemPermit> {
        let deadline = Instant::now() + self.0.wait_timeout;
        tokio::time::timeout_at(deadline, memory.wait_for_request())
            .await
            .map_err(|_| Error::new(Kind::Overloaded, "no request was free in time"))?;
        loop {
            let rejected = match self.0.limiter.acquire(bytes as u64).await {
                Ok(running) => {
                    return Ok(ItemPermit {
                        memory,
                        _quota: running,
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
