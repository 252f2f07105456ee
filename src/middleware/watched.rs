//! A request body that tells how much of it has arrived.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};

/// Hears of the bytes of each frame before anything keeps them; answers
/// whether the body goes on. One that does not is never read again.
pub type Watch = Box<dyn FnMut(usize) -> bool + Send>;

/// See [`Watch`].
pub struct Watched<B> {
    inner: Pin<Box<B>>,
    watch: Watch,
    stopped: bool,
}

impl<B> Watched<B> {
    pub(super) fn new(inner: B, watch: Watch) -> Self {
        Watched {
            inner: Box::pin(inner),
            watch,
            stopped: false,
        }
    }
}

impl<B> fmt::Debug for Watched<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl<B: Body> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if self.stopped {
            return Poll::Pending;
        }
        let frame = ready!(self.inner.as_mut().poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && !(self.watch)(data.remaining())
        {
            self.stopped = true;
            return Poll::Pending;
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
