//! What an item of a bulk load has to pass before it is worked on.
//!
//! A single call that finds no room is rejected; an item waits, up to the time
//! of one operation, and while it stands here no other is read, so the client
//! waits with it. A wait that would be longer, as for the next day, is a
//! rejection of the item.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admission::{Budget, Class, Place};
use crate::error::{Error, Kind, Result};
use crate::quota::{ConcurrencyPermit, TenantLimiter};

/// Stands between a load's client and its library.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Gate(std::sync::Arc<Inner>);

#[derive(Debug)]
struct Inner {
    budget: Budget,
    meter: TenantLimiter,
    patience: Duration,
    closing: CancellationToken,
    /// The load's own place: it bounds how many there are.
    _load: Place,
}

/// What an item holds while it is worked on.
#[derive(Debug)]
pub(super) struct Entry {
    _running: ConcurrencyPermit,
    _place: Place,
}

impl Gate {
    /// Takes the load's own place; its items wait for theirs up to `patience`.
    ///
    /// # Errors
    ///
    /// `Overloaded` when there are too many loads and items.
    pub(in crate::grpc) fn open(
        budget: Budget,
        meter: TenantLimiter,
        patience: Duration,
        closing: CancellationToken,
    ) -> Result<Self> {
        let load = budget.take(Class::Bulk, 0)?;
        Ok(Gate(std::sync::Arc::new(Inner {
            budget,
            meter,
            patience,
            closing,
            _load: load,
        })))
    }

    /// Ends when the server goes away.
    pub(super) async fn drained(&self) {
        self.0.closing.cancelled().await;
    }

    /// Lets an item of `bytes` pass when memory and quota allow it.
    pub(super) async fn pass(self, bytes: usize) -> Result<Entry> {
        tokio::select! {
            // An item that passes now is worked on, also in a drain.
            biased;
            entry = self.enter(bytes) => entry,
            () = self.drained() => {
                let message = "the server is going away; send the item on a new stream";
                Err(Error::new(Kind::ShuttingDown, message))
            }
        }
    }

    async fn enter(&self, bytes: usize) -> Result<Entry> {
        let until = Instant::now() + self.0.patience;
        let place = tokio::time::timeout_at(until, self.0.budget.wait(bytes)).await;
        let full = |_| Error::new(Kind::Overloaded, "no memory was free in time");
        let place = place.map_err(full)?;
        loop {
            let rejected = match self.0.meter.acquire(bytes as u64).await {
                Ok(running) => {
                    return Ok(Entry {
                        _running: running,
                        _place: place,
                    });
                }
                Err(error) => error,
            };
            let again = rejected.retry_after().map(|wait| Instant::now() + wait);
            let Some(again) = again.filter(|again| *again < until) else {
                return Err(rejected);
            };
            tokio::time::sleep_until(again).await;
        }
    }
}
