//! Opens the span of each request and writes its one line in the access log.
//!
//! The span goes on with the caller's trace. The line is written when the call
//! has ended, with everything that layers and backends have noted in its
//! [`CallStats`].

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use tokio::time::Instant;
use tonic::Code;
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use super::Door;
use super::ending::{Ending, Watch, Watched, Witness};
use crate::call::{CallStats, RequestId};
use crate::telemetry::{self, TraceId, names::attribute};

/// Opens a span for each request and logs how it ended.
#[derive(Clone, Debug)]
pub struct TraceLayer(Door);

/// See [`TraceLayer`].
#[derive(Clone, Debug)]
pub struct Traced<S> {
    inner: S,
    door: Door,
}

/// What the access log tells of a request.
#[derive(Debug)]
pub struct Line {
    span: Span,
    stats: CallStats,
    method: std::sync::Arc<str>,
    trace: Option<TraceId>,
    started: Instant,
}

impl TraceLayer {
    pub(super) fn new(door: Door) -> Self {
        TraceLayer(door)
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let door = self.0.clone();
        Traced { inner, door }
    }
}

impl<S, A, B> Service<Request<A>> for Traced<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<Watched<B, Line>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let started = Instant::now();
        let stats = CallStats::default();
        let method = self.door.method(request.uri().path());
        let span = span(&request);
        let trace = telemetry::enter_trace(&span, request.headers(), self.door.system, &method);
        let extensions = request.extensions_mut();
        extensions.insert(stats.clone());
        if let Some(trace) = &trace {
            extensions.insert(trace.clone());
        }
        let response = span
            .in_scope(|| self.inner.call(request))
            .instrument(span.clone());
        let watch = Watch::new(Line {
            span,
            stats,
            method,
            trace,
            started,
        });
        async move { Ok(watch.over(response.await?)) }.boxed()
    }
}

fn span<A>(request: &Request<A>) -> Span {
    let request_id = request.extensions().get::<RequestId>().cloned();
    // The path alone: a query can hold an access token.
    tracing::info_span!(
        "request",
        otel.kind = "server",
        path = request.uri().path(),
        id = %request_id.unwrap_or_default(),
        tenant = tracing::field::Empty,
    )
}

// === impl Line ===

impl Line {
    fn tell_collector(&self, ending: &Ending) {
        let (span, stats) = (&self.span, &self.stats);
        telemetry::attribute(span, attribute::RPC_STATUS, ending.code_name());
        match &ending.reason {
            Some(reason) if ending.is_server_error() => telemetry::failed(span, reason),
            Some(reason) => telemetry::attribute(span, attribute::ERROR_TYPE, reason.clone()),
            None => {}
        }
        if let Some(library) = stats.library() {
            telemetry::attribute(span, attribute::LIBRARY, library);
        }
        if let Some(tenant) = stats.tenant() {
            telemetry::attribute(span, attribute::TENANT, tenant);
        }
    }
}

impl Witness for Line {
    fn ended(&mut self, ending: &Ending) {
        if self.trace.as_ref().is_some_and(|trace| trace.is_kept) {
            self.tell_collector(ending);
        }
        let stats = &self.stats;
        let is_cancelled = ending.code == Code::Cancelled;
        let message = if is_cancelled {
            "cancelled by the caller"
        } else {
            "answered"
        };
        self.span.in_scope(|| {
            tracing::info!(
                method = &*self.method,
                code = ending.code_name(),
                reason = ending.reason.as_deref(),
                http_status = ending.http_status.map(|status| status.as_u16()),
                tenant = stats.tenant().as_deref(),
                library = stats.library().as_deref(),
                bytes = stats.bytes(),
                attempts = stats.attempts(),
                queue_ms = milliseconds(stats.waited()),
                upstream_ms = milliseconds(stats.upstream()),
                total_ms = milliseconds(self.started.elapsed()),
                trace_id = self.trace.as_ref().map(|trace| &*trace.text),
                "{message}"
            );
        });
    }
}

/// Whole microseconds: more digits are noise.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
