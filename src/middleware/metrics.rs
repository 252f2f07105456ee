//! Counts and times every call, and the bytes of its body as they are read.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use futures_util::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tower::{Layer, Service};

use super::Door;
use super::ending::{Ending, Watch, Watched, Witness};
use crate::call::CallStats;
use crate::telemetry::{CallLabels, Metrics, TraceId};

/// Counts calls of one door.
pub struct MetricsLayer<A> {
    door: Door,
    rebody: Rebody<A>,
}

/// See [`MetricsLayer`].
pub struct Metered<S, A> {
    inner: S,
    door: Door,
    rebody: Rebody<A>,
}

/// Makes the body type that the inner service takes.
pub type Rebody<A> = fn(Counted<A>) -> A;

/// Body of a request whose bytes are counted.
#[derive(Debug)]
pub struct Counted<A> {
    inner: A,
    flight: Arc<Flight>,
}

/// Bytes in flight: until the call has ended and its body is gone.
#[derive(Debug)]
struct Flight {
    stats: CallStats,
    metrics: Metrics,
}

/// What the metrics tell of a call.
#[derive(Debug)]
pub struct Tally {
    door: Door,
    method: Arc<str>,
    flight: Arc<Flight>,
    trace: Option<TraceId>,
    started: Instant,
}

impl<A> MetricsLayer<A> {
    pub(super) fn new(door: Door, rebody: Rebody<A>) -> Self {
        MetricsLayer { door, rebody }
    }
}

impl<A, S> Layer<S> for MetricsLayer<A> {
    type Service = Metered<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let (door, rebody) = (self.door.clone(), self.rebody);
        Metered {
            inner,
            door,
            rebody,
        }
    }
}

impl<S, A, B> Service<Request<A>> for Metered<S, A>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<Watched<B, Tally>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let tally = Tally::begin(&self.door, &request);
        let flight = tally.flight.clone();
        let watch = Watch::new(tally);
        let request = request.map(|inner| (self.rebody)(Counted { inner, flight }));
        let response = self.inner.call(request);
        async move { Ok(watch.over(response.await?)) }.boxed()
    }
}

// === impl Tally ===

impl Tally {
    fn begin<A>(door: &Door, request: &Request<A>) -> Self {
        door.metrics.call_began();
        Tally {
            door: door.clone(),
            method: door.method(request.uri().path()),
            flight: Arc::new(Flight {
                stats: request.extensions().get().cloned().unwrap_or_default(),
                metrics: door.metrics.clone(),
            }),
            trace: request.extensions().get().cloned(),
            started: Instant::now(),
        }
    }
}

impl Witness for Tally {
    fn ended(&mut self, ending: &Ending) {
        let labels = CallLabels {
            rpc_system_name: self.door.system,
            rpc_method: self.method.clone(),
            rpc_response_status_code: ending.code_name(),
            error_type: ending.reason.clone().unwrap_or(Cow::Borrowed("")),
            tenant: self.flight.stats.tenant().unwrap_or_default(),
        };
        let took = self.started.elapsed();
        let kept = self.trace.take().filter(|trace| trace.is_kept);
        let trace_id = kept.map(|trace| trace.text);
        self.door.metrics.call_ended(&labels, took, trace_id);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.metrics.bytes_released(self.stats.bytes());
    }
}

// === impl Counted ===

impl<A: Body + Unpin> Body for Counted<A> {
    type Data = A::Data;
    type Error = A::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<A::Data>, A::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let bytes = data.remaining() as u64;
            self.flight.stats.add_bytes(bytes);
            self.flight.metrics.bytes_received(bytes);
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

impl<A> Clone for MetricsLayer<A> {
    fn clone(&self) -> Self {
        MetricsLayer::new(self.door.clone(), self.rebody)
    }
}

impl<S: Clone, A> Clone for Metered<S, A> {
    fn clone(&self) -> Self {
        MetricsLayer::new(self.door.clone(), self.rebody).layer(self.inner.clone())
    }
}

impl<A> fmt::Debug for MetricsLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, A> fmt::Debug for Metered<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metered").field(&self.inner).finish()
    }
}
