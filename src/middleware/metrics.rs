//! Counts and times every call, and the bytes of its body as they are read.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Buf;
use futures_util::future::FutureExt;
use http::Request;
use http_body::Frame;
use tokio::time::Instant;

use super::api_info::ApiInfo;
use super::around::{Middleware, ResponseFuture};
use super::body::{BodyObserver, ObservedBody, data_bytes};
use super::outcome::{CallOutcome, ResponseObserver};
use crate::call::CallStats;
use crate::http_service::HttpService;
use crate::telemetry::{CallLabels, CallTrace, Metrics, OnOutcome};

/// Measures the calls of one API.
#[derive(Clone, Debug)]
pub struct MeasureCall(pub(super) ApiInfo);

/// Counts the bytes of a request's body as they are read.
#[derive(Debug)]
pub struct ByteCounter(Arc<InFlightBytes>);

/// Bytes of a call in flight, until the call has ended and its body is dropped.
#[derive(Debug)]
struct InFlightBytes {
    stats: CallStats,
    metrics: Metrics,
}

/// The metrics of one call.
#[derive(Debug)]
pub struct CallMetrics {
    api: ApiInfo,
    method: Arc<str>,
    in_flight: Arc<InFlightBytes>,
    trace: Option<CallTrace>,
    started: Instant,
}

impl<S, A> Middleware<S, A> for MeasureCall
where
    S: HttpService<ObservedBody<A, ByteCounter>>,
{
    type RequestBody = ObservedBody<A, ByteCounter>;
    type ResponseBody = ObservedBody<S::ResponseBody, ResponseObserver<CallMetrics>>;

    fn call(&self, inner: &mut S, request: Request<A>) -> ResponseFuture<Self::ResponseBody> {
        let metrics = CallMetrics::begin(&self.0, &request);
        let counter = ByteCounter(metrics.in_flight.clone());
        let observer = ResponseObserver::new(metrics);
        let response = inner.call(request.map(|body| ObservedBody::new(body, counter)));
        async move { Ok(observer.observe(response.await?)) }.boxed()
    }
}

// === impl CallMetrics ===

impl CallMetrics {
    fn begin<A>(api: &ApiInfo, request: &Request<A>) -> Self {
        api.metrics.call_began();
        CallMetrics {
            api: api.clone(),
            method: api.method(request.uri().path()),
            in_flight: Arc::new(InFlightBytes {
                stats: request.extensions().get().cloned().unwrap_or_default(),
                metrics: api.metrics.clone(),
            }),
            trace: request.extensions().get().cloned(),
            started: Instant::now(),
        }
    }
}

impl OnOutcome<CallOutcome> for CallMetrics {
    fn on_outcome(&mut self, outcome: &CallOutcome) {
        let labels = CallLabels {
            rpc_system_name: self.api.system,
            rpc_method: self.method.clone(),
            rpc_response_status_code: outcome.code_name(),
            error_type: outcome.reason.clone().unwrap_or(Cow::Borrowed("")),
            tenant: self.in_flight.stats.tenant().unwrap_or_default(),
        };
        let sampled = self.trace.take().filter(CallTrace::is_sampled);
        self.api.metrics.call_ended(
            &labels,
            self.started.elapsed(),
            sampled.map(|trace| trace.id().to_owned()),
        );
    }
}

// === impl InFlightBytes ===

impl BodyObserver for ByteCounter {
    fn on_frame<D: Buf>(&mut self, frame: &Frame<D>) -> ControlFlow<()> {
        let bytes = data_bytes(frame) as u64;
        self.0.stats.add_bytes(bytes);
        self.0.metrics.bytes_received(bytes);
        ControlFlow::Continue(())
    }
}

impl Drop for InFlightBytes {
    fn drop(&mut self) {
        self.metrics.bytes_released(self.stats.bytes());
    }
}
