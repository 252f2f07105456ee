//! What the whole process may hold at once: requests and their bytes.
//!
//! One budget stands behind both APIs. A call takes its place before its
//! body is read and is rejected when there is none; an item of a bulk load
//! waits instead, which stops its client. Bulk loads use three quarters of the
//! budget at most, so searches and single additions go before them.

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

/// The budget; clones share it.
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

struct Shared {
    used: Mutex<Used>,
    freed: Notify,
}

/// Requests and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    requests: usize,
    bytes: usize,
}

/// What may be taken, and what is: by all, and by bulk loads among them.
#[derive(Clone, Copy, Debug)]
struct Used {
    most: Amount,
    all: Amount,
    bulk: Amount,
}

/// Who takes a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A single call.
    Single,
    /// A bulk load, or one of its items.
    Bulk,
}

/// A place in the budget; dropping it frees it.
#[must_use = "the place is free again once this is dropped"]
pub struct Place {
    budget: Budget,
    class: Class,
    amount: Amount,
}

/// Of four parts of the budget, how many bulk loads may use: what is left is
/// enough to keep searches going while loads take all they can.
const BULK_QUARTERS: usize = 3;

// === impl Budget ===

impl Budget {
    /// Allows so many requests and bytes in flight.
    pub fn new(requests: usize, bytes: usize) -> Self {
        let used = Used {
            most: Amount { requests, bytes },
            all: Amount::default(),
            bulk: Amount::default(),
        };
        Budget(Arc::new(Shared {
            used: Mutex::new(used),
            freed: Notify::new(),
        }))
    }

    /// Allows another number of requests and bytes from now on; what is in
    /// flight stays.
    pub fn resize(&self, requests: usize, bytes: usize) {
        self.used().most = Amount { requests, bytes };
        self.0.freed.notify_waiters();
    }

    /// Takes a place for a request of `bytes`, as far as is known.
    ///
    /// # Errors
    ///
    /// `Overloaded` when the budget has none.
    pub fn take(&self, class: Class, bytes: usize) -> Result<Place> {
        let amount = Amount { requests: 1, bytes };
        self.reserve(class, amount)?;
        Ok(Place {
            budget: self.clone(),
            class,
            amount,
        })
    }

    /// Waits for the place of an item of a bulk load. Of several waiting loads
    /// any may be next; single calls do not queue behind them.
    pub async fn wait(&self, bytes: usize) -> Place {
        loop {
            // More than the whole share would wait for ever; alone it may pass.
            let bytes = bytes.min(self.used().most.share(Class::Bulk).bytes);
            let mut freed = std::pin::pin!(self.0.freed.notified());
            // Before the try, so that nothing freed after it goes unnoticed.
            freed.as_mut().enable();
            if let Ok(place) = self.take(Class::Bulk, bytes) {
                return place;
            }
            freed.await;
        }
    }

    /// Bytes in flight now.
    pub fn bytes(&self) -> usize {
        self.used().all.bytes
    }

    /// Requests in flight now.
    pub fn requests(&self) -> usize {
        self.used().all.requests
    }

    fn reserve(&self, class: Class, amount: Amount) -> Result<()> {
        let mut used = self.used();
        let most = used.most;
        let all = used.all.plus(amount);
        let bulk = used.bulk.plus(amount);
        let fits = match class {
            Class::Single => all.fits(most),
            Class::Bulk => all.fits(most) && bulk.fits(most.share(class)),
        };
        if !fits {
            let Amount { requests, bytes } = most;
            let message = format!("{requests} requests or {bytes} bytes are in flight already");
            return Err(Error::new(Kind::Overloaded, message));
        }
        used.all = all;
        if class == Class::Bulk {
            used.bulk = bulk;
        }
        Ok(())
    }

    fn free(&self, class: Class, amount: Amount) {
        let mut used = self.used();
        used.all = used.all.minus(amount);
        if class == Class::Bulk {
            used.bulk = used.bulk.minus(amount);
        }
        drop(used);
        self.0.freed.notify_waiters();
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        // Numbers that are written together: a panic leaves none half done.
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Used { most, all, .. } = *self.used();
        write!(f, "Budget({all:?} of {most:?})")
    }
}

// === impl Place ===

