//! Opens the span of each request and writes its one line in the access log.
//!
//! The line is written when the answer's last byte is handed over, because a
//! gRPC status stands in the trailers and a stream ends long after its head.
//! An answer that is dropped before its end is logged as cancelled.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::{BoxFuture, FutureExt};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use crate::domain::RequestId;

/// Opens a span for each request and logs how it ended.
#[derive(Clone, Copy, Debug)]
pub struct TraceLayer;

/// See [`TraceLayer`].
#[derive(Clone, Debug)]
pub struct Traced<S>(S);

/// Body of an answer that logs its end.
pub struct TracedBody<B> {
    inner: B,
    line: Line,
}

/// What the access log tells of a request.
struct Line {
    span: Span,
    started: Instant,
    status: Option<http::StatusCode>,
    grpc_status: Option<String>,
    ended: bool,
}

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Traced(inner)
    }
}

impl<S, A, B> Service<Request<A>> for Traced<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<TracedBody<B>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let request_id = request
            .extensions()
            .get::<RequestId>()
            .cloned()
            .unwrap_or_default();
        // The path alone: a query can hold an access token.
        let path = request.uri().path();
        let span =
            tracing::info_span!("request", path, id = %request_id, tenant = tracing::field::Empty);
        let started = Instant::now();
        let answer = span
            .in_scope(|| self.0.call(request))
            .instrument(span.clone());
        // Made before the answer, so that a call that is dropped has its line.
        let mut line = Line {
            span,
            started,
            status: None,
            grpc_status: None,
            ended: false,
        };
        async move {
            let (head, inner) = answer.await?.into_parts();
            line.status = Some(head.status);
            line.grpc_status = grpc_status(&head.headers);
            Ok(Response::from_parts(head, TracedBody { inner, line }))
        }
        .boxed()
    }
}

fn grpc_status(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("grpc-status")?.to_str().ok()?;
    Some(value.to_owned())
}

// === impl Line ===

impl Line {
    fn write(&self) {
        let Line {
            span,
            started,
            status,
            grpc_status,
            ended,
        } = self;
        // Whole microseconds: more digits are noise.
        let duration_ms = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        let http_status = status.map(|status| status.as_u16());
        let grpc_status = grpc_status.as_deref();
        span.in_scope(|| {
            if *ended || grpc_status.is_some() {
                tracing::info!(http_status, grpc_status, duration_ms, "answered");
            } else {
                tracing::info!(http_status, duration_ms, "cancelled by the caller");
            }
        });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.write();
    }
}

// === impl TracedBody ===

impl<B: Body + Unpin> Body for TracedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(status) = frame.trailers_ref().and_then(grpc_status) {
                    self.line.grpc_status = Some(status);
                }
                self.line.ended |= self.inner.is_end_stream();
            }
            Some(Err(_)) => {}
            None => self.line.ended = true,
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

impl<B> fmt::Debug for TracedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedBody").finish_non_exhaustive()
    }
}
