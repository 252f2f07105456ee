//! Searches with many images over streams of `BulkSearchImages`.
//!
//! Images are read when the connection has capacity, a few ahead. What has no result when a stream
//! ends, or failed for a transient reason, is sent again over another one, with backoff; streams that
//! bring no result end the command.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;

use super::backoff::{MAX_RETRY_AFTER, backoff, is_transient};
use super::client::{Client, LibraryTarget};
use super::failure::Failure;
use super::failure_class::{FailureClass, classify};
use super::image::{ImageArg, ImageSource};
use super::query::{QueryArg, QuerySource};
use super::scale::{Loader, Resizing, Scaled};
use crate::proto::v1;
use crate::proto::v1::bulk_search_images_item::Source;
use crate::proto::v1::bulk_search_images_request::Payload;
use crate::proto::v1::bulk_search_images_response::Event;

/// Images read ahead of the connection; with the default limits of an embedded library, under 30 MB.
const READ_AHEAD: usize = 4;
/// Maximum number of streams in a row that bring no result.
const MAX_STREAMS: usize = 4;
/// Maximum number of times that a query is sent if it fails for a transient reason.
const MAX_ATTEMPTS: u8 = 3;

/// Searches with many images.
pub(super) struct BulkSearch<'a> {
    pub(super) client: Client,
    pub(super) target: &'a LibraryTarget,
    pub(super) options: v1::BulkSearchImagesOptions,
    pub(super) resizing: Resizing,
}

/// The outcome of one query.
pub(super) struct Found {
    /// Position of the query.
    pub(super) index: usize,
    pub(super) result: Result<v1::BulkSearchImagesResult, Failure>,
    /// The image as it was sent instead of a larger one.
    pub(super) scaled: Option<Scaled>,
}

/// The state of all queries, and what gets their outcomes.
struct Outcomes<F> {
    states: Vec<QueryState>,
    scaled: HashMap<usize, Scaled>,
    each: F,
    is_wanted: bool,
    /// Number of results, also of those to try again.
    results: usize,
    /// The longest time that a result of this stream asks to wait.
    retry_after: Duration,
}

/// Whether a query has its outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
enum QueryState {
    Pending { failed_attempts: u8 },
    Complete,
}

// === impl BulkSearch ===

impl BulkSearch<'_> {
    /// Passes the outcome of each query to `each`, in the order of completion, until it returns
    /// false.
    ///
    /// # Errors
    ///
    /// When a stream ends before it has brought a result.
    pub(super) async fn run(
        &self,
        queries: &[QueryArg],
        each: impl FnMut(Found) -> bool + Send,
    ) -> Result<(), Failure> {
        let outcomes = Mutex::new(Outcomes::new(queries, each));
        let mut without_result = 0;
        loop {
            let (pending, results) = {
                let mut outcomes = lock(&outcomes);
                outcomes.retry_after = Duration::ZERO;
                (outcomes.pending(), outcomes.results)
            };
            if pending.is_empty() {
                return Ok(());
            }
            let end = self.stream(queries, &pending, &outcomes).await;
            let delay = {
                let outcomes = lock(&outcomes);
                if !outcomes.is_wanted || outcomes.pending().is_empty() {
                    return Ok(());
                }
                without_result = if outcomes.results > results {
                    0
                } else {
                    without_result + 1
                };
                let failed = usize::from(outcomes.failed_attempts()).max(without_result);
                backoff(failed).max(outcomes.retry_after)
            };
            let retry_after = Self::after(end, without_result)?;
            tokio::time::sleep(delay.max(retry_after).min(MAX_RETRY_AFTER)).await;
        }
    }

    /// Returns how long to wait after the end of a stream, or the failure if no other can succeed.
    fn after(end: Result<(), Failure>, without_result: usize) -> Result<Duration, Failure> {
        let is_last = without_result >= MAX_STREAMS;
        match end {
            Err(failure) if is_last || !is_transient(&failure) => Err(failure),
            Err(failure) => Ok(failure.retry_after().unwrap_or_default()),
            Ok(()) if is_last => Err(Failure::local(
                "the gateway ended the stream without a result",
            )),
            Ok(()) => Ok(Duration::ZERO),
        }
    }

    /// Sends the pending queries over one stream, and receives their results.
    async fn stream<F: FnMut(Found) -> bool + Send>(
        &self,
        queries: &[QueryArg],
        pending: &[usize],
        outcomes: &Mutex<Outcomes<F>>,
    ) -> Result<(), Failure> {
        let (requests, outbound) = mpsc::channel(READ_AHEAD);
        let send = async {
            self.send(queries, pending, requests, outcomes).await;
            // The end of the stream is the server's.
            std::future::pending::<()>().await;
        };
        let receive = async {
            let mut client = self.client.clone();
            let outbound = ReceiverStream::new(outbound);
            let mut inbound = client.bulk_search_images(outbound).await?.into_inner();
            while let Some(response) = inbound.message().await? {
                if let Some(Event::Result(result)) = response.event
                    && !lock(outcomes).receive(result)
                {
                    break;
                }
            }
            Ok(())
        };
        tokio::select! {
            end = receive => end,
            () = send => Ok(()),
        }
    }

    /// Sends the options and the pending queries, until the stream ends.
    async fn send<F: FnMut(Found) -> bool + Send>(
        &self,
        queries: &[QueryArg],
        pending: &[usize],
        requests: Sender<v1::BulkSearchImagesRequest>,
        outcomes: &Mutex<Outcomes<F>>,
    ) {
        let options = Payload::Options(self.options.clone());
        let mut is_open = requests.send(request(options)).await.is_ok();
        let mut loader = Loader::new(self.client.clone(), self.target, self.resizing);
        for &index in pending {
            if !is_open {
                return;
            }
            is_open = match queries[index].load(&mut loader).await {
                Ok((source, scaled)) => {
                    if let Some(scaled) = scaled {
                        lock(outcomes).scaled.insert(index, scaled);
                    }
                    requests.send(request(item(index, source))).await.is_ok()
                }
                Err(failure) => lock(outcomes).complete(index, Err(failure)),
            };
        }
    }
}

