//! One bulk load: items in, an acknowledgement for each out.
//!
//! A load reads an item only while fewer than `max_in_flight` are being worked
//! on, so a library that is slower than the client stops the client through
//! HTTP/2 flow control, and memory stays bounded. Items end in any order. A
//! stream that breaks the protocol, or meets a drain, still acknowledges
//! everything that it took in before it ends. What memory and quota have to
//! say is the [`gate`]'s business: while an item stands there, none is read.

mod gate;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::{FutureExt, OptionFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendError;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{convert, status};
use crate::call::Call;
use crate::domain::Added;
use crate::error::{Error, Kind, Result, Violation};
use crate::library::Library;
use crate::proto::v1;
use crate::proto::v1::add_images_request::Payload;
use crate::proto::v1::add_images_response::Event;

use gate::Entry;
pub(super) use gate::Gate;

/// Items worked on at once when the client does not say.
const DEFAULT_IN_FLIGHT: u32 = 16;
/// Most items worked on at once.
const MAX_IN_FLIGHT: u32 = 256;
/// Most image bytes that one load holds: bounds memory when items are large.
const MAX_BYTES_IN_FLIGHT: usize = 64 * 1024 * 1024;
/// Results between two reports of progress.
const PROGRESS_EVERY: u64 = 100;
/// Longest key of an item in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// A bulk load that is ready to run.
pub(super) struct Load {
    call: Call,
    library: Arc<dyn Library>,
    on_duplicate: v1::OnDuplicate,
    max_in_flight: usize,
    messages: Streaming<v1::AddImagesRequest>,
    gate: Gate,
}

/// What a running load keeps track of.
#[derive(Default)]
struct Progress {
    /// The one item that waits for memory or quota.
    at_gate: Option<Pin<Box<dyn Future<Output = Passed> + Send>>>,
    in_flight: FuturesUnordered<Item>,
    bytes_in_flight: usize,
    counts: v1::AddImagesCounts,
    /// What the client has not taken yet. It grows no further than the items
    /// in flight, since nothing is read while it holds anything.
    outbox: VecDeque<Event>,
    /// Why no further item is taken: `Some(Ok)` after a regular end.
    ended: Option<Result<()>>,
}

type Item = Pin<Box<dyn Future<Output = Done> + Send>>;
type Response = std::result::Result<v1::AddImagesResponse, Status>;
type Events = mpsc::Sender<Response>;

/// One item that was let through, or rejected, by the gate.
struct Passed {
    key: String,
    bytes: usize,
    item: v1::AddImagesItem,
    entry: Result<Entry>,
}

/// One item that was worked on.
struct Done {
    key: String,
    bytes: usize,
    outcome: Result<Added>,
}

/// The client is gone, so nobody hears of results any more.
struct Gone;

/// Reads the options, which must be the first message of a stream.
pub(super) async fn options(
    messages: &mut Streaming<v1::AddImagesRequest>,
) -> Result<v1::AddImagesOptions> {
    let first = messages
        .message()
        .await
        .map_err(|status| unreadable(&status))?;
    match first.and_then(|message| message.payload) {
        Some(Payload::Options(options)) => Ok(options),
        Some(Payload::Item(_)) | None => {
            let message = "the first message of the stream must carry `options`";
            Err(Error::invalid(vec![Violation::new(
                "options",
                Kind::MissingParameter,
                message,
            )]))
        }
    }
}

// === impl Load ===

impl Load {
    pub(super) fn new(
        call: Call,
        library: Arc<dyn Library>,
        options: &v1::AddImagesOptions,
        messages: Streaming<v1::AddImagesRequest>,
        gate: Gate,
    ) -> Result<Self> {
        let wanted = options.max_in_flight;
        if wanted > MAX_IN_FLIGHT {
            let message = format!("{wanted}; 1 to {MAX_IN_FLIGHT}");
            return Err(Error::invalid(vec![Violation::new(
                "max_in_flight",
                Kind::InvalidParameter,
                message,
            )]));
        }
        let max_in_flight = if wanted == 0 {
            DEFAULT_IN_FLIGHT
        } else {
            wanted
        } as usize;
        let on_duplicate = options.on_duplicate();
        Ok(Load {
            call,
            library,
            on_duplicate,
            max_in_flight,
            messages,
            gate,
        })
    }

