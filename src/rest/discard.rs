//! Reads a request body to its end after an early rejection.
//!
//! Many HTTP/1 clients read the response only after they have sent the whole body. A server that
//! stops reading resets the connection, and the client never sees the response, for example "your
//! token has expired". So the part of a body that no handler or middleware has read is read here
//! and discarded, up to a limit.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body::{Frame, SizeHint};
use tokio::runtime::Handle;

/// Maximum number of bytes to discard: eight times the vendor's largest image. The connection of a
/// client that sends more is closed.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Time limit for it; our choice, enough for a large body on a slow connection.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request body that is read to its end, also when it is dropped before.
struct ReadToEnd(Body);

/// Wraps the body of a request so that it is read to its end.
pub(super) async fn unread_body(request: Request) -> Request {
    request.map(|body| Body::new(ReadToEnd(body)))
}

impl HttpBody for ReadToEnd {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for ReadToEnd {
    fn drop(&mut self) {
        if self.0.is_end_stream() {
            return;
        }
        let body = std::mem::take(&mut self.0);
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
