//! The state of a running bulk load: items in flight, counts, and events to send.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::item::{AdmittedItem, CompletedItem, MAX_KEY_BYTES, ReceivedItem};
use crate::error::{Kind, Result};
use crate::grpc::status;
use crate::proto::v1;
use crate::proto::v1::add_images_response::Event;

/// Maximum number of image bytes in flight per load; bounds memory when items are large.
const MAX_BYTES_IN_FLIGHT: usize = 64 * 1024 * 1024;
/// Bytes of an incomplete item that must arrive within an idle timeout: 218 bytes per second with
/// the default of 5 min, for clients on slow networks.
const MIN_ARRIVED_BYTES: u64 = 64 * 1024;
/// Number of results between two progress events.
const PROGRESS_INTERVAL: u64 = 100;

/// The state of a running load.
pub(super) struct LoadState {
    /// The one item that waits for memory or quota.
    pub(super) in_admission: Option<BoxFuture<'static, AdmittedItem>>,
    /// The items that the library works on.
    pub(super) in_flight: FuturesUnordered<BoxFuture<'static, CompletedItem>>,
    /// Events that the client has not read yet. No item is received while there are any, so their
    /// number is bounded by the items in flight.
    pub(super) outbox: VecDeque<Event>,
    /// Set when no further item is received: `Ok` at a regular end or drain, else the error.
    pub(super) ended: Option<Result<()>>,
    pub(super) counts: v1::AddImagesCounts,
    bytes_in_flight: usize,
    /// When an item was last received or completed, or enough of one had arrived.
    active_at: Instant,
    /// Bytes of the body that had arrived then.
    arrived: u64,
}

// === impl LoadState ===

impl LoadState {
    pub(super) fn begin() -> Self {
        LoadState {
            in_admission: None,
            in_flight: FuturesUnordered::new(),
            outbox: VecDeque::new(),
            ended: None,
            counts: v1::AddImagesCounts::default(),
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
    pub(super) fn record_received(&mut self, item: &ReceivedItem) {
        self.active_at = Instant::now();
        self.counts.received += 1;
        self.bytes_in_flight += item.bytes();
    }

    /// Counts a completed item and queues its result, and progress after every 100 results.
    pub(super) fn acknowledge(&mut self, completed: CompletedItem) {
        self.active_at = Instant::now();
        self.bytes_in_flight -= completed.bytes;
        let result = self.result(completed);
        self.outbox.push_back(Event::Result(result));
        let v1::AddImagesCounts {
            added,
            existed,
            failed,
            ..
        } = self.counts;
        if (added + existed + failed).is_multiple_of(PROGRESS_INTERVAL) {
            self.outbox.push_back(Event::Progress(self.counts));
        }
    }

    fn result(&mut self, completed: CompletedItem) -> v1::AddImagesResult {
        let CompletedItem {
            mut key, outcome, ..
        } = completed;
        key.truncate(key.floor_char_boundary(MAX_KEY_BYTES));
        match outcome {
            Ok(added) => {
                let count = if added.existed {
                    &mut self.counts.existed
                } else {
                    &mut self.counts.added
                };
                *count += 1;
                v1::AddImagesResult {
                    key,
                    status: Some(v1::Status::default()),
                    cont_sign: added.cont_sign.to_string(),
                    existed: added.existed,
                    log_id: added.log_id,
                }
            }
            Err(error) => {
                self.counts.failed += 1;
                v1::AddImagesResult {
                    key,
                    status: Some(status::item(&error)),
                    cont_sign: error.cont_sign().unwrap_or_default().to_owned(),
                    existed: error.kind() == Kind::ImageAlreadyExists,
                    log_id: 0,
                }
            }
        }
    }
}
