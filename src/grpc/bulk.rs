//! One bulk load, or bulk search: a loop over items that arrive, items that complete, and a drain.
//! What is done with an item is the business of its method (`add`, `search`).
//!
//! Backpressure: the load receives an item only while fewer than `max_in_flight` are in flight and
//! the client reads its results. HTTP/2 flow control then stops a client that is faster than the
//! library, and memory is bounded. Items complete in any order. At a drain, and when the client
//! violates the protocol, the load acknowledges every item that it has received before it ends. A
//! load on which nothing happens is drained too. [`ItemAdmission`] decides about requests in flight
//! and quota.

mod add;
mod admission;
mod item;
mod method;
mod oversized;
mod search;
mod state;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt, OptionFuture};
use futures_util::stream::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tonic_types::StatusExt;

use self::item::{AdmittedItem, ReceivedItem};
use self::state::LoadState;
use crate::call::Call;
use crate::domain::ImageLimits;
use crate::error::{Error, Kind, Result};
use crate::grpc::status;
use crate::library::Library;

pub(super) use self::add::AddImages;
pub(super) use self::admission::ItemAdmission;
pub(super) use self::method::BulkMethod;
pub use self::oversized::DropOversizedItems;
pub(super) use self::oversized::{BodyReport, is_bulk};
pub(super) use self::search::SearchImages;

/// Items in flight when the client sets no number.
const DEFAULT_IN_FLIGHT: u32 = 16;
/// Maximum number of items in flight.
const MAX_IN_FLIGHT: u32 = 256;

const TOO_LARGE: &str = "the item is longer than a message may be; see limits.max_message_bytes";

/// A bulk load that is ready to start.
pub(super) struct BulkLoad<M: BulkMethod> {
    call: Call,
    library: Arc<dyn Library>,
    limits: ImageLimits,
    method: Arc<M>,
    max_in_flight: usize,
    idle_timeout: Duration,
    messages: Streaming<M::Request>,
    body: BodyReport,
    admission: ItemAdmission,
}

/// The responses of a load.
pub(super) type ResponseStream<T> = ReceiverStream<StreamResult<T>>;

type StreamResult<T> = std::result::Result<T, Status>;

/// The client has disconnected; no result can reach it.
struct ClientGone;

/// Reads the options, which must be the first message of a stream.
pub(super) async fn read_options<Request, Options>(
    messages: &mut Streaming<Request>,
    options: impl FnOnce(Request) -> Option<Options>,
) -> StreamResult<Options> {
    let first = messages.message().await.map_err(stream_error)?;
    first.and_then(options).ok_or_else(|| {
        let message = "the first message of the stream must carry `options`";
        Error::violation("options", Kind::MissingParameter, message).into()
    })
}

// === impl BulkLoad ===

impl<M: BulkMethod> BulkLoad<M> {
    pub(super) fn new(
        call: Call,
        (library, limits): (Arc<dyn Library>, ImageLimits),
        (method, max_in_flight): (M, u32),
        (messages, body): (Streaming<M::Request>, BodyReport),
        admission: ItemAdmission,
        idle_timeout: Duration,
    ) -> Result<Self> {
        let max_in_flight = match max_in_flight {
            0 => DEFAULT_IN_FLIGHT,
            number @ 1..=MAX_IN_FLIGHT => number,
            number => {
                let message = format!("{number}; 1 to {MAX_IN_FLIGHT}");
                let field = "max_in_flight";
                return Err(Error::violation(field, Kind::InvalidParameter, message));
            }
        };
        Ok(BulkLoad {
            call,
            library,
            limits,
            method: Arc::new(method),
            max_in_flight: max_in_flight as usize,
            idle_timeout,
            messages,
            body,
            admission,
        })
    }

    /// Starts the load in a task; it ends with the returned stream, also when the client drops it.
    pub(super) fn start(self) -> ResponseStream<M::Response> {
        // One slot: a client that does not read its results stops the load.
        let (events, stream) = mpsc::channel(1);
        let span = tracing::Span::current();
        tokio::spawn(tracing::Instrument::instrument(self.run(events), span));
        ReceiverStream::new(stream)
    }

