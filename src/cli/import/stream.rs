//! One stream of an import: items out, acknowledgements in.
//!
//! Files are read when the connection has room for more (a few ahead), so
//! HTTP/2 flow control bounds the memory: a slow library stops the reading.
//! What has no acknowledgement when the stream ends is the caller's to send
//! again.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::Load;
use super::ledger::{Ledger, Verdict};
use super::source::{Item, Origin};
use crate::cli::failure::Failure;
use crate::cli::picture::{MAX_FILE_BYTES, check_size};
use crate::error::Kind;
use crate::proto::v1;
use crate::proto::v1::add_images_item::Source;
use crate::proto::v1::add_images_request::Payload;
use crate::proto::v1::add_images_response::Event;

/// Files read ahead of the connection: enough to hide the latency of a disk,
/// little enough to stay under 13 MB.
const READ_AHEAD: usize = 4;
/// Longest key that the contract allows, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// Longest wait for outstanding acknowledgements after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);
/// How often the progress is shown.
const TICK: Duration = Duration::from_secs(1);

/// How a stream ended.
pub(super) enum End {
    /// In good order; images may be left over if the gateway went away.
    Complete,
    /// Before its time.
    Broken(Failure),
    /// By the user.
    Interrupted,
    /// By an outcome that the next image would meet as well.
    Halted(Failure),
}

/// Sends the pending items over one stream and books what comes back.
///
/// # Errors
///
/// When the journal or the list of failures cannot be written.
pub(super) async fn run(
    load: &Load<'_>,
    pending: &[usize],
    ledger: &mut Ledger<'_>,
) -> Result<End, Failure> {
    let stop = CancellationToken::new();
    // Items that never leave are reported past the stream. The list cannot
    // grow: it is read as fast as the acknowledgements are.
    let (unsendable, mut unsent) = unbounded_channel();
    let outbound = requests(load, pending, stop.clone(), unsendable);

    let mut client = load.client.clone();
    let mut inbound = tokio::select! {
        response = client.add_images(outbound) => match response {
            Ok(response) => response.into_inner(),
            Err(status) => return Ok(End::Broken(status.into())),
        },
        () = load.interrupt.cancelled() => return Ok(End::Interrupted),
    };
    let mut progress = interval(TICK);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = End::Complete;
    let mut give_up = None;
    loop {
        tokio::select! {
            event = next_event(&mut inbound) => match event {
                Ok(Some(event)) => {
                    if let Some(early) = take(event, ledger, &stop)? {
                        stop.cancel();
                        end = early;
                    }
                }
                Ok(None) => break,
                Err(status) => {
                    let broken = End::Broken(status.into());
                    return Ok(if matches!(end, End::Complete) { broken } else { end });
                }
            },
            Some((index, failure)) = unsent.recv() => ledger.book_unsent(index, &failure)?,
            _ = progress.tick() => ledger.show_progress(),
            () = load.interrupt.cancelled(), if give_up.is_none() => {
                stop.cancel();
                end = End::Interrupted;
                give_up = Some(Instant::now() + GRACE);
            }
            () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => break,
        }
    }
    while let Ok((index, failure)) = unsent.try_recv() {
        ledger.book_unsent(index, &failure)?;
    }
    ledger.show_progress();
    Ok(end)
}

/// Books one event; `Some` ends the stream early.
fn take(
    event: Event,
    ledger: &mut Ledger<'_>,
    stop: &CancellationToken,
) -> Result<Option<End>, Failure> {
    let result = match event {
        Event::Result(result) => result,
        Event::Drain(_) => {
            // The rest goes over the next connection.
            stop.cancel();
            return Ok(None);
        }
        // The ledger counts by itself.
        Event::Progress(_) | Event::Summary(_) => return Ok(None),
    };
    Ok(match ledger.book_result(result)? {
        Verdict::GoOn => None,
        Verdict::Pause(failure) => Some(End::Broken(failure)),
        Verdict::Halt(failure) => Some(End::Halted(failure)),
    })
}

/// Skips messages without an event, which a later contract may send.
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

/// Options first, then each pending item until `stop`.
fn requests(
    load: &Load<'_>,
    pending: &[usize],
    stop: CancellationToken,
    unsendable: UnboundedSender<(usize, Failure)>,
) -> impl Stream<Item = v1::AddImagesRequest> + Send + 'static {
    let options = Payload::Options(v1::AddImagesOptions {
        library: load.args.target.library.clone(),
        on_duplicate: load.args.on_duplicate.to_proto().into(),
        max_in_flight: load.args.in_flight,
    });
    let items = &load.plan.items;
    let queue: Vec<(usize, Arc<Item>)> = pending
        .iter()
        .map(|&index| (index, items[index].clone()))
        .collect();
    let items = stream::iter(queue)
        .map(|(index, item)| async move { (index, prepare(&item).await) })
        .buffered(READ_AHEAD)
        .filter_map(move |(index, prepared)| {
            ready(match prepared {
                Ok(item) => Some(Payload::Item(item)),
                Err(failure) => {
                    // Nobody listens once the stream is over; then the item
                    // counts as not sent.
                    let _ = unsendable.send((index, failure));
                    None
                }
            })
        })
        .take_until(stop.cancelled_owned());
    stream::iter([options])
        .chain(items)
        .map(|payload| v1::AddImagesRequest {
            payload: Some(payload),
        })
}

async fn prepare(item: &Item) -> Result<v1::AddImagesItem, Failure> {
    if item.key.len() > MAX_KEY_BYTES {
        let message = format!("the key is longer than {MAX_KEY_BYTES} bytes");
        return Err(Failure::of_kind(Kind::ParameterTooLong, message));
    }
    let source = match &item.origin {
        Origin::Url(url) => Source::Url(url.clone()),
        Origin::File(path) => {
            let content = read_at_most(path).await.map_err(|error| {
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

/// Reads one byte past the limit at most, whatever the file has become.
async fn read_at_most(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let file = tokio::fs::File::open(path).await?;
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .await?;
    Ok(content)
}
