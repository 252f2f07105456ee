//! The sending side of one stream: loads images a few ahead of the connection, and sends them.
//!
//! HTTP/2 flow control bounds it: while the gateway reads no further item, no further image is
//! loaded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::time::{Instant, sleep_until};

use super::contract::{Contract, Requests};
use crate::error::Error;

/// Images loaded ahead of the connection: enough to hide the latency of a disk.
const READ_AHEAD: usize = 4;
/// Maximum time between the last outcome and the end of the stream, which is the gateway's.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the items of one stream.
pub(super) struct Sender<C: Contract> {
    /// `None` once the stream gets no further item.
    requests: Option<mpsc::Sender<C::Request>>,
    /// Until when to wait for the end of a stream whose items all have their outcomes.
    end_by: Option<Instant>,
    to_send: VecDeque<usize>,
    /// Items that failed for a transient reason, by the time to send them again.
    delayed: BTreeSet<(Instant, usize)>,
    loading: FuturesOrdered<BoxFuture<'static, Loading<C>>>,
    loaded: VecDeque<C::Request>,
}

/// An item without an outcome.
pub(super) struct Pending<I> {
    pub(super) item: I,
    pub(super) failed_attempts: u32,
}

type Loading<C> = (usize, Result<<C as Contract>::Request, Error>);

// === impl Sender ===

impl<C: Contract> Sender<C> {
    /// Makes the sender of a stream, and the messages of that stream: its options, and first the
    /// items `to_send`.
    pub(super) fn new(
        contract: &C,
        to_send: impl Iterator<Item = usize>,
    ) -> (Self, Requests<C::Request>) {
        let (requests, outbound) = mpsc::channel(1);
        let sender = Sender {
            requests: Some(requests),
            end_by: None,
            to_send: to_send.collect(),
            delayed: BTreeSet::new(),
            loading: FuturesOrdered::new(),
            loaded: VecDeque::from([contract.options()]),
        };
        (sender, Requests(outbound))
    }

    /// Adds an item.
    pub(super) fn push(&mut self, index: usize) {
        self.to_send.push_back(index);
    }

    /// Adds an item that is not sent before `time`.
    pub(super) fn push_later(&mut self, time: Instant, index: usize) {
        if self.is_open() {
            self.delayed.insert((time, index));
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.requests.is_some()
    }

    /// Sends nothing more: the gateway drains, or the caller stops.
    pub(super) fn close(&mut self) {
        self.requests = None;
        self.to_send.clear();
        self.delayed.clear();
        self.loading.clear();
        self.loaded.clear();
    }

    /// Ends the stream, whose items all have their outcomes.
    pub(super) fn finish(&mut self) {
        self.close();
        self.end_by
            .get_or_insert_with(|| Instant::now() + END_TIMEOUT);
    }

    /// Returns until when to wait for the end of a finished stream.
    pub(super) fn end_by(&self) -> Option<Instant> {
        self.end_by
    }

    /// Loads and sends items until one cannot be loaded, which it returns. Dropping the future
    /// loses nothing.
    pub(super) async fn unloadable(
        &mut self,
        items: &BTreeMap<usize, Pending<C::Item>>,
    ) -> (usize, Error) {
        loop {
            self.begin_to_load(items);
            let due = self.delayed.first().map(|(time, _)| *time);
            tokio::select! {
                Some((index, message)) = self.loading.next() => match message {
                    Ok(message) => self.loaded.push_back(message),
                    Err(error) => return (index, error),
                },
                permit = reserve(self.requests.clone()), if !self.loaded.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(message) = self.loaded.pop_front() {
                            permit.send(message);
                        }
                    }
                    // The stream has ended, which its responses say.
                    Err(_) => self.close(),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if let Some((_, index)) = self.delayed.pop_first() {
                        self.to_send.push_back(index);
                    }
                }
                else => pending().await,
            }
        }
    }

    fn begin_to_load(&mut self, items: &BTreeMap<usize, Pending<C::Item>>) {
        while self.loading.len() + self.loaded.len() < READ_AHEAD
            && let Some(index) = self.to_send.pop_front()
        {
            let Some(pending) = items.get(&index) else {
                continue;
            };
            let message = C::message(index.to_string(), pending.item.clone());
            let loading = async move { (index, message.await) };
            self.loading.push_back(loading.boxed());
        }
    }
}

async fn reserve<T>(requests: Option<mpsc::Sender<T>>) -> Result<OwnedPermit<T>, SendError<()>> {
    match requests {
        Some(requests) => requests.reserve_owned().await,
        None => pending().await,
    }
}
