//! Reads a request body to its end after an early rejection.
//!
//! Many HTTP/1 clients read the response only after they have sent the whole body. A server that
//! stops reading resets the connection: the client never sees the response, for example "your
//! token has expired", or sends its next request on a connection that is closed. So the part of a
//! body that no handler or middleware has read is read here and discarded, up to a limit.
//!
//! A client with `Expect: 100-continue` waits for the response before it sends a body. When it is
//! rejected without a 100, it is unknown whether a body follows, or the next request on the
//! connection: so nothing is read, and the connection is closed (RFC 9110 section 10.1.1).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use futures_util::future::FutureExt;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::runtime::Handle;

use super::around::{Around, Middleware, ResponseFuture};
use crate::http_service::HttpService;

/// Maximum number of bytes to discard: eight times the vendor's largest image. The connection of a
/// client that sends more is closed.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Time limit for it; our choice, enough for a large body on a slow connection.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Middleware that reads bodies to their end.
#[derive(Clone, Copy, Debug)]
pub struct UnreadBody {
    with_http2: bool,
}

/// A request body that is read to its end, also when it is dropped before.
pub struct ReadToEnd<B: Body<Data: Buf> + Send + Unpin + 'static> {
    /// None once it was dropped.
    body: Option<B>,
    /// Whether it is dropped as it is.
    is_dropped: bool,
    /// Of a client that waits for it: whether it was asked to send the body.
    was_requested: Option<Arc<AtomicBool>>,
}

/// Reads each body to its end. A stream of HTTP/2 can be reset alone, so there it is needed only
/// for clients that do not expect that.
pub fn unread_body(with_http2: bool) -> Around<UnreadBody> {
    Around(UnreadBody { with_http2 })
}

impl<S, A> Middleware<S, A> for UnreadBody
where
    S: HttpService<ReadToEnd<A>>,
    A: Body<Data: Buf> + Send + Unpin + 'static,
{
    type RequestBody = ReadToEnd<A>;
    type ResponseBody = S::ResponseBody;

    fn call(&self, inner: &mut S, request: Request<A>) -> ResponseFuture<S::ResponseBody> {
        let is_dropped = request.version() == Version::HTTP_2 && !self.with_http2;
        let was_requested = awaits_continue(&request).then(Arc::<AtomicBool>::default);
        let response = inner.call(request.map(|body| ReadToEnd {
            body: Some(body),
            is_dropped,
            was_requested: was_requested.clone(),
        }));
        let Some(was_requested) = was_requested else {
            return response.boxed();
        };
        async move {
            let mut response = response.await?;
            if !was_requested.load(Ordering::Relaxed) {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok(response)
        }
        .boxed()
    }
}

fn awaits_continue<B: Body>(request: &Request<B>) -> bool {
    // HTTP/2 has streams of their own for each request.
    request.version() == Version::HTTP_11
        && request
            .headers()
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        && !request.body().is_end_stream()
}

// === impl ReadToEnd ===

impl<B: Body<Data: Buf> + Send + Unpin + 'static> Body for ReadToEnd<B> {
    type Data = B::Data;
    type Error = B::Error;

    /// Reads on; the first time, the HTTP library sends the 100.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if let Some(requested) = &self.was_requested {
            requested.store(true, Ordering::Relaxed);
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(Body::size_hint);
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

impl<B: Body<Data: Buf> + Send + Unpin + 'static> Drop for ReadToEnd<B> {
    fn drop(&mut self) {
        let requested = self.was_requested.as_ref();
        let is_awaited = requested.is_none_or(|requested| requested.load(Ordering::Relaxed));
        if !is_awaited || self.is_dropped || self.is_end_stream() {
            return;
        }
        // Without a runtime the server has stopped, and there is no connection to read from.
        if let (Some(body), Ok(runtime)) = (self.body.take(), Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(TIMEOUT, discard(body)));
        }
    }
}

impl<B: Body<Data: Buf> + Send + Unpin + 'static> std::fmt::Debug for ReadToEnd<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadToEnd").finish_non_exhaustive()
    }
}

/// Reads up to the end, the limit, or the end of the connection.
async fn discard<B: Body<Data: Buf> + Unpin>(mut body: B) {
    let mut length = 0;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        length += frame.data_ref().map_or(0, Buf::remaining);
        if length > MAX_BYTES {
            return;
        }
    }
}
