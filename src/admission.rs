//! Admission control: how many requests and bytes the whole process holds at once.
//!
//! One budget serves both APIs. A call acquires a permit before its body is read, and the permit
//! grows as bytes arrive: what a caller only announces costs the others nothing. A call whose next
//! bytes do not fit is rejected (load shedding). A bulk load waits instead, which stops its client
//! (backpressure). A tenant among several has a share of the budget, so that the others always find
//! the rest.

mod call_permit;
mod usage;

use std::fmt;
use std::sync::PoisonError;
#[cfg(not(interleavings))]
use std::sync::{Arc, Mutex, MutexGuard};

#[cfg(interleavings)]
use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(interleavings))]
use tokio::sync::Notify;

use self::usage::{Amount, Holder, Usage};
use crate::error::{Error, Kind, Result};
#[cfg(interleavings)]
use interleavings::Notify;

pub use self::call_permit::CallPermit;
pub use self::usage::Class;

/// The budget of requests and bytes in flight; clones share it.
#[derive(Clone)]
pub struct InFlightBudget(Arc<Inner>);

struct Inner {
    usage: Mutex<Usage>,
    freed: Notify,
}

/// A reserved part of the budget; dropping it frees that part.
#[must_use = "the permit is returned once this is dropped"]
pub struct Permit {
    budget: InFlightBudget,
    holder: Holder,
    amount: Amount,
    /// Whether this load or item grows although nothing is free; see [`Permit::may_read_on`].
    has_pass: bool,
}

// === impl InFlightBudget ===

impl InFlightBudget {
    /// Allows this number of requests and bytes in flight, all of them to any tenant.
    pub fn new(max_requests: usize, max_bytes: usize) -> Self {
        let max = Amount {
            requests: max_requests,
            bytes: max_bytes,
        };
        InFlightBudget(Arc::new(Inner {
            usage: Mutex::new(Usage::new(max, 100)),
            freed: Notify::new(),
        }))
    }

    /// Changes the limits, and the share of one tenant in percent, from now on; permits that exist
    /// stay valid.
    pub fn resize(&self, max_requests: usize, max_bytes: usize, tenant_percent: usize) {
        let max = Amount {
            requests: max_requests,
            bytes: max_bytes,
        };
        self.usage().resize(max, tenant_percent);
        self.0.freed.notify_waiters();
    }

    /// Acquires a permit for a request without bytes, if its declared length would fit now.
    ///
    /// # Errors
    ///
    /// `Overloaded` when the budget, or the tenant's share of it, is used up.
    pub fn try_acquire(&self, class: Class, tenant: &str, declared_bytes: usize) -> Result<Permit> {
        let mut usage = self.usage();
        let holder = Holder {
            class,
            tenant: usage.tenant(tenant),
        };
        let declared = Amount {
            requests: 1,
            bytes: declared_bytes,
        };
        check(&usage, holder, declared)?;
        let amount = Amount {
            requests: 1,
            bytes: 0,
        };
        usage.add(holder, amount);
        Ok(Permit {
            budget: self.clone(),
            holder,
            amount,
            has_pass: false,
        })
    }

    /// Returns the number of bytes in flight.
    pub fn bytes(&self) -> usize {
        self.usage().total().bytes
    }

    /// Returns the number of requests in flight.
    pub fn requests(&self) -> usize {
        self.usage().total().requests
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        // All numbers are written together: a panic leaves none half changed.
        self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(usage: &Usage, holder: Holder, more: Amount) -> Result<()> {
    if usage.fits(holder, more) {
        return Ok(());
    }
    let Amount { requests, bytes } = usage.max();
    let message = if usage.fits_without_share(holder, more) {
        format!("the caller has its share of {requests} requests or {bytes} bytes in flight")
    } else {
        format!("{requests} requests or {bytes} bytes are in flight already")
    };
    Err(Error::new(Kind::Overloaded, message))
}

impl fmt::Debug for InFlightBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usage = self.usage();
        write!(
            f,
            "InFlightBudget({:?} of {:?})",
            usage.total(),
            usage.max()
        )
    }
}

// === impl Permit ===

