//! One stream of an import: sends items, receives acknowledgements.
//!
//! Files are read when the connection has capacity (a few ahead), so HTTP/2 flow control bounds the
//! memory: backpressure of a slow library stops the reading. Of those that are larger than the
//! library takes, one at a time is read and scaled down. The caller sends items again that have
//! no acknowledgement when the stream ends.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::plan::{Item, Location, Plan};
use super::recorder::{Recorder, StreamAction};
use super::scaler::Scaler;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::error::Kind;
use crate::proto::v1;
use crate::proto::v1::add_images_item::Source;
use crate::proto::v1::add_images_request::Payload;
use crate::proto::v1::add_images_response::Event;

/// Files read ahead of the connection: enough to hide the latency of a disk; with the default limits
/// of an embedded library, under 30 MB.
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
    scaler: Scaler,
    interrupt: CancellationToken,
}

/// What became of an item before it was sent.
enum ItemEvent {
    /// The image was scaled down.
    Scaled(usize),
    Unsendable(usize, Failure),
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
        scaler: Scaler,
        interrupt: CancellationToken,
    ) -> Self {
        StreamSender {
            plan,
            options,
            client,
            scaler,
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
        // The channel stays short: it is read together with the acknowledgements.
        let (reporter, mut reports) = unbounded_channel();
        let outbound = self.requests(pending, stop.clone(), reporter);

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
                Some(report) = reports.recv() => record_report(report, recorder)?,
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
        while let Ok(report) = reports.try_recv() {
            record_report(report, recorder)?;
        }
        recorder.print_progress();
        Ok(end)
    }

    /// Returns the outgoing messages: options first, then each pending item until `stop`.
    fn requests(
        &self,
        pending: &[usize],
        stop: CancellationToken,
        reporter: UnboundedSender<ItemEvent>,
    ) -> impl Stream<Item = v1::AddImagesRequest> + Send + use<> {
        let queue: Vec<(usize, Arc<Item>)> = pending
            .iter()
            .map(|&index| (index, self.plan.items[index].clone()))
            .collect();
        let scaler = self.scaler.clone();
        let items = stream::iter(queue)
            .map(move |(index, item)| {
                let scaler = scaler.clone();
                async move { (index, to_message(&item, &scaler).await) }
            })
            .buffered(READ_AHEAD)
            .filter_map(move |(index, message)| {
                // The receiver is gone once the stream has ended; then the item counts as not sent.
                let report = |event| drop(reporter.send(event));
                ready(match message {
                    Ok((item, is_scaled)) => {
                        if is_scaled {
                            report(ItemEvent::Scaled(index));
                        }
                        Some(Payload::Item(item))
                    }
                    Err(failure) => {
                        report(ItemEvent::Unsendable(index, failure));
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

fn record_report(event: ItemEvent, recorder: &mut Recorder<'_>) -> Result<(), Failure> {
    match event {
        ItemEvent::Scaled(index) => {
            recorder.record_scaled(index);
            Ok(())
        }
        ItemEvent::Unsendable(index, failure) => recorder.record_unsent(index, &failure),
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

/// Reads the image of an item, and makes the message; returns it and whether the image was scaled.
async fn to_message(item: &Item, scaler: &Scaler) -> Result<(v1::AddImagesItem, bool), Failure> {
    if item.key.len() > MAX_KEY_BYTES {
        let message = format!("the key is longer than {MAX_KEY_BYTES} bytes");
        return Err(Failure::of_kind(Kind::ParameterTooLong, message));
    }
    let (source, is_scaled) = match &item.location {
        Location::Url(url) => (Source::Url(url.clone()), false),
        Location::File(path) => {
            let (content, is_scaled) = scaler.read(path).await?;
            (Source::Content(content), is_scaled)
        }
    };
    let item = v1::AddImagesItem {
        key: item.key.to_string(),
        source: Some(source),
        brief: item.brief.clone(),
        tags: item.tags.clone(),
    };
    Ok((item, is_scaled))
}