impl Place {
    /// Takes more bytes for the same request.
    ///
    /// # Errors
    ///
    /// `Overloaded` when the budget has none; the place stays as it is.
    pub fn grow(&mut self, bytes: usize) -> Result<()> {
        let more = Amount { requests: 0, bytes };
        self.budget.reserve(self.class, more)?;
        self.amount = self.amount.plus(more);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.budget.free(self.class, self.amount);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({:?}, {:?})", self.class, self.amount)
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

    fn fits(self, most: Amount) -> bool {
        self.requests <= most.requests && self.bytes <= most.bytes
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

/// All orders in which threads can meet (`make loom`).
#[cfg(all(test, interleavings))]
mod interleavings {
    use loom::future::block_on;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread::spawn;
    use tokio::sync::futures::Notified;

    use super::*;

    /// tokio's, each call of which is one step that others may go before.
    pub(super) struct Notify {
        step: AtomicUsize,
        inner: tokio::sync::Notify,
    }

    impl Notify {
        pub(super) fn new() -> Self {
            Notify {
                step: AtomicUsize::new(0),
                inner: tokio::sync::Notify::new(),
            }
        }

        pub(super) fn notified(&self) -> Notified<'_> {
            self.step.fetch_add(1, Ordering::SeqCst);
            self.inner.notified()
        }

        pub(super) fn notify_waiters(&self) {
            self.step.fetch_add(1, Ordering::SeqCst);
            self.inner.notify_waiters();
        }
    }

    #[test]
    fn no_order_of_calls_passes_the_budget_or_loses_a_part_of_it() {
        loom::model(|| {
            let budget = Budget::new(2, 100);
            let callers = [60, 50].map(|bytes| {
                let budget = budget.clone();
                spawn(move || {
                    let place = budget.take(Class::Single, bytes);
                    assert!(budget.bytes() <= 100);
                    let grown = place.map(|mut place| place.grow(40).is_ok());
                    assert!(budget.bytes() <= 100);
                    grown.is_ok()
                })
            });

            let taken = callers.map(|caller| caller.join().unwrap());

            assert!(taken.contains(&true), "somebody comes first");
            assert_eq!((budget.requests(), budget.bytes()), (0, 0));
        });
    }

    #[test]
    fn no_order_lets_an_item_miss_the_place_that_is_freed() {
        let mut model = loom::model::Builder::new();
        // Three threads meet in too many orders to play them all: those in which
        // one is interrupted more than twice are left out.
        model.preemption_bound = Some(2);
        model.check(|| {
            let budget = Budget::new(4, 100);
            let held = budget.take(Class::Bulk, 75).unwrap();
            let items = [40, 50].map(|bytes| {
                let budget = budget.clone();
                spawn(move || drop(block_on(budget.wait(bytes))))
            });

            drop(held);

            // loom fails the model when nobody can go on.
            items.map(|item| item.join().unwrap());
            assert_eq!(budget.bytes(), 0);
        });
    }

    #[test]
    fn no_order_lets_an_item_miss_a_larger_budget() {
        loom::model(|| {
            let budget = Budget::new(4, 100);
            let held = budget.take(Class::Bulk, 75).unwrap();
            let other = budget.clone();
            let item = spawn(move || drop(block_on(other.wait(50))));

            budget.resize(4, 400);

            item.join().unwrap();
            drop(held);
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn rejected(result: Result<Place>) -> bool {
        result.is_err_and(|error| error.kind() == Kind::Overloaded && error.retry_after().is_some())
    }

    #[test]
    fn the_budget_holds_to_the_byte_and_the_request() {
        let budget = Budget::new(2, 100);

        let first = budget.take(Class::Single, 60).unwrap();
        assert!(rejected(budget.take(Class::Single, 41)));
        let second = budget.take(Class::Single, 40).unwrap();
        assert!(rejected(budget.take(Class::Single, 0)));
        drop(first);
        let third = budget.take(Class::Single, 60).unwrap();
        drop((second, third));
        assert_eq!((budget.requests(), budget.bytes()), (0, 0));
    }

    #[test]
    fn a_place_grows_while_there_is_room_and_frees_all_of_it() {
        let budget = Budget::new(4, 100);
        let mut place = budget.take(Class::Single, 0).unwrap();

        place.grow(70).unwrap();
        assert!(place.grow(31).is_err());
        place.grow(30).unwrap();
        assert_eq!(budget.bytes(), 100);
        drop(place);
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn another_size_counts_from_the_next_call_on() {
        let budget = Budget::new(4, 100);
        let place = budget.take(Class::Single, 80).unwrap();

        budget.resize(4, 50);
        assert!(rejected(budget.take(Class::Single, 1)));
        budget.resize(4, 200);
        let other = budget.take(Class::Single, 120).unwrap();
        drop((place, other));
        assert_eq!(budget.bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn bulk_waits_at_three_quarters_while_single_calls_pass() {
        let budget = Budget::new(64, 4 * MIB);
        let bulk = budget.wait(3 * MIB).await;

        let mut next = Box::pin(budget.wait(MIB));
        assert!((&mut next).now_or_never().is_none());
        let single = budget.take(Class::Single, MIB).unwrap();
        drop(single);
        assert!((&mut next).now_or_never().is_none());
        drop(bulk);
        let place = next.await;
        assert_eq!(budget.bytes(), MIB);
        drop(place);
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_larger_than_the_share_passes_alone() {
        let budget = Budget::new(64, 4 * MIB);

        let place = budget.wait(100 * MIB).await;
        assert_eq!(budget.bytes(), 3 * MIB);
        drop(place);
    }
}
