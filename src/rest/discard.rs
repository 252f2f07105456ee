//! Lets a client that is rejected early send its body to the end.
//!
//! Most HTTP/1 clients read the response only after they have sent everything. A
//! server that stops reading resets the connection under them, and the response,
//! "your token has expired" above all, is never seen. So whatever a handler or
//! layer leaves unread is read here and thrown away, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body::{Frame, SizeHint};
use tokio::runtime::Handle;

/// Most bytes that are thrown away: eight of the vendor's largest images. A
/// client that sends more is cut off.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Longest time for it; ours, that of a large body on a slow line.
const MAX_TIME: Duration = Duration::from_secs(30);

/// A request body that is read to its end even when it is dropped before.
struct ReadToEnd(Body);

/// Makes sure that a request's body is read to its end.
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
        // Without a runtime the connection is gone, and with it the client.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(MAX_TIME, discard(body)));
        }
    }
}

/// Reads until the end, the limit, or a broken connection.
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
