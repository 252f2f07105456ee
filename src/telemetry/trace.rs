//! Traces: W3C context in and out, spans to a collector over OTLP.
//!
//! The rest of the gateway opens spans with the macros of `tracing` and calls the functions here
//! for everything that those cannot express; only this module uses OpenTelemetry. Only spans of
//! this crate become part of a trace: those of HTTP libraries may hold headers. Without a collector
//! no span is recorded, but every call still has a trace id and forwards the caller's context.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{Status, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter as ExportSpans,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::names::attribute;
use crate::config;

/// Timeout of one export; OTLP's own default.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum wait for the last spans at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
const SERVICE_NAME: &str = "samegate";

/// Exports finished spans to the collector.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

// === impl Traces ===

impl Traces {
    /// Connects to the collector, lazily; must be called within a runtime.
    pub(super) fn start(config: &config::Telemetry) -> Result<Self, ExporterBuildError> {
        let root_sampler = match config.otlp_endpoint {
            Some(_) => Sampler::TraceIdRatioBased(config.sampling_ratio),
            None => Sampler::AlwaysOff,
        };
        let mut provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(root_sampler)))
            .with_resource(resource());
        if let Some(endpoint) = &config.otlp_endpoint {
            let exporter = SpanExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint.as_str())
                .with_timeout(EXPORT_TIMEOUT)
                .build()?;
            provider = provider.with_batch_exporter(NamedAttributes(exporter));
        }
        Ok(Traces(provider.build()))
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        Traces(SdkTracerProvider::builder().build())
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer(SERVICE_NAME)
    }

    /// Exports the last spans. Blocks, up to a limit, so it must not be called by the last thread
    /// of the runtime.
    pub(super) fn stop(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "export of the last spans failed");
        }
    }
}

/// Exports the attributes of our list only. The fields of `tracing` spans are for log lines; exported
/// as well, they would be second names of the same facts.
#[derive(Debug)]
struct NamedAttributes<E>(E);

impl<E: ExportSpans> ExportSpans for NamedAttributes<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &mut batch {
            span.attributes
                .retain(|attribute| attribute::OF_SPANS.contains(&attribute.key.as_str()));
        }
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Describes this process by OpenTelemetry's conventions for services.
fn resource() -> Resource {
    // A random id for each start; the standard library draws its random state from the system.
    let [first, second] = [(); 2].map(|()| RandomState::new().hash_one(SERVICE_NAME));
    Resource::builder_empty()
        .with_service_name(SERVICE_NAME)
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
    /// Whether the trace is sampled, that is, exported.
    pub is_sampled: bool,
}

/// Makes a span the root of this gateway's part of a trace, under the parent that the headers name,
/// and names it by its method.
///
/// Returns `None` without a tracer (tests that run the gateway in their process).
pub fn enter_trace(
    span: &Span,
    headers: &HeaderMap,
    system: &'static str,
    method: &str,
) -> Option<TraceId> {
    let parent =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Extracted(headers));
    span.set_parent(parent).ok()?;
    let context = span.context();
    let exported = context.span();
    if exported.is_recording() {
        exported.update_name(method.to_owned());
        exported.set_attribute(KeyValue::new(attribute::RPC_SYSTEM, system));
        exported.set_attribute(KeyValue::new(attribute::RPC_METHOD, method.to_owned()));
    }
    let id = exported.span_context();
    id.is_valid().then(|| TraceId {
        text: id.trace_id().to_string(),
        is_sampled: id.is_sampled(),
    })
}

/// Sets the exported name of a span.
pub fn name_span(span: &Span, name: &'static str) {
    span.context().span().update_name(name);
}

/// Sets an attribute of an exported span.
pub fn attribute(span: &Span, key: &'static str, value: impl Into<opentelemetry::Value>) {
    span.set_attribute(key, value);
}

/// Marks an exported span as failed, with the reason of the failure.
pub fn failed(span: &Span, reason: &str) {
    span.set_attribute(attribute::ERROR_TYPE, reason.to_owned());
    span.set_status(Status::error(reason.to_owned()));
}

/// Adds an event to the current span: the call has waited. A wait of zero adds none.
pub fn waited(event: &'static str, wait: Duration) {
    if !wait.is_zero() {
        let milliseconds = wait.as_secs_f64() * 1e3;
        let wait = vec![KeyValue::new(attribute::WAIT_MS, milliseconds)];
        Span::current().add_event(event, wait);
    }
}

/// Returns the headers that make a span the parent of the spans of an upstream server.
pub fn trace_headers(span: &Span) -> HeaderMap {
    let mut headers = HeaderMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut Injected(&mut headers));
    headers
}

struct Extracted<'a>(&'a HeaderMap);

impl Extractor for Extracted<'_> {
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

struct Injected<'a>(&'a mut HeaderMap);

impl Injector for Injected<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::try_from(key);
        // An empty `tracestate` carries nothing (W3C trace context, 3.3).
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}
