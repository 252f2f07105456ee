//! A gate that holds requests until the test lets them pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// Holds requests until the test lets them pass.
#[derive(Clone, Debug)]
pub struct Gate(Arc<GateState>);

#[derive(Debug)]
struct GateState {
    permits: Semaphore,
    held: AtomicUsize,
}

/// A request that is held; dropped, it is not any more.
struct Held<'a, F: Fn()> {
    gate: &'a Gate,
    notify: F,
}

impl Gate {
    /// Creates a gate that holds every request.
    pub fn closed() -> Self {
        Gate(Arc::new(GateState {
            permits: Semaphore::new(0),
            held: AtomicUsize::new(0),
        }))
    }

    /// Lets every held request pass, and every later one at once.
    pub fn open(&self) {
        self.0.permits.close();
    }

    /// Lets this many requests pass, in the order of their arrival.
    pub fn pass(&self, requests: usize) {
        self.0.permits.add_permits(requests);
    }

    /// Returns the number of held requests.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::SeqCst)
    }

    /// Waits for the gate, and calls `notify` when the number of held requests changes. Dropping
    /// the future leaves the gate.
    pub(super) async fn hold(&self, notify: impl Fn()) {
        let _held = Held::begin(self, notify);
        // An error means that the gate is open.
        if let Ok(permit) = self.0.permits.acquire().await {
            permit.forget();
        }
    }
}

impl<'a, F: Fn()> Held<'a, F> {
    fn begin(gate: &'a Gate, notify: F) -> Self {
        gate.0.held.fetch_add(1, Ordering::SeqCst);
        notify();
        Held { gate, notify }
    }
}

impl<F: Fn()> Drop for Held<'_, F> {
    fn drop(&mut self) {
        self.gate.0.held.fetch_sub(1, Ordering::SeqCst);
        (self.notify)();
    }
}
