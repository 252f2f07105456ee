//! Searches with many images over streams of `BulkSearchImages`.
//!
//! Images are read when the connection has capacity, a few ahead. What has no result when a stream
//! ends is sent again over another one; a stream that brings no result ends the command.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;

use super::client::{Client, LibraryTarget};
use super::failure::Failure;
use super::image::ImageSource;
use super::query::{QueryArg, QuerySource};
use super::scale::{Loader, Resizing, Scaled};
use crate::proto::v1;
use crate::proto::v1::bulk_search_images_item::Source;
use crate::proto::v1::bulk_search_images_request::Payload;
use crate::proto::v1::bulk_search_images_response::Event;

/// Images read ahead of the connection; with the default limits of an embedded library, under 30 MB.
const READ_AHEAD: usize = 4;

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

/// The queries that have no outcome yet, and what gets the outcomes.
struct Outcomes<F> {
    pending: Vec<usize>,
    scaled: HashMap<usize, Scaled>,
    each: F,
    is_wanted: bool,
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
        let outcomes = Mutex::new(Outcomes {
            pending: (0..queries.len()).collect(),
            scaled: HashMap::new(),
            each,
            is_wanted: true,
        });
        loop {
            let pending = lock(&outcomes).pending.clone();
            if pending.is_empty() {
                return Ok(());
            }
            let end = self.stream(queries, &pending, &outcomes).await;
            let outcomes = lock(&outcomes);
            if !outcomes.is_wanted {
                return Ok(());
            }
            if outcomes.pending.len() == pending.len() {
                end?;
                let message = "the gateway ended the stream without a result";
                return Err(Failure::local(message));
            }
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
    /// Passes on a result; returns whether further ones are wanted.
    fn receive(&mut self, result: v1::BulkSearchImagesResult) -> bool {
        let Ok(index) = result.key.parse() else {
            return true;
        };
        let outcome = match result.status.clone().unwrap_or_default() {
            status if status.code == 0 => Ok(result),
            status => Err(status.into()),
        };
        self.complete(index, outcome)
    }

    fn complete(
        &mut self,
        index: usize,
        result: Result<v1::BulkSearchImagesResult, Failure>,
    ) -> bool {
        let Some(at) = self.pending.iter().position(|pending| *pending == index) else {
            return self.is_wanted;
        };
        self.pending.remove(at);
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
