//! Opens the span of each request and writes its one line in the access log.
//!
//! The span continues the caller's trace. The line is written when the call has ended, with
//! everything that layers and backends have recorded in its [`CallStats`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::FutureExt;
use http::Request;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::api_info::ApiInfo;
use super::around::{Middleware, ResponseFuture};
use super::body::ObservedBody;
use super::outcome::{CallOutcome, ResponseObserver};
use crate::call::{CallStats, RecentCall, RecentCalls, RequestId};
use crate::http_service::HttpService;
use crate::telemetry::{self, CallTrace, OnOutcome, names::attribute};

/// Opens a span for each request and logs how its call ended.
#[derive(Clone, Debug)]
pub struct TraceCall(pub(super) ApiInfo);

/// The line of a call in the access log.
#[derive(Debug)]
pub struct AccessLogEntry {
    span: Span,
    stats: CallStats,
    method: Arc<str>,
    trace: CallTrace,
    started: Instant,
    recent_calls: RecentCalls,
}

impl<S: HttpService<A>, A> Middleware<S, A> for TraceCall {
    type RequestBody = A;
    type ResponseBody = ObservedBody<S::ResponseBody, ResponseObserver<AccessLogEntry>>;

    fn call(&self, inner: &mut S, mut request: Request<A>) -> ResponseFuture<Self::ResponseBody> {
        let entry = AccessLogEntry::begin(&self.0, &mut request);
        let response = entry
            .span
            .in_scope(|| inner.call(request))
            .instrument(entry.span.clone());
        let observer = ResponseObserver::new(entry);
        async move { Ok(observer.observe(response.await?)) }.boxed()
    }
}

// === impl AccessLogEntry ===

impl AccessLogEntry {
    /// Opens the span, and adds the call's statistics and trace to the request.
    fn begin<A>(api: &ApiInfo, request: &mut Request<A>) -> Self {
        let started = Instant::now();
        let method = api.method(request.uri().path());
        let id = request.extensions().get::<RequestId>().cloned();
        let id = id.unwrap_or_default();
        let span = open_span(request.uri().path(), &id);
        let trace = telemetry::enter_trace(&span, request.headers(), api.system, &method);
        if trace.is_exported() {
            telemetry::attribute(&span, attribute::REQUEST_ID, id.0);
        }
        let stats = CallStats::default();
        let extensions = request.extensions_mut();
        extensions.insert(stats.clone());
        extensions.insert(trace.clone());
        AccessLogEntry {
            span,
            stats,
            method,
            trace,
            started,
            recent_calls: api.recent_calls.clone(),
        }
    }

    /// Keeps the call for its tenant, who may ask for it.
    fn keep(&self, outcome: &CallOutcome) {
        let Some(tenant) = self.stats.tenant() else {
            return;
        };
        // Those who watch the state would see little else.
        if self.method.ends_with("/GetState") {
            return;
        }
        let call = RecentCall {
            time: SystemTime::now(),
            method: self.method.clone(),
            code: outcome.code_name(),
            reason: outcome.reason.as_deref().map(Arc::from),
            took: self.started.elapsed(),
            log_id: outcome.log_id.or(self.stats.log_id()),
            library: self.stats.library(),
        };
        self.recent_calls.record(&tenant, call);
    }

    fn set_span_attributes(&self, outcome: &CallOutcome) {
        let (span, stats) = (&self.span, &self.stats);
        telemetry::attribute(span, attribute::RPC_STATUS, outcome.code_name());
        match &outcome.reason {
            Some(reason) if outcome.is_server_error() => telemetry::failed(span, reason),
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

impl OnOutcome<CallOutcome> for AccessLogEntry {
    fn on_outcome(&mut self, outcome: &CallOutcome) {
        self.keep(outcome);
        if self.trace.is_exported() {
            self.set_span_attributes(outcome);
        }
        let stats = &self.stats;
        self.span.in_scope(|| {
            tracing::info!(
                method = &*self.method,
                code = outcome.code_name(),
                reason = outcome.reason.as_deref(),
                error = outcome.error.as_deref(),
                http_status = outcome.http_status.map(|status| status.as_u16()),
                tenant = stats.tenant().as_deref(),
                library = stats.library().as_deref(),
                bytes = stats.bytes(),
                attempts = stats.attempts(),
                queue_ms = milliseconds(stats.waited()),
                upstream_ms = milliseconds(stats.upstream()),
                total_ms = milliseconds(self.started.elapsed()),
                log_id = outcome.log_id.or(stats.log_id()),
                trace_id = self.trace.id(),
                "call ended"
            );
        });
    }
}

/// Opens the span of a request by its path alone: a query can hold an access token.
fn open_span(path: &str, id: &RequestId) -> Span {
    tracing::info_span!(
        "request",
        otel.kind = "server",
        path,
        %id,
        tenant = tracing::field::Empty,
        library = tracing::field::Empty,
    )
}

/// Rounds to whole microseconds: more digits are noise.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