    /// Starts the load; it ends with the returned stream, also when the client
    /// drops it.
    pub(super) fn start(
        self,
    ) -> ReceiverStream<std::result::Result<v1::AddImagesResponse, Status>> {
        // One slot: a client that does not read its results stops the load.
        let (events, stream) = mpsc::channel(1);
        let span = tracing::Span::current();
        tokio::spawn(tracing::Instrument::instrument(self.run(events), span));
        ReceiverStream::new(stream)
    }

    async fn run(mut self, events: Events) {
        let deadline = self.call.stream_deadline;
        let load = self.drive(&events);
        let ended = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, load).await,
            None => Ok(load.await),
        };
        if ended.is_err() {
            let error = Error::new(Kind::DeadlineExceeded, "the stream's deadline has passed");
            // Nobody to tell when the client has left as well.
            let _ = events.send(Err(status::status(&error))).await;
        }
    }

    async fn drive(&mut self, events: &Events) -> std::result::Result<(), Gone> {
        let mut load = Progress::default();
        while load.is_running() {
            let may_read = load.ended.is_none()
                && load.outbox.is_empty()
                && load.at_gate.is_none()
                && load.in_flight.len() < self.max_in_flight
                && load.bytes_in_flight < MAX_BYTES_IN_FLIGHT;
            tokio::select! {
                // Results first: they free places and reach the client early.
                biased;
                () = events.closed() => return Err(Gone),
                slot = events.reserve(), if !load.outbox.is_empty() => load.hand_over(slot)?,
                // Items are polled also while the client does not read: one
                // that waits for a core must take it when its turn comes.
                Some(done) = load.in_flight.next() => load.acknowledge(done),
                Some(passed) = OptionFuture::from(load.at_gate.as_mut()) => self.start_item(&mut load, passed),
                () = self.gate.drained(), if load.ended.is_none() => {
                    load.ended = Some(Ok(()));
                    load.outbox.push_back(Event::Drain(going_away()));
                }
                message = self.messages.message(), if may_read => self.take(&mut load, message),
            }
        }
        let last = match load.ended {
            Some(Err(error)) => Err(status::status(&error)),
            Some(Ok(())) | None => Ok(response(Event::Summary(load.counts))),
        };
        events.send(last).await.map_err(|_| Gone)
    }

    /// Takes one message from the client, or notes why there are no more.
    fn take(
        &self,
        load: &mut Progress,
        message: std::result::Result<Option<v1::AddImagesRequest>, Status>,
    ) {
        match message.map(|message| message.map(|message| message.payload)) {
            Ok(Some(Some(Payload::Item(item)))) => self.bring_to_gate(load, item),
            Ok(Some(Some(Payload::Options(_)) | None)) => {
                let message =
                    "only the first message carries `options`; every later one carries an `item`";
                let violation = Violation::new("item", Kind::MissingParameter, message);
                load.ended = Some(Err(Error::invalid(vec![violation])));
            }
            Ok(None) => load.ended = Some(Ok(())),
            Err(status) => load.ended = Some(Err(unreadable(&status))),
        }
    }

    fn bring_to_gate(&self, load: &mut Progress, mut item: v1::AddImagesItem) {
        let key = std::mem::take(&mut item.key);
        let bytes = prost::Message::encoded_len(&item);
        let pass = self.gate.clone().pass(bytes);
        load.counts.received += 1;
        load.bytes_in_flight += bytes;
        let passed = async move {
            let entry = pass.await;
            Passed {
                key,
                bytes,
                item,
                entry,
            }
        };
        load.at_gate = Some(passed.boxed());
    }

    fn start_item(&self, load: &mut Progress, passed: Passed) {
        load.at_gate = None;
        let Passed {
            key,
            bytes,
            item,
            entry,
        } = passed;
        let library = Arc::clone(&self.library);
        // The time of its operation begins now, whatever it waited before.
        let call = self.call.of_item();
        let on_duplicate = self.on_duplicate;
        load.in_flight.push(Box::pin(async move {
            let work = async {
                let _entry = entry?;
                add_item(&call, library.as_ref(), &key, item, on_duplicate).await
            };
            // The layer that responses panics sees only the head of a stream.
            let work = AssertUnwindSafe(work).catch_unwind().await;
            let outcome =
                work.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "internal error")));
            Done {
                key,
                bytes,
                outcome,
            }
        }));
    }
}