    async fn run(mut self, events: mpsc::Sender<StreamResult<M::Response>>) {
        let deadline = self.call.stream_deadline;
        let load = self.process(&events);
        let in_time = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, load).await.is_ok(),
            None => {
                let _ = load.await;
                true
            }
        };
        if !in_time {
            let error = Error::new(Kind::DeadlineExceeded, "the stream's deadline has passed");
            // Fails only when the client has disconnected as well.
            let _ = events.send(Err(error.into())).await;
        }
    }

    /// Runs the load to its end and sends the summary.
    async fn process(
        &mut self,
        events: &mpsc::Sender<StreamResult<M::Response>>,
    ) -> std::result::Result<(), ClientGone> {
        let mut load = LoadState::<M>::begin();
        let mut idle = pin!(tokio::time::sleep(self.idle_timeout));
        while load.is_running() {
            let may_receive = load.may_receive(self.max_in_flight);
            tokio::select! {
                // Results first: they release permits and reach the client early.
                biased;
                () = events.closed() => return Err(ClientGone),
                slot = events.reserve(), if !load.outbox.is_empty() => {
                    if let Some(event) = load.outbox.pop_front() {
                        slot.map_err(|_| ClientGone)?.send(Ok(event));
                    }
                }
                // Items are polled also while the client does not read: an item that waits for a
                // CPU permit must use it as soon as it gets it, because others wait for it too.
                Some(completed) = load.in_flight.next() => load.acknowledge(completed),
                Some(admitted) = OptionFuture::from(load.in_admission.as_mut()) => {
                    load.in_admission = None;
                    self.start_item(&mut load, admitted);
                }
                () = self.admission.drain_started(), if load.ended.is_none() => {
                    load.ended = Some(Ok(()));
                    load.outbox.push_back(drain::<M>("the server is shutting down"));
                }
                () = idle.as_mut(), if load.ended.is_none() => {
                    // As the client sends it: an item is here once it has been converted.
                    load.note_arrived(self.call.stats.bytes());
                    match load.idle_until(self.idle_timeout) {
                        Some(later) => idle.as_mut().reset(later),
                        None => {
                            load.ended = Some(Ok(()));
                            load.outbox.push_back(drain::<M>("the stream was idle"));
                        }
                    }
                }
                message = self.messages.message(), if may_receive => {
                    self.receive(&mut load, message);
                }
            }
        }
        let last = match load.ended {
            Some(Err(status)) => Err(status),
            Some(Ok(())) | None => Ok(load.summary()),
        };
        events.send(last).await.map_err(|_| ClientGone)
    }

    /// Handles one message of the client, or the end of its stream.
    fn receive(
        &self,
        load: &mut LoadState<M>,
        message: std::result::Result<Option<M::Request>, Status>,
    ) {
        match message.map(|message| message.map(M::item)) {
            Ok(Some(Some(item))) => self.request_admission(load, item),
            Ok(Some(None)) => {
                let message =
                    "only the first message carries `options`; every later one carries an `item`";
                let error = Error::violation("item", Kind::MissingParameter, message);
                load.ended = Some(Err(error.into()));
            }
            Ok(None) => load.ended = Some(Ok(())),
            Err(status) => load.ended = Some(Err(stream_error(status))),
        }
    }

    fn request_admission(&self, load: &mut LoadState<M>, message: M::Item) {
        let item = ReceivedItem::new(message);
        load.record_received(&item);
        let dropped_bytes = self.body.take_dropped(load.received);
        let (memory, admission) = (self.call.permit.split_item(), self.admission.clone());
        // A dropped item counts for the quota too, or its bytes would be free.
        let bytes = dropped_bytes.unwrap_or_else(|| item.bytes());
        let permit = async move { admission.admit(memory?, bytes).await };
        load.in_admission = Some(
            async move {
                let mut permit = permit.await;
                if permit.is_ok() && dropped_bytes.is_some() {
                    permit = Err(Error::new(Kind::MessageTooLarge, TOO_LARGE));
                }
                AdmittedItem { item, permit }
            }
            .boxed(),
        );
    }

    fn start_item(&self, load: &mut LoadState<M>, admitted: AdmittedItem<M>) {
        let library = Arc::clone(&self.library);
        // The timeout of the operation starts now; the wait for admission does not count.
        let call = self.call.of_item(admitted.memory());
        let (limits, method) = (self.limits, Arc::clone(&self.method));
        let work = async move {
            let library = (library.as_ref(), limits);
            admitted.complete(&call, library, &method).await
        };
        load.in_flight.push(work.boxed());
    }
}

/// Classifies an error of the stream. One with a reason is ours: of what reads messages before tonic.
fn stream_error(status: Status) -> Status {
    if let Some(error) = status::unreadable(&status) {
        return error.into();
    }
    if status.get_details_error_info().is_some() {
        return status;
    }
    let message = format!("the stream broke off: {}", status.message());
    Error::new(Kind::InvalidParameter, message).into()
}

fn drain<M: BulkMethod>(reason: &str) -> M::Response {
    M::drain(format!(
        "{reason}; send what is not acknowledged on a new stream"
    ))
}
