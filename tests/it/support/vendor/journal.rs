//! The records of the fake vendor, and the measurement of the sending rate.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// The operation of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Grants an access token.
    Token,
    /// Adds an image.
    Add,
    /// Finds the same images.
    Search,
    /// Changes brief or tags.
    Update,
    /// Deletes images.
    Delete,
}

/// One received call of the four operations.
#[derive(Clone, Debug)]
pub struct Call {
    /// The operation.
    pub operation: Operation,
    /// Decoded form fields but for `image`.
    pub fields: BTreeMap<String, String>,
    /// The decoded `image` field.
    pub image: Option<Bytes>,
    /// The `access_token` of the query; empty when there was none.
    pub token: String,
    /// API Key of the account, if the token is known.
    pub account: Option<String>,
    /// W3C trace context: `traceparent` and `tracestate`, empty without.
    pub trace: [String; 2],
    /// When the head of the request was read.
    pub arrival: Instant,
}

/// All records.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) calls: Vec<Call>,
    pub(super) arrivals: Vec<Instant>,
    pub(super) token_requests: Vec<Instant>,
    pub(super) open: usize,
    pub(super) max_open: usize,
    pub(super) aborted: usize,
    pub(super) violations: Vec<String>,
}

// === impl Operation ===

impl Operation {
    /// The operations that need a token.
    pub const CALLS: [Operation; 4] = [
        Operation::Add,
        Operation::Search,
        Operation::Update,
        Operation::Delete,
    ];
}

// === impl Journal ===

impl Journal {
    pub(super) fn add_violation(&mut self, operation: Operation, what: &str) {
        self.violations.push(format!("{operation:?}: {what}"));
    }
}

/// Returns the maximum of arrivals in a window of one second, with its start and without its end.
pub fn max_in_any_second(arrivals: Vec<Instant>) -> usize {
    max_in_any(Duration::from_secs(1), arrivals)
}

/// Returns the maximum of arrivals in a window of this length.
pub fn max_in_any(period: Duration, mut arrivals: Vec<Instant>) -> usize {
    // Requests can be recorded in another order than they arrived in.
    arrivals.sort();
    let (mut first, mut max) = (0, 0);
    for (last, arrival) in arrivals.iter().enumerate() {
        while *arrival - arrivals[first] >= period {
            first += 1;
        }
        max = max.max(last + 1 - first);
    }
    max
}
