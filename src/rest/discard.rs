//! Reads a request body to its end after an early rejection.
//!
//! Many HTTP/1 clients read the response only after they have sent the whole body. A server that
//! stops reading resets the connection, and the client never sees the response, for example "your
//! token has expired". So the part of a body that no handler or middleware has read is read here
//! and discarded, up to a limit.
//!
//! A client with `Expect: 100-continue` waits for the response before it sends a body. When it is
//! rejected without a 100, it is unknown whether a body follows, or the next request on the
//! connection: so nothing is read, and the connection is closed (RFC 9110 section 10.1.1).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Version};
use http_body::{Frame, SizeHint};
use tokio::runtime::Handle;

/// Maximum number of bytes to discard: eight times the vendor's largest image. The connection of a
/// client that sends more is closed.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Time limit for it; our choice, enough for a large body on a slow connection.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request body that is read to its end, also when it is dropped before.
struct ReadToEnd {
    body: Body,
    /// Of a client that waits for it: whether it was asked to send the body.
    was_requested: Option<Arc<AtomicBool>>,
}

/// Wraps the body of a request so that it is read to its end, or was never requested.
pub(super) async fn unread_body(request: Request, next: Next) -> Response {
    let was_requested = awaits_continue(&request).then(Arc::<AtomicBool>::default);
    let request = request.map(|body| {
        Body::new(ReadToEnd {
            body,
            was_requested: was_requested.clone(),
        })
    });
    let mut response = next.run(request).await;
    if was_requested.is_some_and(|requested| !requested.load(Ordering::Relaxed)) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

fn awaits_continue(request: &Request) -> bool {
    // HTTP/2 has streams of their own for each request.
    request.version() == Version::HTTP_11
        && request
            .headers()
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        && !request.body().is_end_stream()
}

impl HttpBody for ReadToEnd {
    type Data = Bytes;
    type Error = axum::Error;

    /// Reads on; the first time, the HTTP library sends the 100.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(requested) = &self.was_requested {
            requested.store(true, Ordering::Relaxed);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ReadToEnd {
    fn drop(&mut self) {
        let requested = self.was_requested.as_ref();
        let is_awaited = requested.is_none_or(|requested| requested.load(Ordering::Relaxed));
        if !is_awaited || self.body.is_end_stream() {
            return;
        }
        let body = std::mem::take(&mut self.body);
        // Without a runtime the server has stopped, and there is no connection to read from.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(TIMEOUT, discard(body)));
        }
    }
}

/// Reads up to the end, the limit, or the end of the connection.
async fn discard(body: Body) {
    let mut frames = body.into_data_stream();
    let mut length = 0;
    while let Some(Ok(frame)) = frames.next().await {
        length += frame.len();
        if length > MAX_BYTES {
            return;
        }
    }
}
