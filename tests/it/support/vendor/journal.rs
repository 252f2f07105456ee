//! What the fake vendor saw, and the referee of the sending rate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Shared;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// An access token.
    Token,
    /// To add an image.
    Add,
    /// To find the same images.
    Search,
    /// To change brief or tags.
    Update,
    /// To delete images.
    Delete,
}

/// One call of the four operations as it came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it asks for.
    pub operation: Operation,
    /// Decoded form fields but for `image`.
    pub fields: BTreeMap<String, String>,
    /// The decoded `image` field.
    pub image: Option<Bytes>,
    /// The `access_token` of the query; empty when there was none.
    pub token: String,
    /// API Key of the account, where the token is a known one.
    pub account: Option<String>,
    /// W3C trace context: `traceparent` and `tracestate`, empty without.
    pub trace: [String; 2],
    /// When the head of the request was read.
    pub arrival: Instant,
}

/// Everything seen so far.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) calls: Vec<Call>,
    pub(super) arrivals: Vec<Instant>,
    pub(super) token_requests: Vec<Instant>,
    pub(super) open: usize,
    pub(super) max_open: usize,
    pub(super) aborted: usize,
    pub(super) complaints: Vec<String>,
}

/// A request in progress; dropped before its end it counts as aborted.
#[derive(Debug)]
pub(super) struct Ongoing {
    vendor: Arc<Shared>,
    operation: Operation,
    finished: bool,
}

// === impl Operation ===

impl Operation {
    /// The operations that a token is needed for.
    pub const CALLS: [Operation; 4] = [
        Operation::Add,
        Operation::Search,
        Operation::Update,
        Operation::Delete,
    ];
}

// === impl Journal ===

impl Journal {
    pub(super) fn complain(&mut self, operation: Operation, what: &str) {
        self.complaints.push(format!("{operation:?}: {what}"));
    }
}

// === impl Ongoing ===

impl Ongoing {
    /// Notes that the head of a request was read.
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

    /// Notes that the vendor has done what it wanted to do.
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

/// Most arrivals in a window of one second that takes in its start and not
/// its end.
pub fn max_in_any_second(arrivals: Vec<Instant>) -> usize {
    max_in_any(Duration::from_secs(1), arrivals)
}

/// Most arrivals in a window of this length.
pub fn max_in_any(period: Duration, mut arrivals: Vec<Instant>) -> usize {
    // Requests can be noted in another order than they arrived in.
    arrivals.sort();
    let (mut first, mut most) = (0, 0);
    for (last, arrival) in arrivals.iter().enumerate() {
        while *arrival - arrivals[first] >= period {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}
