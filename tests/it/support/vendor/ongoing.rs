//! Requests in progress at the fake vendor.

use std::sync::Arc;

use tokio::time::Instant;

use super::journal::Operation;
use super::shared::Shared;

/// A request in progress; dropped before its end it counts as aborted.
#[derive(Debug)]
pub(super) struct Ongoing {
    vendor: Arc<Shared>,
    operation: Operation,
    finished: bool,
}

impl Ongoing {
    /// Records that the head of a request was read.
    pub(super) fn begin(vendor: &Arc<Shared>, operation: Operation, arrival: Instant) -> Self {
        vendor.change(|state| {
            let journal = &mut state.journal;
            if operation == Operation::Token {
                journal.token_requests.push(arrival);
                return;
            }
            journal.arrivals.push(arrival);
            journal.open += 1;
            journal.max_open = journal.max_open.max(journal.open);
        });
        Ongoing {
            vendor: vendor.clone(),
            operation,
            finished: false,
        }
    }

    /// Records that the vendor has done all that it had to do.
    pub(super) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.vendor.change(|state| {
            if self.operation != Operation::Token {
                state.journal.open -= 1;
            }
            if !self.finished {
                state.journal.aborted += 1;
            }
        });
    }
}
