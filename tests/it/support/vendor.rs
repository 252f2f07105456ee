//! A fake of the vendor, for the tests of the rest backend.
//!
//! It serves the token endpoint and the four operations from memory as the
//! vendor's documentation says, fails on demand, remembers what it saw, and
//! fails the test when a client breaks a rule of the format. It is a second,
//! independent reading of that format: nothing of `src/` is used here.
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
//! It waits for the test's gates and never for a timer, so it works on a
//! paused clock as well.

mod door;
mod fault;
mod form;
mod journal;
mod library;
mod tokens;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use fault::{Fault, Gate};
pub use journal::{Call, Operation, max_in_any, max_in_any_second};
pub use library::{BatchDelete, Stored};

use fault::Scripts;
use journal::Journal;
use library::Library;
use tokens::Tokens;

/// The API Key that the vendor knows.
pub const API_KEY: &str = "key";
/// The Secret Key that belongs to it.
pub const SECRET_KEY: &str = "secret";
/// Longest wait of [`Vendor::until`], by the wall clock.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running vendor; it breaks every connection and stops when dropped, and
/// fails the test then if a client broke a rule.
#[derive(Debug)]
pub struct Vendor {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// What the server's tasks and the test's handle both hold.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// Everything that the vendor remembers.
#[derive(Debug, Default)]
struct State {
    tokens: Tokens,
    library: Library,
    scripts: Scripts,
    journal: Journal,
    /// What an account is answered, whatever is scripted.
    rejections: HashMap<(String, Operation), Fault>,
    /// Images that a `url` field can name.
    web: HashMap<String, Bytes>,
}

// === impl Vendor ===

impl Vendor {
    /// Starts on a free port with an empty library; the keys are `key` and
    /// `secret`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let serving = tokio::spawn(door::serve(listener, shared.clone()));
        Vendor {
            address,
            shared,
            serving,
        }
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    // --- What it is told ---

    /// Queues a fault for one coming call of this operation; queued ones come
    /// first, in order, and then whatever `always` says.
    pub fn script(&self, operation: Operation, fault: Fault) {
        self.state().scripts.queue(operation, fault);
    }

    /// Sets the fault of every call of this operation without a queued one.
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.state().scripts.always(operation, fault);
    }

    /// Forgets the queued and the standing faults of this operation.
    pub fn behave(&self, operation: Operation) {
        self.state().scripts.clear(operation);
    }

    /// Sets the life of tokens granted from now on; default: 30 days.
    pub fn set_token_life(&self, seconds: u64) {
        self.state().tokens.life = Duration::from_secs(seconds);
    }

    /// Opens another account; all of them share the library.
    pub fn open_account(&self, api_key: &str, secret_key: &str) {
        self.state().tokens.open_account(api_key, secret_key);
    }

    /// Sets the fault of every call of this operation with this account's
    /// tokens; it comes before the scripted ones.
    pub fn reject_account(&self, api_key: &str, operation: Operation, fault: Fault) {
        let whose = (api_key.to_owned(), operation);
        self.state().rejections.insert(whose, fault);
    }

    /// Makes every granted token unknown: calls with one get code 110.
    pub fn revoke_tokens(&self) {
        self.state().tokens.revoke_all();
    }

    /// Ends the life of every granted token: calls with one get code 111.
    pub fn expire_tokens(&self) {
        self.state().tokens.expire_all();
    }

    /// Sets what a batch deletion with unknown signs does; the default is
    /// [`BatchDelete::WhatExists`].
    pub fn set_batch_delete(&self, policy: BatchDelete) {
        self.state().library.batch_delete = policy;
    }

    /// Puts an image where a `url` field can name it; the vendor reaches
    /// nothing else.
    pub fn publish(&self, url: &str, image: Bytes) {
        self.state().web.insert(url.to_owned(), image);
    }

    // --- What it saw ---

    /// Every call whose request was read to its end, in that order.
    pub fn calls(&self) -> Vec<Call> {
        self.state().journal.calls.clone()
    }

    /// The calls of one operation.
    pub fn calls_of(&self, operation: Operation) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.operation == operation);
        calls
    }

    /// Number of requests to the token endpoint.
    pub fn token_requests(&self) -> usize {
        self.state().journal.token_requests.len()
    }

    /// When each request to the token endpoint came in.
    pub fn token_arrivals(&self) -> Vec<Instant> {
        self.state().journal.token_requests.clone()
    }

    /// Most calls that were open at the same time; token requests do not
    /// count.
    pub fn max_concurrent(&self) -> usize {
        self.state().journal.max_open
    }

    /// Requests, token ones too, that the client gave up: it closed the
    /// connection before it had the whole answer.
    pub fn aborted(&self) -> usize {
        self.state().journal.aborted
    }

    /// Most calls that arrived within any second, wherever that second begins;
    /// token requests do not count.
    pub fn max_in_any_second(&self) -> usize {
        max_in_any_second(self.state().journal.arrivals.clone())
    }

    /// The library, in the order of adding.
    pub fn stored(&self) -> Vec<Stored> {
        self.state().library.images.clone()
    }

    /// Waits until the condition holds, which is looked at after each event at
    /// the vendor.
    ///
    /// # Panics
    ///
    /// When it does not hold after 10 s of the wall clock; a paused clock stays
    /// where it is.
    pub async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let mut changed = self.shared.changed.subscribe();
        let late = watchdog();
        let holds = async {
            while !condition() {
                changed.changed().await.unwrap();
            }
        };
        tokio::select! {
            () = holds => {}
            _ = late.1 => panic!("not seen within {PATIENCE:?}: {what}"),
        }
    }

    // --- Judgement ---

    /// Fails the test when a client broke a rule of the format.
    pub fn assert_clean(&self) {
        let complaints = self.take_complaints();
        assert!(
            complaints.is_empty(),
            "the vendor complains: {complaints:#?}"
        );
    }

    /// Takes the broken rules, for tests that break them on purpose.
    pub fn take_complaints(&self) -> Vec<String> {
        std::mem::take(&mut self.state().journal.complaints)
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

// === impl Shared ===

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A failed assertion elsewhere must not hide behind a poisoned lock.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes the state and wakes whoever waits for it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_replace(());
        result
    }
}

/// Rings after [`PATIENCE`] unless the first part is dropped before. A thread,
/// because a timer of the runtime would move a paused clock.
fn watchdog() -> (mpsc::Sender<()>, oneshot::Receiver<()>) {
    let (leash, dropped) = mpsc::channel::<()>();
    let (bark, late) = oneshot::channel();
    std::thread::spawn(move || {
        if dropped.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Nobody listens when the wait has just ended.
            let _ = bark.send(());
        }
    });
    (leash, late)
}
