//! The permit of a call, shared by all who keep bytes for it.
//!
//! The middleware acquires it and holds it until the last byte of the response. The body of the
//! request, a fetched image and the response are charged to it. An item of a bulk load has a permit
//! of its own, split off that of the load.

use std::pin::pin;
use std::sync::PoisonError;

use super::{Amount, Arc, Class, Mutex, MutexGuard, Permit};
use crate::error::{Error, Kind, Result};

/// The permit of a call; clones share it. The default one is of no budget: nothing is charged.
#[derive(Clone, Debug, Default)]
pub struct CallPermit(Option<Arc<Mutex<Option<Permit>>>>);

// === impl CallPermit ===

impl CallPermit {
    /// Shares a permit.
    pub fn new(permit: Permit) -> Self {
        CallPermit(Some(Arc::new(Mutex::new(Some(permit)))))
    }

    /// Charges bytes of the body that have arrived. Returns whether more may be read; if not, see
    /// [`CallPermit::wait_to_read_on`].
    ///
    /// # Errors
    ///
    /// `Overloaded` for a single call whose bytes do not fit; it keeps what it has.
    pub fn charge_arrived(&self, bytes: usize) -> Result<bool> {
        let charge = |permit: &mut Permit| {
            if permit.holder.class != Class::Load {
                return permit.grow(Amount { requests: 0, bytes }).map(|()| true);
            }
            permit.charge_unchecked(bytes);
            Ok(permit.may_read_on())
        };
        self.with(charge).unwrap_or(Ok(true))
    }

    /// Frees bytes of the body that were dropped as they arrived.
    pub fn discard(&self, bytes: usize) {
        self.with(|permit| permit.shrink(bytes));
    }

    /// Waits until a bulk load may read more.
    pub async fn wait_to_read_on(&self) {
        self.wait_until(Permit::may_read_on).await;
    }

    /// Charges bytes that the gateway reads for the call: those of a single call must fit, an item
    /// of a bulk load waits until they do.
    ///
    /// # Errors
    ///
    /// `Overloaded` for a single call whose bytes do not fit.
    pub async fn charge(&self, bytes: usize) -> Result<()> {
        if self.with(|permit| permit.holder.class) == Some(Class::Item) {
            self.wait_until(|permit| permit.grow_item(bytes)).await;
            return Ok(());
        }
        let grow = |permit: &mut Permit| permit.grow(Amount { requests: 0, bytes });
        self.with(grow).unwrap_or(Ok(()))
    }

    /// Charges the response instead of the request, which is done with.
    pub fn respond(&self, bytes: usize) {
        self.with(|permit| permit.replace_bytes(bytes));
    }

    /// Makes the call a bulk load.
    ///
    /// # Errors
    ///
    /// `Overloaded` when too many loads and items are in flight.
    pub fn become_load(&self) -> Result<()> {
        self.with(Permit::become_load).unwrap_or_else(ended)
    }

    /// Splits off the bytes that a load has received, for the item that they contain.
    ///
    /// # Errors
    ///
    /// `Internal` when the call has ended.
    pub fn split_item(&self) -> Result<CallPermit> {
        self.with(|permit| Ok(CallPermit::new(permit.split_item())))
            .unwrap_or_else(ended)
    }

    /// Waits until an item may be in flight. Waiting items have no order among them, and single
    /// calls do not queue behind them.
    pub async fn wait_for_request(&self) {
        let one = Amount {
            requests: 1,
            bytes: 0,
        };
        self.wait_until(|permit| permit.grow(one).is_ok()).await;
    }

    /// Frees the permit, also for other clones.
    pub fn free(&self) {
        if let Some(mut shared) = self.lock() {
            drop(shared.take());
        }
    }

    /// Retries an attempt whenever something is freed, until it succeeds.
    async fn wait_until(&self, attempt: impl Fn(&mut Permit) -> bool) {
        let Some(budget) = self.with(|permit| permit.budget.clone()) else {
            return;
        };
        loop {
            let mut freed = pin!(budget.0.freed.notified());
            // Before the attempt, so that nothing freed after it goes unnoticed.
            freed.as_mut().enable();
            if self.with(&attempt).unwrap_or(true) {
                return;
            }
            freed.await;
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Permit) -> T) -> Option<T> {
        self.lock()?.as_mut().map(work)
    }

    fn lock(&self) -> Option<MutexGuard<'_, Option<Permit>>> {
        let shared = self.0.as_ref()?;
        // A permit is whole after each change.
        Some(shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn ended<T>() -> Result<T> {
    Err(Error::new(Kind::Internal, "the call has ended"))
}
