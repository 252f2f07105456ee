//! Admission control: how many requests and bytes the whole process holds at once.
//!
//! One budget serves both APIs. A call acquires a permit before its body is read and is rejected
//! when there is none (load shedding). An item of a bulk load waits for its permit instead, which
//! stops its client (backpressure). Bulk loads use up to three quarters of the budget, so that
//! searches and single additions go first.

use std::fmt;
use std::sync::PoisonError;
#[cfg(not(interleavings))]
use std::sync::{Arc, Mutex, MutexGuard};

#[cfg(interleavings)]
use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(interleavings))]
use tokio::sync::Notify;

use crate::error::{Error, Kind, Result};
#[cfg(interleavings)]
use interleavings::Notify;

/// The budget of requests and bytes in flight; clones share it.
#[derive(Clone)]
pub struct InFlightBudget(Arc<Inner>);

struct Inner {
    usage: Mutex<Usage>,
    freed: Notify,
}

/// Requests and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    requests: usize,
    bytes: usize,
}

/// The limit, and what is in flight: all of it, and the part of bulk loads.
#[derive(Clone, Copy, Debug)]
struct Usage {
    max: Amount,
    all: Amount,
    bulk: Amount,
}

/// What a permit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A single call.
    Single,
    /// A bulk load, or one of its items.
    Bulk,
}

/// A reserved part of the budget; dropping it frees that part.
#[must_use = "the permit is returned once this is dropped"]
pub struct Permit {
    budget: InFlightBudget,
    class: Class,
    amount: Amount,
}

/// How many quarters of the budget bulk loads may use: the rest keeps searches going while loads
/// use all they can.
const BULK_QUARTERS: usize = 3;

// === impl InFlightBudget ===

impl InFlightBudget {
    /// Allows this number of requests and bytes in flight.
    pub fn new(max_requests: usize, max_bytes: usize) -> Self {
        InFlightBudget(Arc::new(Inner {
            usage: Mutex::new(Usage {
                max: Amount {
                    requests: max_requests,
                    bytes: max_bytes,
                },
                all: Amount::default(),
                bulk: Amount::default(),
            }),
            freed: Notify::new(),
        }))
    }

    /// Changes the limits from now on; permits that exist stay valid.
    pub fn resize(&self, max_requests: usize, max_bytes: usize) {
        self.usage().max = Amount {
            requests: max_requests,
            bytes: max_bytes,
        };
        self.0.freed.notify_waiters();
    }

    /// Acquires a permit for a request of `bytes`, as far as its length is known.
    ///
    /// # Errors
    ///
    /// `Overloaded` when the budget is used up.
    pub fn try_acquire(&self, class: Class, bytes: usize) -> Result<Permit> {
        let amount = Amount { requests: 1, bytes };
        self.reserve(class, amount)?;
        Ok(Permit {
            budget: self.clone(),
            class,
            amount,
        })
    }

    /// Waits for the permit of an item of a bulk load. Waiting loads have no order among them, and
    /// single calls do not queue behind them.
    pub async fn acquire(&self, bytes: usize) -> Permit {
        loop {
            // More than the whole share would wait forever; alone, such an item may pass.
            let bytes = bytes.min(self.usage().max.share(Class::Bulk).bytes);
            let mut freed = std::pin::pin!(self.0.freed.notified());
            // Before the attempt, so that nothing freed after it goes unnoticed.
            freed.as_mut().enable();
            if let Ok(permit) = self.try_acquire(Class::Bulk, bytes) {
                return permit;
            }
            freed.await;
        }
    }

    /// Returns the number of bytes in flight.
    pub fn bytes(&self) -> usize {
        self.usage().all.bytes
    }

    /// Returns the number of requests in flight.
    pub fn requests(&self) -> usize {
        self.usage().all.requests
    }

    fn reserve(&self, class: Class, amount: Amount) -> Result<()> {
        let mut usage = self.usage();
        let all = usage.all.plus(amount);
        let bulk = usage.bulk.plus(amount);
        let fits = match class {
            Class::Single => all.fits(usage.max),
            Class::Bulk => all.fits(usage.max) && bulk.fits(usage.max.share(class)),
        };
        if !fits {
            let Amount { requests, bytes } = usage.max;
            let message = format!("{requests} requests or {bytes} bytes are in flight already");
            return Err(Error::new(Kind::Overloaded, message));
        }
        usage.all = all;
        if class == Class::Bulk {
            usage.bulk = bulk;
        }
        Ok(())
    }

    fn free(&self, class: Class, amount: Amount) {
        let mut usage = self.usage();
        usage.all = usage.all.minus(amount);
        if class == Class::Bulk {
            usage.bulk = usage.bulk.minus(amount);
        }
        drop(usage);
        self.0.freed.notify_waiters();
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        // All numbers are written together: a panic leaves none half changed.
        self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for InFlightBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { max, all, .. } = *self.usage();
        write!(f, "InFlightBudget({all:?} of {max:?})")
    }
}

// === impl Permit ===

impl Permit {
    /// Reserves more bytes for the same request.
    ///
    /// # Errors
    ///
    /// `Overloaded` when the budget is used up; the permit is unchanged then.
    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        let more = Amount { requests: 0, bytes };
        self.budget.reserve(self.class, more)?;
        self.amount = self.amount.plus(more);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.free(self.class, self.amount);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({:?}, {:?})", self.class, self.amount)
    }
}

// === impl Amount ===

impl Amount {
    fn plus(self, other: Amount) -> Amount {
        Amount {
            requests: self.requests.saturating_add(other.requests),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    fn minus(self, other: Amount) -> Amount {
        Amount {
            requests: self.requests.saturating_sub(other.requests),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    fn fits(self, max: Amount) -> bool {
        self.requests <= max.requests && self.bytes <= max.bytes
    }

    fn share(self, class: Class) -> Amount {
        match class {
            Class::Single => self,
            Class::Bulk => Amount {
                requests: self.requests / 4 * BULK_QUARTERS,
                bytes: self.bytes / 4 * BULK_QUARTERS,
            },
        }
    }
}

#[cfg(all(test, interleavings))]
mod interleavings;
#[cfg(test)]
mod tests;
