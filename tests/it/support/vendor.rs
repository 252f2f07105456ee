//! A fake of the vendor, for the tests of the rest backend.
//!
//! It serves the token endpoint and the four operations from memory as the vendor's documentation
//! says, fails on demand, records every call, and fails the test when a client violates the format.
//! It is a second, independent implementation of that format: nothing of `src/` is used here.
//!
//! ```ignore
//! let vendor = Vendor::start().await;
//! let gate = Gate::closed();
//! vendor.script(Operation::Add, Fault::Head(gate.clone())); // the next add
//! vendor.always(Operation::Search, Fault::code(18)); // every search from now on
//! // ... start an add ...
//! vendor.until("the add is held", || gate.held() == 1).await;
//! gate.open();
//! assert_eq!(vendor.calls_of(Operation::Add).len(), 1);
//! ```
//!
//! It waits for the test's gates and never for a timer, so it works on a paused clock as well.

mod fault;
mod form;
mod gate;
mod journal;
mod library;
mod ongoing;
mod server;
mod shared;
mod tokens;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, MutexGuard, mpsc};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use fault::Fault;
pub use gate::Gate;
pub use journal::{Call, Operation, max_in_any, max_in_any_second};
pub use library::{BatchDelete, Stored};
pub use tokens::{API_KEY, SECRET_KEY};

use shared::{Shared, State};

/// Timeout of [`Vendor::until`], by the wall clock.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running vendor; when dropped it closes every connection and stops, and fails the test if a
/// client violated the format.
#[derive(Debug)]
pub struct Vendor {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

// === impl Vendor ===

impl Vendor {
    /// Starts on a free port with an empty library; the keys are `key` and `secret`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::new());
        let serving = tokio::spawn(server::serve(listener, shared.clone()));
        Vendor {
            address,
            shared,
            serving,
        }
    }

    /// Returns scheme, host and port, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    // --- Settings ---

    /// Queues a fault for one future call of this operation; queued faults come first, in order,
    /// and then the one of `always`.
    pub fn script(&self, operation: Operation, fault: Fault) {
        self.state().scripts.queue(operation, fault);
    }

    /// Sets the fault of every call of this operation without a queued one.
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.state().scripts.always(operation, fault);
    }

    /// Removes the queued and the permanent faults of this operation.
    pub fn behave(&self, operation: Operation) {
        self.state().scripts.clear(operation);
    }

    /// Sets the ttl of tokens granted from now on; default: 30 days.
    pub fn set_token_ttl(&self, seconds: u64) {
        self.state().tokens.ttl = Duration::from_secs(seconds);
    }

    /// Opens another account; all of them share the library.
    pub fn open_account(&self, api_key: &str, secret_key: &str) {
        self.state().tokens.open_account(api_key, secret_key);
    }

    /// Sets the fault of every call of this operation with this account's tokens; it comes before
    /// the scripted ones.
    pub fn reject_account(&self, api_key: &str, operation: Operation, fault: Fault) {
        self.state()
            .account_faults
            .insert((api_key.to_owned(), operation), fault);
    }

    /// Revokes every granted token: calls with one get code 110.
    pub fn revoke_tokens(&self) {
        self.state().tokens.revoke_all();
    }

    /// Expires every granted token: calls with one get code 111.
    pub fn expire_tokens(&self) {
        self.state().tokens.expire_all();
    }

    /// Sets what a batch deletion with unknown signs does; the default is
    /// [`BatchDelete::WhatExists`].
    pub fn set_batch_delete(&self, policy: BatchDelete) {
        self.state().library.batch_delete = policy;
    }

    /// Publishes an image for `url` fields; the vendor can fetch no other.
    pub fn publish(&self, url: &str, image: Bytes) {
        self.state().web.insert(url.to_owned(), image);
    }

    // --- Records ---

    /// Returns every call whose request was read to its end, in that order.
    pub fn calls(&self) -> Vec<Call> {
        self.state().journal.calls.clone()
    }

    /// Returns the calls of one operation.
    pub fn calls_of(&self, operation: Operation) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.operation == operation);
        calls
    }

    /// Returns the number of requests to the token endpoint.
    pub fn token_requests(&self) -> usize {
        self.state().journal.token_requests.len()
    }

    /// Returns the arrival of each request to the token endpoint.
    pub fn token_arrivals(&self) -> Vec<Instant> {
        self.state().journal.token_requests.clone()
    }

    /// Returns the maximum of concurrent calls, without token requests.
    pub fn max_concurrent(&self) -> usize {
        self.state().journal.max_open
    }

    /// Returns the number of requests, token requests included, that the client aborted: it closed
    /// the connection before it had the whole response.
    pub fn aborted(&self) -> usize {
        self.state().journal.aborted
    }

    /// Returns the maximum of calls within any second, wherever it begins, without token requests.
    pub fn max_in_any_second(&self) -> usize {
        max_in_any_second(self.state().journal.arrivals.clone())
    }

    /// Returns the stored images, in the order of adding.
    pub fn stored(&self) -> Vec<Stored> {
        self.state().library.images.clone()
    }

    /// Waits until the condition holds, which is checked after each event at the vendor.
    ///
    /// # Panics
    ///
    /// When it does not hold after 30 s of the wall clock; a paused clock does not advance.
    pub async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let mut changed = self.shared.subscribe();
        let late = watchdog();
        let holds = async {
            while !condition() {
                changed.changed().await.unwrap();
            }
        };
        tokio::select! {
            () = holds => {}
            _ = late.1 => panic!("not seen within {TIMEOUT:?}: {what}"),
        }
    }

    // --- Violations ---

    /// Fails the test when a client violated the format.
    pub fn assert_clean(&self) {
        let violations = self.take_violations();
        assert!(
            violations.is_empty(),
            "violations of the format: {violations:#?}"
        );
    }

    /// Removes and returns the violations, for tests that cause them on purpose.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.state().journal.violations)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.serving.abort();
        // A second panic would hide the first.
        if !std::thread::panicking() {
            self.assert_clean();
        }
    }
}

/// Sends after [`TIMEOUT`] unless the sender that it returns is dropped before. It is a thread,
/// because a timer of the runtime would advance a paused clock.
fn watchdog() -> (mpsc::Sender<()>, oneshot::Receiver<()>) {
    let (keep, dropped) = mpsc::channel::<()>();
    let (send_late, late) = oneshot::channel();
    std::thread::spawn(move || {
        if dropped.recv_timeout(TIMEOUT) == Err(mpsc::RecvTimeoutError::Timeout) {
            // The wait may have ended just now.
            let _ = send_late.send(());
        }
    });
    (keep, late)
}
