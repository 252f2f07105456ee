//! One bulk load or bulk search over as many streams as it needs.
//!
//! Order of events: take an item, open a stream, then whatever comes first: an item of the caller, a
//! loaded image, a response. A stream that ends leaves its items pending, and the next one begins with
//! them. A result of an item that has its outcome already is left out: an item has one outcome.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::{Pin, pin};

use futures_util::{Stream, StreamExt, TryFutureExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Status;

use super::contract::{Contract, Event};
use super::outcome::{Outcome, Outcomes};
use super::sender::{Pending, Sender};
use crate::backoff::{STREAM, retry_delay};
use crate::client::Client;
use crate::error::Error;
use crate::settings::Settings;

/// Items that the gateway has in flight, if the caller does not say (the contract's default).
const DEFAULT_IN_FLIGHT: u32 = 16;
/// The contract's maximum.
const MAX_IN_FLIGHT: u32 = 256;
/// Times that an item is sent if it fails for a transient reason.
const ITEM_ATTEMPTS: u32 = 3;
/// Minimum of transient failures in a row that are the library's and not the items': twice the
/// default number in flight.
const MIN_IN_A_ROW: usize = 32;
/// Reason of an item that a draining gateway has not processed.
const NOT_PROCESSED: &str = "SHUTTING_DOWN";

type OutcomeOf<C> = Outcome<<C as Contract>::Item, <C as Contract>::Result>;

/// The state of a run.
pub(super) struct Run<C: Contract, S> {
    contract: C,
    settings: Settings,
    source: Pin<Box<S>>,
    is_exhausted: bool,
    /// Number of items taken.
    taken: usize,
    /// Maximum number of items without an outcome. As many as the gateway has in flight are on their
    /// way to it, so that it does not wait for the network.
    window: usize,
    pending: BTreeMap<usize, Pending<C::Item>>,
    /// Transient failures since the last other result.
    in_a_row: usize,
    outcomes: mpsc::Sender<Result<OutcomeOf<C>, Error>>,
    stop: watch::Receiver<bool>,
}

/// How a stream ended.
struct StreamEnd {
    /// Number of outcomes that no library which is down explains.
    outcomes: usize,
    error: Option<Error>,
}

/// What comes first on a stream.
enum Step<C: Contract> {
    Response(Option<Result<C::Response, Status>>),
    Unloadable(usize, Error),
    Taken(Option<C::Item>),
    Stopped,
    Overdue,
}

// === impl Run ===

impl<C, S> Run<C, S>
where
    C: Contract,
    S: Stream<Item = C::Item> + Send + 'static,
{
    /// Starts the task of a run.
    pub(super) fn start(
        contract: C,
        source: S,
        max_in_flight: u32,
        client: &Client,
    ) -> Outcomes<OutcomeOf<C>> {
        let in_flight = match max_in_flight {
            0 => DEFAULT_IN_FLIGHT,
            given => given.min(MAX_IN_FLIGHT),
        };
        let window = 2 * in_flight as usize;
        let (sender, outcomes) = mpsc::channel(window);
        let (stop, stopped) = watch::channel(false);
        let run = Run {
            contract,
            settings: client.settings.clone(),
            source: Box::pin(source),
            is_exhausted: false,
            taken: 0,
            window,
            pending: BTreeMap::new(),
            in_a_row: 0,
            outcomes: sender,
            stop: stopped,
        };
        Outcomes {
            outcomes,
            stop,
            task: Some(tokio::spawn(run.run())),
        }
    }

    /// Opens streams until each item has its outcome.
    async fn run(mut self) {
        let mut failures = 0;
        while self.has_work().await {
            let end = self.stream().await;
            if self.is_exhausted && self.pending.is_empty() {
                return;
            }
            if self.is_stopped() {
                // Without an error, the gateway has read none of the pending items.
                if let Some(error) = end.error {
                    let _ = self.outcomes.send(Err(error)).await;
                }
                return;
            }
            // An idle stream ends without an outcome, too.
            let is_failure = end.error.is_some() || !self.pending.is_empty();
            failures = match end.outcomes {
                0 if is_failure => failures + 1,
                _ => 0,
            };
            let is_final = |error: &Error| !error.is_transient();
            if end.error.as_ref().is_some_and(is_final) || failures >= self.settings.stream_attempts
            {
                let error = end.error.unwrap_or_else(Error::no_result);
                let _ = self.outcomes.send(Err(error)).await;
                return;
            }
            let retry_after = end.error.as_ref().and_then(Error::retry_after);
            if (failures > 0 || retry_after.is_some()) && !self.wait(failures, end.error).await {
                return;
            }
        }
    }

    /// Waits for an item to send, before a stream is opened. Returns false if there is none.
    async fn has_work(&mut self) -> bool {
        if self.pending.is_empty() && !self.is_exhausted {
            let next = tokio::select! {
                next = self.source.next() => next,
                () = stopped(&mut self.stop) => None,
            };
            self.take(next);
        }
        !self.pending.is_empty()
    }

    /// Waits before the next stream; returns false if the caller stops the run.
    async fn wait(&mut self, failures: u32, error: Option<Error>) -> bool {
        let error = error.unwrap_or_else(Error::no_result);
        let wait = retry_delay(failures, error.retry_after());
        self.settings.notify(&error, wait);
        tokio::select! {
            () = sleep(wait) => true,
            () = stopped(&mut self.stop) => false,
        }
    }

    /// Sends the pending items and further ones over one stream, and passes on their outcomes.
    async fn stream(&mut self) -> StreamEnd {
        let (mut sender, requests) = Sender::new(&self.contract, self.pending.keys().copied());
        let responses = self.contract.open(requests).try_flatten_stream();
        let mut responses = pin!(responses);
        let mut outcomes = 0;
        let end = |outcomes, error| StreamEnd { outcomes, error };
        loop {
            if self.is_exhausted && self.pending.is_empty() {
                sender.finish();
            }
            let has_room = !self.is_exhausted && self.pending.len() < self.window;
            let end_by = sender.end_by();
            let step: Step<C> = tokio::select! {
                response = responses.next() => Step::Response(response),
                (index, error) = sender.unloadable(&self.pending) => Step::Unloadable(index, error),
                item = self.source.next(), if has_room && sender.is_open() => Step::Taken(item),
                () = stopped(&mut self.stop), if sender.is_open() => Step::Stopped,
                () = overdue(end_by) => Step::Overdue,
            };
            match step {
                Step::Response(None) | Step::Overdue => return end(outcomes, None),
                Step::Response(Some(Err(status))) => return end(outcomes, Some(status.into())),
                Step::Response(Some(Ok(response))) => match C::event(response) {
                    Event::Result(result) => match self.settle(result, &mut sender).await {
                        Ok(is_progress) => outcomes += usize::from(is_progress),
                        Err(error) => return end(outcomes, Some(error)),
                    },
                    Event::Drain => sender.close(),
                    Event::Other => {}
                },
                Step::Unloadable(index, error) => {
                    outcomes += 1;
                    self.complete(index, Err(error)).await;
                }
                Step::Taken(item) => {
                    if let Some(index) = self.take(item) {
                        sender.push(index);
                    }
                }
                Step::Stopped => sender.close(),
            }
        }
    }

    /// Makes an item pending and returns its index; without one, the caller has no more.
    fn take(&mut self, item: Option<C::Item>) -> Option<usize> {
        let Some(item) = item else {
            self.is_exhausted = true;
            return None;
        };
        let index = self.taken;
        self.taken += 1;
        let failed_attempts = 0;
        self.pending.insert(
            index,
            Pending {
                item,
                failed_attempts,
            },
        );
        Some(index)
    }

    /// Passes on the result of an item, or sends the item again. Returns whether the library works: an
    /// item that has failed too often for a transient reason does not show that.
    ///
    /// # Errors
    ///
    /// When so many items in a row failed for a transient reason that another stream should try.
    async fn settle(
        &mut self,
        mut result: C::Result,
        sender: &mut Sender<C>,
    ) -> Result<bool, Error> {
        let index = C::key(&result).parse().ok();
        let Some((index, pending)) =
            index.and_then(|index| Some((index, self.pending.get_mut(&index)?)))
        else {
            return Ok(false);
        };
        let error = C::error(&mut result);
        let is_progress = !error.as_ref().is_some_and(Error::is_transient);
        match &error {
            Some(error) if error.reason() == NOT_PROCESSED => return Ok(false),
            Some(error) if error.is_transient() => {
                self.in_a_row += 1;
                pending.failed_attempts += 1;
                let failed_attempts = pending.failed_attempts;
                if self.in_a_row >= self.window.max(MIN_IN_A_ROW) {
                    self.forgive();
                    return Err(error.clone());
                }
                if failed_attempts < ITEM_ATTEMPTS {
                    sender.push_later(Instant::now() + STREAM.after(failed_attempts), index);
                    return Ok(false);
                }
            }
            Some(_) | None => self.in_a_row = 0,
        }
        self.complete(index, error.map_or(Ok(result), Err)).await;
        Ok(is_progress)
    }

    /// Forgets the failed attempts of items, which were the library's.
    fn forgive(&mut self) {
        self.in_a_row = 0;
        for pending in self.pending.values_mut() {
            pending.failed_attempts = 0;
        }
    }

    async fn complete(&mut self, index: usize, result: Result<C::Result, Error>) {
        if let Some(Pending { item, .. }) = self.pending.remove(&index) {
            let outcome = Outcome {
                index,
                item,
                result,
            };
            // A caller that is gone has ended this task.
            let _ = self.outcomes.send(Ok(outcome)).await;
        }
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

/// Completes when the caller stops the run.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|is_stopped| *is_stopped).await.is_err() {
        // The caller is gone, which ends this task.
        pending().await
    }
}

/// Completes when the gateway has not ended a finished stream in time.
async fn overdue(end_by: Option<Instant>) {
    match end_by {
        Some(end) => sleep_until(end).await,
        None => pending().await,
    }
}
