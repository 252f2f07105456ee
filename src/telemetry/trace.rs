//! Traces: W3C context in and out, spans to a collector over OTLP.
//!
//! The rest of the gateway opens spans with the macros of `tracing` and calls
//! the functions here for what those cannot say; nothing else names
//! OpenTelemetry. Only spans of this crate become part of a trace: those of
//! HTTP libraries may hold headers. Without a collector no span is kept, but
//! every call still has a trace id and hands the caller's context on.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{Status, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::names::attribute;
use crate::config;

/// Longest time for one export; OTLP's own default.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the last spans at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
const SERVICE: &str = "samegate";

/// Takes finished spans to the collector.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

// === impl Traces ===

impl Traces {
    /// Connects to the collector, lazily; must be called within a runtime.
    pub(super) fn start(config: &config::Telemetry) -> Result<Self, ExporterBuildError> {
        let sampler = match config.otlp_endpoint {
            Some(_) => Sampler::TraceIdRatioBased(config.sampling_ratio),
            None => Sampler::AlwaysOff,
        };
        let sampler = Sampler::ParentBased(Box::new(sampler));
        let mut provider = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_resource(resource());
        if let Some(endpoint) = &config.otlp_endpoint {
            let exporter = SpanExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint.as_str())
                .with_timeout(EXPORT_TIMEOUT)
                .build()?;
            provider = provider.with_batch_exporter(exporter);
        }
        Ok(Traces(provider.build()))
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        Traces(SdkTracerProvider::builder().build())
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer(SERVICE)
    }

    /// Sends what is left. Blocks, up to a limit, so it must not be called by
    /// the last thread of the runtime.
    pub(super) fn stop(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

/// Who speaks, by OpenTelemetry's conventions for services.
fn resource() -> Resource {
    // Drawn from the system by the standard library: another one each start.
    let instance = [(); 2].map(|()| RandomState::new().hash_one(SERVICE));
    let [first, second] = instance;
    Resource::builder_empty()
        .with_service_name(SERVICE)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new(
            "service.instance.id",
            format!("{first:016x}{second:016x}"),
        ))
        .build()
}

/// The trace that a span belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId {
    /// 32 hex digits.
    pub text: String,
    /// Whether the trace is kept, so that somebody can look at it.
    pub is_kept: bool,
}

/// Makes a span the root of this gateway's part of a trace, under the parent
/// that the headers name, and gives it its name for collectors.
///
/// `None` where nobody traces (tests that run the gateway in their process).
pub fn enter_trace(
    span: &Span,
    headers: &HeaderMap,
    system: &'static str,
    method: &str,
) -> Option<TraceId> {
    let parent =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    span.set_parent(parent).ok()?;
    let context = span.context();
    let own = context.span();
    let id = own.span_context();
    if own.is_recording() {
        own.update_name(method.to_owned());
        own.set_attribute(KeyValue::new(attribute::RPC_SYSTEM, system));
        own.set_attribute(KeyValue::new(attribute::RPC_METHOD, method.to_owned()));
    }
    id.is_valid().then(|| TraceId {
        text: id.trace_id().to_string(),
        is_kept: id.is_sampled(),
    })
}

/// Names a span for collectors by what it does.
pub fn name_span(span: &Span, name: &'static str) {
    let context = span.context();
    context.span().update_name(name);
}

/// Notes a fact about a span for collectors.
pub fn attribute(span: &Span, key: &'static str, value: impl Into<opentelemetry::Value>) {
    span.set_attribute(key, value);
}

/// Marks a span as failed for collectors, with the reason of the failure.
pub fn failed(span: &Span, reason: &str) {
    span.set_attribute(attribute::ERROR_TYPE, reason.to_owned());
    span.set_status(Status::error(reason.to_owned()));
}

/// Notes in the current span that the call waited; nothing for no wait.
pub fn waited(event: &'static str, wait: Duration) {
    if !wait.is_zero() {
        let milliseconds = wait.as_secs_f64() * 1e3;
        let wait = vec![KeyValue::new(attribute::WAIT_MS, milliseconds)];
        Span::current().add_event(event, wait);
    }
}

/// Headers that hand a span on as the parent of what a server does.
pub fn trace_headers(span: &Span) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let context = span.context();
    TraceContextPropagator::new().inject_context(&context, &mut Outgoing(&mut headers));
    headers
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values = self.0.get_all(key).into_iter();
        let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        Some(values).filter(|values| !values.is_empty())
    }
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::try_from(key);
        // An empty `tracestate` says nothing (W3C trace context, 3.3).
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}
