//! A body of a request or response that an observer follows while it is read.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};

/// Follows a body from its first frame to its end.
pub trait BodyObserver: Send + Unpin + 'static {
    /// Returns whether the next frame may be read; until then the body waits.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Observes a frame before the reader gets it. On `Break` the reader never gets this frame nor
    /// another one: the observer ends the call by other means.
    fn on_frame<D: Buf>(&mut self, frame: &Frame<D>) -> ControlFlow<()>;

    /// Observes the end of the body; may be called twice. Never called for a body that fails or is
    /// dropped before its end.
    fn on_end(&mut self) {}
}

/// A body with its observer.
pub struct ObservedBody<B, O> {
    inner: B,
    observer: O,
    is_stopped: bool,
}

// === impl BodyObserver ===

/// Observes nothing.
impl BodyObserver for () {
    fn on_frame<D: Buf>(&mut self, _: &Frame<D>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Observes by the first, then by the second.
impl<A: BodyObserver, B: BodyObserver> BodyObserver for (A, B) {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.0.poll_ready(context));
        self.1.poll_ready(context)
    }

    fn on_frame<D: Buf>(&mut self, frame: &Frame<D>) -> ControlFlow<()> {
        self.0.on_frame(frame)?;
        self.1.on_frame(frame)
    }

    fn on_end(&mut self) {
        self.0.on_end();
        self.1.on_end();
    }
}

// === impl ObservedBody ===

impl<B, O> ObservedBody<B, O> {
    pub(super) fn new(inner: B, observer: O) -> Self {
        ObservedBody {
            inner,
            observer,
            is_stopped: false,
        }
    }
}

impl<B: Body + Unpin, O: BodyObserver> Body for ObservedBody<B, O> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if self.is_stopped {
            return Poll::Pending;
        }
        ready!(self.observer.poll_ready(context));
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) if self.observer.on_frame(frame).is_break() => {
                self.is_stopped = true;
                return Poll::Pending;
            }
            Some(Ok(_)) if self.inner.is_end_stream() => self.observer.on_end(),
            Some(_) => {}
            None => self.observer.on_end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B, O> fmt::Debug for ObservedBody<B, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedBody").finish_non_exhaustive()
    }
}

/// Returns the number of data bytes in a frame; 0 for trailers.
pub(super) fn data_bytes<D: Buf>(frame: &Frame<D>) -> usize {
    frame.data_ref().map_or(0, Buf::remaining)
}

/// Returns the body length that the head of a request declares; 0 without a `content-length`.
pub(super) fn content_length(headers: &HeaderMap) -> u64 {
    headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0)
}
