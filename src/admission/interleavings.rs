//! All orders in which threads can meet (`make loom`).

use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::spawn;
use tokio::sync::futures::Notified;

use super::*;

/// tokio's `Notify`; each call is one step, before which loom may run other threads.
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
fn no_order_of_calls_exceeds_the_budget_or_loses_a_part_of_it() {
    loom::model(|| {
        let budget = InFlightBudget::new(2, 100);
        let callers = [60, 50].map(|bytes| {
            let budget = budget.clone();
            spawn(move || {
                let permit = budget.try_acquire(Class::Single, bytes);
                assert!(budget.bytes() <= 100);
                let grown = permit.map(|mut permit| permit.grow(40).is_ok());
                assert!(budget.bytes() <= 100);
                grown.is_ok()
            })
        });

        let acquired = callers.map(|caller| caller.join().unwrap());

        assert!(acquired.contains(&true), "one caller comes first");
        assert_eq!((budget.requests(), budget.bytes()), (0, 0));
    });
}

#[test]
fn no_order_lets_an_item_miss_a_freed_permit() {
    let mut model = loom::model::Builder::new();
    // Three threads have too many orders to run them all: those in which one is interrupted more
    // than twice are left out.
    model.preemption_bound = Some(2);
    model.check(|| {
        let budget = InFlightBudget::new(4, 100);
        let held = budget.try_acquire(Class::Bulk, 75).unwrap();
        let items = [40, 50].map(|bytes| {
            let budget = budget.clone();
            spawn(move || drop(block_on(budget.acquire(bytes))))
        });

        drop(held);

        // loom fails the model when no thread can continue.
        items.map(|item| item.join().unwrap());
        assert_eq!(budget.bytes(), 0);
    });
}

#[test]
fn no_order_lets_an_item_miss_a_larger_budget() {
    loom::model(|| {
        let budget = InFlightBudget::new(4, 100);
        let held = budget.try_acquire(Class::Bulk, 75).unwrap();
        let other = budget.clone();
        let item = spawn(move || drop(block_on(other.acquire(50))));

        budget.resize(4, 400);

        item.join().unwrap();
        drop(held);
    });
}