impl Permit {
    /// Reserves more; the permit is unchanged when that does not fit.
    fn grow(&mut self, more: Amount) -> Result<()> {
        let mut usage = self.budget.usage();
        check(&usage, self.holder, more)?;
        usage.add(self.holder, more);
        self.amount = self.amount.plus(more);
        Ok(())
    }

    /// Charges bytes that are in memory already, whether they fit or not.
    fn charge_unchecked(&mut self, bytes: usize) {
        let more = Amount { requests: 0, bytes };
        self.budget.usage().add(self.holder, more);
        self.amount = self.amount.plus(more);
    }

    /// Frees bytes that are not in memory any more.
    fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.amount.bytes);
        let less = Amount { requests: 0, bytes };
        let mut usage = self.budget.usage();
        usage.remove(self.holder, less);
        self.amount.bytes -= bytes;
        if self.amount.bytes == 0 && std::mem::take(&mut self.has_pass) {
            usage.return_pass(self.holder);
        }
        drop(usage);
        self.budget.0.freed.notify_waiters();
    }

    /// Charges these bytes, whether they fit or not, instead of those before.
    fn replace_bytes(&mut self, bytes: usize) {
        let mut usage = self.budget.usage();
        usage.remove(self.holder, self.amount);
        self.amount.bytes = bytes;
        usage.add(self.holder, self.amount);
        drop(usage);
        self.budget.0.freed.notify_waiters();
    }

    /// Returns whether a load may read more of its next item.
    ///
    /// When nothing is free, one load of each tenant reads on: else loads that have each received
    /// half of an item could wait for one another forever.
    fn may_read_on(&mut self) -> bool {
        let mut usage = self.budget.usage();
        if usage.has_free_bytes(self.holder) {
            return true;
        }
        self.has_pass = self.has_pass || usage.take_pass(self.holder);
        self.has_pass
    }

    /// Reserves bytes that the gateway reads for an item; returns whether it may.
    ///
    /// When nothing is free, one item of each tenant goes on, for the reason of
    /// [`Permit::may_read_on`]. It exceeds the budget by one image at most.
    fn grow_item(&mut self, bytes: usize) -> bool {
        let more = Amount { requests: 0, bytes };
        let mut usage = self.budget.usage();
        if !usage.fits(self.holder, more) {
            // An item without bytes blocks no other item, so it waits.
            let holds_bytes = self.amount.bytes > 0;
            self.has_pass = self.has_pass || (holds_bytes && usage.take_pass(self.holder));
            if !self.has_pass {
                return false;
            }
        }
        usage.add(self.holder, more);
        self.amount = self.amount.plus(more);
        true
    }

    /// Makes the permit of a call that of a bulk load.
    fn become_load(&mut self) -> Result<()> {
        let mut usage = self.budget.usage();
        usage.remove(self.holder, self.amount);
        let load = Holder {
            class: Class::Load,
            ..self.holder
        };
        let checked = check(&usage, load, self.amount);
        if checked.is_ok() {
            self.holder = load;
        }
        usage.add(self.holder, self.amount);
        checked
    }

    /// Splits off the bytes that a load has received, for the item that they contain.
    fn split_item(&mut self) -> Permit {
        let amount = Amount {
            requests: 0,
            bytes: std::mem::take(&mut self.amount.bytes),
        };
        let item = Holder {
            class: Class::Item,
            ..self.holder
        };
        let mut usage = self.budget.usage();
        usage.remove(self.holder, amount);
        usage.add(item, amount);
        if std::mem::take(&mut self.has_pass) {
            usage.return_pass(self.holder);
        }
        drop(usage);
        self.budget.0.freed.notify_waiters();
        Permit {
            budget: self.budget.clone(),
            holder: item,
            amount,
            has_pass: false,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut usage = self.budget.usage();
        usage.remove(self.holder, self.amount);
        if self.has_pass {
            usage.return_pass(self.holder);
        }
        drop(usage);
        self.budget.0.freed.notify_waiters();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({:?}, {:?})", self.holder, self.amount)
    }
}

#[cfg(all(test, interleavings))]
mod interleavings;
#[cfg(test)]
mod tests;
