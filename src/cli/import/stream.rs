//! One stream of an import: sends items, receives acknowledgements.
//!
//! Files are read when the connection has capacity (a few ahead), so HTTP/2 flow control bounds the
//! memory: backpressure of a slow library stops the reading. The caller sends items again that have
//! no acknowledgement when the stream ends.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::plan::{Item, Location, Plan};
use super::recorder::{Recorder, StreamAction};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::image::{MAX_FILE_BYTES, check_size};
use crate::error::Kind;
use crate::proto::v1;
use crate::proto::v1::add_images_item::Source;
use crate::proto::v1::add_images_request::Payload;
use crate::proto::v1::add_images_response::Event;

/// Files read ahead of the connection: enough to hide the latency of a disk, and under 13 MB.
const READ_AHEAD: usize = 4;
/// Maximum length of a key in the contract, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// Maximum wait for outstanding acknowledgements after Ctrl-C.
const INTERRUPT_GRACE: Duration = Duration::from_secs(10);
/// How often the progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Sends items of a plan, one stream at a time.
pub(super) struct StreamSender<'a> {
    plan: &'a Plan,
    options: v1::AddImagesOptions,
    client: Client,
    interrupt: CancellationToken,
}

/// How a stream ended.
pub(super) enum StreamEnd {
    /// Gracefully; items may be left over if the gateway is draining.
    Complete,
    /// By an error of the connection or a temporary one of the library.
    Broken(Failure),
    /// By the user.
    Interrupted,
    /// By an error that every other image would get too.
    Stopped(Failure),
}

// === impl StreamSender ===

impl<'a> StreamSender<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        options: v1::AddImagesOptions,
        client: Client,
        interrupt: CancellationToken,
    ) -> Self {
        StreamSender {
            plan,
            options,
            client,
            interrupt,
        }
    }

    /// Returns the indices of the items to send.
    pub(super) fn pending(&self) -> Vec<usize> {
        self.plan.pending.clone()
    }

    /// Completes when the user interrupts the import.
    pub(super) async fn interrupted(&self) {
        self.interrupt.cancelled().await;
    }

    /// Sends the pending items over one stream and records the acknowledgements.
    ///
    /// # Errors
    ///
    /// When the journal or the failure list cannot be written.
    pub(super) async fn send(
        &self,
        pending: &[usize],
        recorder: &mut Recorder<'_>,
    ) -> Result<StreamEnd, Failure> {
        let stop = CancellationToken::new();
        // Items that cannot be sent are reported here. The channel stays short: it is read together
        // with the acknowledgements.
        let (unsendable, mut unsent) = unbounded_channel();
        let outbound = self.requests(pending, stop.clone(), unsendable);

        let mut client = self.client.clone();
        let mut inbound = tokio::select! {
            response = client.add_images(outbound) => match response {
                Ok(response) => response.into_inner(),
                Err(status) => return Ok(StreamEnd::Broken(status.into())),
            },
            () = self.interrupted() => return Ok(StreamEnd::Interrupted),
        };
        let mut progress = interval(PROGRESS_INTERVAL);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = StreamEnd::Complete;
        let mut grace_end = None;
        loop {
            tokio::select! {
                event = next_event(&mut inbound) => match event {
                    Ok(Some(event)) => {
                        if let Some(early) = record(event, recorder, &stop)? {
                            stop.cancel();
                            end = early;
                        }
                    }
                    Ok(None) => break,
                    Err(status) if matches!(end, StreamEnd::Complete) => {
                        return Ok(StreamEnd::Broken(status.into()));
                    }
                    Err(_) => return Ok(end),
                },
                Some((index, failure)) = unsent.recv() => recorder.record_unsent(index, &failure)?,
                _ = progress.tick() => recorder.print_progress(),
                () = self.interrupted(), if grace_end.is_none() => {
                    stop.cancel();
                    end = StreamEnd::Interrupted;
                    grace_end = Some(Instant::now() + INTERRUPT_GRACE);
                }
                () = sleep_until(grace_end.unwrap_or_else(Instant::now)), if grace_end.is_some() => {
                    break;
                }
            }
        }
        while let Ok((index, failure)) = unsent.try_recv() {
            recorder.record_unsent(index, &failure)?;
        }
        recorder.print_progress();
        Ok(end)
    }

    /// Returns the outgoing messages: options first, then each pending item until `stop`.
    fn requests(
        &self,
        pending: &[usize],
        stop: CancellationToken,
        unsendable: UnboundedSender<(usize, Failure)>,
    ) -> impl Stream<Item = v1::AddImagesRequest> + Send + use<> {
        let queue: Vec<(usize, Arc<Item>)> = pending
            .iter()
            .map(|&index| (index, self.plan.items[index].clone()))
            .collect();
        let items = stream::iter(queue)
            .map(|(index, item)| async move { (index, to_message(&item).await) })
            .buffered(READ_AHEAD)
            .filter_map(move |(index, message)| {
                ready(match message {
                    Ok(item) => Some(Payload::Item(item)),
                    Err(failure) => {
                        // The receiver is gone once the stream has ended; then the item counts as
                        // not sent.
                        let _ = unsendable.send((index, failure));
                        None
                    }
                })
            })
            .take_until(stop.cancelled_owned());
        stream::iter([Payload::Options(self.options.clone())])
            .chain(items)
            .map(|payload| v1::AddImagesRequest {
                payload: Some(payload),
            })
    }
}

/// Records one event; `Some` ends the stream early.
fn record(
    event: Event,
    recorder: &mut Recorder<'_>,
    stop: &CancellationToken,
) -> Result<Option<StreamEnd>, Failure> {
    let result = match event {
        Event::Result(result) => result,
        Event::Drain(_) => {
            // The remaining items are sent over the next connection.
            stop.cancel();
            return Ok(None);
        }
        // The recorder has counts of its own.
        Event::Progress(_) | Event::Summary(_) => return Ok(None),
    };
    Ok(match recorder.record_result(result)? {
        StreamAction::Continue => None,
        StreamAction::Pause(failure) => Some(StreamEnd::Broken(failure)),
        StreamAction::Stop(failure) => Some(StreamEnd::Stopped(failure)),
    })
}

/// Skips messages without a known event, which a later contract may send.
async fn next_event(
    inbound: &mut Streaming<v1::AddImagesResponse>,
) -> Result<Option<Event>, Status> {
    while let Some(message) = inbound.message().await? {
        if message.event.is_some() {
            return Ok(message.event);
        }
    }
    Ok(None)
}

/// Reads the image of an item, and makes the message.
async fn to_message(item: &Item) -> Result<v1::AddImagesItem, Failure> {
    if item.key.len() > MAX_KEY_BYTES {
        let message = format!("the key is longer than {MAX_KEY_BYTES} bytes");
        return Err(Failure::of_kind(Kind::ParameterTooLong, message));
    }
    let source = match &item.location {
        Location::Url(url) => Source::Url(url.clone()),
        Location::File(path) => {
            let content = read_limited(path).await.map_err(|error| {
                Failure::local(format!("cannot read: {}", error.to_string().to_lowercase()))
            })?;
            check_size(content.len() as u64)?;
            Source::Content(content.into())
        }
    };
    Ok(v1::AddImagesItem {
        key: item.key.to_string(),
        source: Some(source),
        brief: item.brief.clone(),
        tags: item.tags.clone(),
    })
}

/// Reads up to one byte past the limit, since the file may have grown. An open of a pipe would
/// block until another process writes to it.
async fn read_limited(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let file = tokio::fs::File::open(path).await?;
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .await?;
    Ok(content)
}
