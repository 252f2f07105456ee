//! The state of the fake vendor, which its server and the test's handle share.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::fault::{Fault, Scripts};
use super::journal::{Journal, Operation};
use super::library::Library;
use super::tokens::Tokens;

/// The state, and the events that change it.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// Everything that the vendor stores and records.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tokens: Tokens,
    pub(super) library: Library,
    pub(super) scripts: Scripts,
    pub(super) journal: Journal,
    /// Faults of one account, by API Key and operation.
    pub(super) account_faults: HashMap<(String, Operation), Fault>,
    /// Images by URL, for `url` fields.
    pub(super) web: HashMap<String, Bytes>,
}

impl Shared {
    /// Creates an empty vendor.
    pub(super) fn new() -> Self {
        Shared {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Locks the state.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock must not hide the assertion that failed elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and notifies the subscribers.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_replace(());
        result
    }

    /// Notifies of every change from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}
