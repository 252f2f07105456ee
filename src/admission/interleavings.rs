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

/// Acquires the permit of an item whose load has received `bytes`.
fn item(load: &CallPermit, bytes: usize) -> CallPermit {
    load.charge_arrived(bytes).unwrap();
    load.split_item().unwrap()
}

fn load(budget: &InFlightBudget) -> CallPermit {
    let load = CallPermit::new(budget.try_acquire(Class::Single, "a", 0).unwrap());
    load.become_load().unwrap();
    load
}

#[test]
fn no_order_of_calls_exceeds_the_budget_or_loses_a_part_of_it() {
    loom::model(|| {
        let budget = InFlightBudget::new(2, 100);
        let callers = [60, 50].map(|bytes| {
            let budget = budget.clone();
            spawn(move || {
                let permit = budget.try_acquire(Class::Single, "a", 0).unwrap();
                let permit = CallPermit::new(permit);
                let charged = permit.charge_arrived(bytes).is_ok();
                assert!(budget.bytes() <= 100);
                charged
            })
        });

        let charged = callers.map(|caller| caller.join().unwrap());

        assert!(charged.contains(&true), "one caller comes first");
        assert_eq!((budget.requests(), budget.bytes()), (0, 0));
    });
}

#[test]
fn no_order_lets_an_item_miss_freed_bytes() {
    let mut model = loom::model::Builder::new();
    // Three threads have too many orders to run them all: those in which one is interrupted more
    // than twice are left out.
    model.preemption_bound = Some(2);
    model.check(|| {
        let budget = InFlightBudget::new(16, 100);
        let load = load(&budget);
        let held = item(&load, 75);
        let items = [40, 50].map(|bytes| {
            let item = item(&load, 0);
            spawn(move || block_on(item.charge(bytes)).unwrap())
        });

        drop(held);

        // loom fails the model when no thread can continue.
        for item in items {
            item.join().unwrap();
        }
        drop(load);
        assert_eq!((budget.requests(), budget.bytes()), (0, 0));
    });
}

#[test]
fn no_order_lets_an_item_miss_a_larger_budget() {
    loom::model(|| {
        let budget = InFlightBudget::new(16, 100);
        let load = load(&budget);
        let held = item(&load, 75);
        let waiting = item(&load, 0);
        let waiting = spawn(move || block_on(waiting.charge(50)).unwrap());

        budget.resize(16, 400, 100);

        waiting.join().unwrap();
        drop(held);
    });
}

#[test]
fn no_order_lets_a_load_miss_that_it_may_read_on() {
    loom::model(|| {
        let budget = InFlightBudget::new(16, 80);
        let (first, second) = (load(&budget), load(&budget));
        // More than three eighths: the first has the pass, the second waits.
        assert!(first.charge_arrived(40).unwrap());
        assert!(!second.charge_arrived(1).unwrap());
        let waiting = spawn(move || block_on(second.wait_to_read_on()));

        drop(item(&first, 0));

        waiting.join().unwrap();
    });
}