// === impl Outcomes ===

impl<F: FnMut(Found) -> bool> Outcomes<F> {
    fn new(queries: &[QueryArg], each: F) -> Self {
        let state = |query: &QueryArg| QueryState::Pending {
            // Standard input can be read once.
            failed_attempts: match query {
                QueryArg::Image(ImageArg::Stdin) => MAX_ATTEMPTS - 1,
                QueryArg::Image(_) | QueryArg::Sign(_) => 0,
            },
        };
        Outcomes {
            states: queries.iter().map(state).collect(),
            scaled: HashMap::new(),
            each,
            is_wanted: true,
            results: 0,
            retry_after: Duration::ZERO,
        }
    }

    fn pending(&self) -> Vec<usize> {
        let states = self.states.iter().enumerate();
        states
            .filter(|(_, state)| **state != QueryState::Complete)
            .map(|(index, _)| index)
            .collect()
    }

    /// Returns the largest number of attempts of a pending query that failed.
    fn failed_attempts(&self) -> u8 {
        let attempts = self.states.iter().map(|state| match state {
            QueryState::Pending { failed_attempts } => *failed_attempts,
            QueryState::Complete => 0,
        });
        attempts.max().unwrap_or_default()
    }

    /// Passes on a result; returns whether further ones are wanted.
    fn receive(&mut self, result: v1::BulkSearchImagesResult) -> bool {
        let Ok(index) = result.key.parse() else {
            return true;
        };
        let outcome = match result.status.clone().unwrap_or_default() {
            status if status.code == 0 => Ok(result),
            status => Err(Failure::from(status)),
        };
        if let Err(failure) = &outcome
            && self.is_tried_again(index, failure)
        {
            return self.is_wanted;
        }
        self.complete(index, outcome)
    }

    /// Counts a failed attempt; returns whether the query stays pending.
    fn is_tried_again(&mut self, index: usize, failure: &Failure) -> bool {
        let Some(QueryState::Pending { failed_attempts }) = self.states.get_mut(index) else {
            return false;
        };
        match classify(failure) {
            FailureClass::NotProcessed => return true,
            FailureClass::Transient if *failed_attempts + 1 < MAX_ATTEMPTS => {}
            FailureClass::Transient | FailureClass::Permanent | FailureClass::Fatal => {
                return false;
            }
        }
        *failed_attempts += 1;
        self.results += 1;
        let retry_after = failure.retry_after().unwrap_or_default();
        self.retry_after = self.retry_after.max(retry_after);
        true
    }

    fn complete(
        &mut self,
        index: usize,
        result: Result<v1::BulkSearchImagesResult, Failure>,
    ) -> bool {
        match self.states.get_mut(index) {
            Some(state) if *state != QueryState::Complete => *state = QueryState::Complete,
            Some(_) | None => return self.is_wanted,
        }
        self.results += 1;
        let scaled = self.scaled.remove(&index);
        self.is_wanted = (self.each)(Found {
            index,
            result,
            scaled,
        });
        self.is_wanted
    }
}

fn lock<F>(outcomes: &Mutex<Outcomes<F>>) -> std::sync::MutexGuard<'_, Outcomes<F>> {
    outcomes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn item(index: usize, source: QuerySource) -> Payload {
    let source = match source {
        QuerySource::Image(ImageSource::Content(content)) => Source::Content(content),
        QuerySource::Image(ImageSource::Url(url)) => Source::Url(url),
        QuerySource::Sign(sign) => Source::ContSign(sign),
    };
    Payload::Item(v1::BulkSearchImagesItem {
        key: index.to_string(),
        source: Some(source),
    })
}

fn request(payload: Payload) -> v1::BulkSearchImagesRequest {
    v1::BulkSearchImagesRequest {
        payload: Some(payload),
    }
}
