//! Ends the HTTP/2 stream of a response that its client does not read.
//!
//! HTTP/2 takes data from a response and keeps it until the client's window has room for it, for as
//! long as the client wants. Here, a response gives its end only after its data has left the
//! process, so that everything behind it (the permit of the call, the response itself) exists until
//! then; and a stream whose client takes nothing for a while is dropped, which resets it.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::OpenStream;

/// Data is given to the transport in parts of this length: a client that takes one in time is
/// reading, however long the response is.
const PART_BYTES: usize = 64 * 1024;
/// Data up to this length is left to the transport: with 1024 streams, 4 MiB for each connection,
/// less than it may receive. Most responses are shorter, and cost nothing here.
const MAX_LEFT_BYTES: usize = 512;

tokio::task_local! {
    /// Since when the transport has data of this stream and has not asked for more.
    static UNREAD_SINCE: Cell<Option<Instant>>;
}

/// Runs the HTTP/2 streams of a connection.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor {
    /// How long a client may take no data of a stream.
    pub(super) timeout: Duration,
}

/// The body of a response, whose stream is open until it is dropped.
#[derive(Debug)]
pub(super) struct SentBody<B> {
    inner: B,
    _stream: OpenStream,
    /// Whether this is a stream of HTTP/2 that has data.
    has_data: bool,
    /// Data that the transport gets later.
    rest: Bytes,
    /// Completes when the last data has left the process.
    sent: Option<oneshot::Receiver<()>>,
}

/// Data that says when it is dropped.
struct Tracked {
    data: Bytes,
    _sent: oneshot::Sender<()>,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let stream = end_if_unread(stream, self.timeout);
        tokio::spawn(UNREAD_SINCE.scope(Cell::new(None), stream));
    }
}

async fn end_if_unread(stream: impl Future, timeout: Duration) {
    let mut stream = pin!(stream);
    let mut timer = pin!(None::<Sleep>);
    poll_fn(|context| {
        if stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = UNREAD_SINCE.with(Cell::get) else {
            return Poll::Pending;
        };
        let due = since + timeout;
        if timer.as_ref().as_pin_ref().map(|timer| timer.deadline()) != Some(due) {
            timer.set(Some(sleep_until(due)));
        }
        timer
            .as_mut()
            .as_pin_mut()
            .map_or(Poll::Pending, |timer| timer.poll(context))
    })
    .await;
}

// === impl SentBody ===

impl<B> SentBody<B> {
    pub(super) fn new(inner: B, stream: OpenStream) -> Self {
        SentBody {
            inner,
            _stream: stream,
            has_data: false,
            rest: Bytes::new(),
            sent: None,
        }
    }

    /// Tracks data that the transport gets now.
    fn track(&mut self, mut data: Bytes) -> Bytes {
        let since = Some(Instant::now());
        if UNREAD_SINCE.try_with(|unread| unread.set(since)).is_err() {
            // HTTP/1: a client that does not read stops its whole connection.
            return data;
        }
        self.has_data = true;
        self.rest = data.split_off(data.len().min(PART_BYTES));
        if data.len() <= MAX_LEFT_BYTES {
            return data;
        }
        let (sender, receiver) = oneshot::channel();
        self.sent = Some(receiver);
        Bytes::from_owner(Tracked {
            data,
            _sent: sender,
        })
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for SentBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(sent) = &mut self.sent {
            // Nothing is sent: it is an error once the sender is dropped.
            let _ = ready!(Pin::new(sent).poll(context));
            self.sent = None;
        }
        let _ = UNREAD_SINCE.try_with(|unread| unread.set(None));
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(Frame::data(self.track(rest)))));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|data| self.track(data)))))
    }

    fn is_end_stream(&self) -> bool {
        // After data, the transport has to ask for the end.
        !self.has_data && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}