// === impl Progress ===

impl Progress {
    fn is_running(&self) -> bool {
        self.ended.is_none()
            || self.at_gate.is_some()
            || !self.in_flight.is_empty()
            || !self.outbox.is_empty()
    }

    fn hand_over(
        &mut self,
        slot: std::result::Result<mpsc::Permit<'_, Response>, SendError<()>>,
    ) -> std::result::Result<(), Gone> {
        let slot = slot.map_err(|_| Gone)?;
        if let Some(event) = self.outbox.pop_front() {
            slot.send(Ok(response(event)));
        }
        Ok(())
    }

    fn acknowledge(&mut self, done: Done) {
        let Done {
            mut key,
            bytes,
            outcome,
        } = done;
        self.bytes_in_flight -= bytes;
        key.truncate(key.floor_char_boundary(MAX_KEY_BYTES));
        let mut result = v1::AddImagesResult {
            key,
            status: Some(v1::Status::default()),
            ..Default::default()
        };
        match outcome {
            Ok(added) => {
                let count = if added.existed {
                    &mut self.counts.existed
                } else {
                    &mut self.counts.added
                };
                *count += 1;
                result.cont_sign = added.cont_sign.to_string();
                result.existed = added.existed;
                result.log_id = added.log_id;
            }
            Err(error) => {
                self.counts.failed += 1;
                result.cont_sign = error.cont_sign().unwrap_or_default().to_owned();
                result.existed = error.kind() == Kind::ImageAlreadyExists;
                result.status = Some(status::item(&error));
            }
        }
        self.outbox.push_back(Event::Result(result));
        let v1::AddImagesCounts {
            added,
            existed,
            failed,
            ..
        } = self.counts;
        if (added + existed + failed).is_multiple_of(PROGRESS_EVERY) {
            self.outbox.push_back(Event::Progress(self.counts));
        }
    }
}

async fn add_item(
    call: &Call,
    library: &dyn Library,
    key: &str,
    item: v1::AddImagesItem,
    on_duplicate: v1::OnDuplicate,
) -> Result<Added> {
    if key.len() > MAX_KEY_BYTES {
        let message = format!("{} bytes; at most {MAX_KEY_BYTES}", key.len());
        return Err(Error::invalid(vec![Violation::new(
            "key",
            Kind::ParameterTooLong,
            message,
        )]));
    }
    let request = convert::item(item)?;
    let added = tokio::time::timeout_at(call.deadline, library.add(call, request));
    let late = |_| Error::new(Kind::DeadlineExceeded, "the item was not added in time");
    convert::accept(added.await.map_err(late)??, on_duplicate)
}

fn response(event: Event) -> v1::AddImagesResponse {
    v1::AddImagesResponse { event: Some(event) }
}

/// Classifies a message that could not be read; tonic answers a message over
/// the limit with `OutOfRange`.
fn unreadable(status: &Status) -> Error {
    if status.code() == Code::OutOfRange {
        return Error::new(Kind::MessageTooLarge, status.message());
    }
    Error::new(
        Kind::InvalidParameter,
        format!("the stream broke off: {}", status.message()),
    )
}

fn going_away() -> v1::AddImagesDrain {
    v1::AddImagesDrain {
        message: "the server is going away; send what is not acknowledged on a new stream"
            .to_owned(),
    }
}
