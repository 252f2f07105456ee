//! The state of a running bulk load: items in flight, counts, and events to send.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tonic::Status;

use super::item::{AdmittedItem, CompletedItem, MAX_KEY_BYTES, ReceivedItem};
use super::method::BulkMethod;

/// Maximum number of image bytes in flight per load; bounds memory when items are large.
const MAX_BYTES_IN_FLIGHT: usize = 64 * 1024 * 1024;
/// Bytes of an incomplete item that must arrive within an idle timeout: 218 bytes per second with
/// the default of 5 min, for clients on slow networks.
const MIN_ARRIVED_BYTES: u64 = 64 * 1024;
/// Number of results between two progress events.
const PROGRESS_INTERVAL: u64 = 100;

/// The state of a running load.
pub(super) struct LoadState<M: BulkMethod> {
    /// The one item that waits for memory or quota.
    pub(super) in_admission: Option<BoxFuture<'static, AdmittedItem<M>>>,
    /// The items that the library works on.
    pub(super) in_flight: FuturesUnordered<BoxFuture<'static, CompletedItem<M>>>,
    /// Responses that the client has not read yet. No item is received while there are any, so their
    /// number is bounded by the items in flight.
    pub(super) outbox: VecDeque<M::Response>,
    /// Set when no further item is received: `Ok` at a regular end or drain, else the error.
    pub(super) ended: Option<Result<(), Status>>,
    /// Number of items that were received.
    pub(super) received: u64,
    acknowledged: u64,
    counts: M::Counts,
    bytes_in_flight: usize,
    /// When an item was last received or completed, or enough of one had arrived.
    active_at: Instant,
    /// Bytes of the body that had arrived then.
    arrived: u64,
}

// === impl LoadState ===

impl<M: BulkMethod> LoadState<M> {
    pub(super) fn begin() -> Self {
        LoadState {
            in_admission: None,
            in_flight: FuturesUnordered::new(),
            outbox: VecDeque::new(),
            ended: None,
            received: 0,
            acknowledged: 0,
            counts: M::Counts::default(),
            bytes_in_flight: 0,
            active_at: Instant::now(),
            arrived: 0,
        }
    }

    /// Counts the load as active if enough of an item has arrived since it last was.
    pub(super) fn note_arrived(&mut self, arrived: u64) {
        if arrived >= self.arrived + MIN_ARRIVED_BYTES {
            self.active_at = Instant::now();
            self.arrived = arrived;
        }
    }

    /// Returns when the load will have been idle for `timeout`, if nothing happens before; `None`
    /// if it has been by now.
    pub(super) fn idle_until(&self, timeout: Duration) -> Option<Instant> {
        let now = Instant::now();
        let is_idle =
            self.in_admission.is_none() && self.in_flight.is_empty() && self.outbox.is_empty();
        let since = if is_idle { self.active_at } else { now };
        Some(since + timeout).filter(|due| *due > now)
    }

    /// Returns whether there is anything left to receive, complete or send.
    pub(super) fn is_running(&self) -> bool {
        self.ended.is_none()
            || self.in_admission.is_some()
            || !self.in_flight.is_empty()
            || !self.outbox.is_empty()
    }

    /// Returns whether a further item may be received; `false` is the backpressure on the client.
    pub(super) fn may_receive(&self, max_in_flight: usize) -> bool {
        self.ended.is_none()
            && self.outbox.is_empty()
            && self.in_admission.is_none()
            && self.in_flight.len() < max_in_flight
            && self.bytes_in_flight < MAX_BYTES_IN_FLIGHT
    }

    /// Counts an item that was received.
    pub(super) fn record_received(&mut self, item: &ReceivedItem<M>) {
        self.active_at = Instant::now();
        self.received += 1;
        self.bytes_in_flight += item.bytes();
    }

    /// Counts a completed item and queues its result, and progress after every 100 results.
    pub(super) fn acknowledge(&mut self, completed: CompletedItem<M>) {
        self.active_at = Instant::now();
        self.bytes_in_flight -= completed.bytes;
        let mut key = completed.key;
        key.truncate(key.floor_char_boundary(MAX_KEY_BYTES));
        let result = M::result(&mut self.counts, key, completed.outcome);
        self.outbox.push_back(result);
        self.acknowledged += 1;
        if self.acknowledged.is_multiple_of(PROGRESS_INTERVAL) {
            let progress = M::progress(self.received, &self.counts);
            self.outbox.push_back(progress);
        }
    }

    /// Returns the final counts.
    pub(super) fn summary(&self) -> M::Response {
        M::summary(self.received, &self.counts)
    }
}
