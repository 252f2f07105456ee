//! Traces: W3C context in and out, spans to a collector over OTLP.
//!
//! The rest of the gateway opens spans with the macros of `tracing` and calls the functions here
//! for everything that those cannot express; only this module uses OpenTelemetry. Only spans of
//! this crate become part of a trace: those of HTTP libraries may hold headers. Without a collector
//! there are no such spans, but every call still has a trace id and forwards its context.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
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
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Whether spans of this process are exported.
static HAS_COLLECTOR: AtomicBool = AtomicBool::new(false);

/// Exports finished spans to the collector, if there is one.
#[derive(Debug)]
pub(super) struct Traces(Option<SdkTracerProvider>);

// === impl Traces ===

impl Traces {
    /// Connects to the collector, lazily; must be called within a runtime.
    pub(super) fn start(config: &config::Telemetry) -> Result<Self, ExporterBuildError> {
        let Some(endpoint) = &config.otlp_endpoint else {
            return Ok(Traces(None));
        };
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.as_str())
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let root_sampler = Sampler::TraceIdRatioBased(config.sampling_ratio);
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(root_sampler)))
            .with_resource(resource())
            .with_batch_exporter(NamedAttributes(exporter))
            .build();
        HAS_COLLECTOR.store(true, Relaxed);
        Ok(Traces(Some(provider)))
    }

    /// Returns what makes spans for the collector; `None` without one.
    pub(super) fn tracer(&self) -> Option<SdkTracer> {
        Some(self.0.as_ref()?.tracer(SERVICE_NAME))
    }

    /// Exports the last spans. Blocks, up to a limit, so it must not be called by the last thread
    /// of the runtime.
    pub(super) fn stop(&self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_TIMEOUT)
        {
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

/// The trace of a call; clones share it.
#[derive(Clone, Debug)]
pub struct CallTrace(Arc<TraceContext>);

#[derive(Debug)]
struct TraceContext {
    /// `traceparent` of what is done for the call and has no span of its own.
    parent: HeaderValue,
    /// `tracestate`.
    state: Option<HeaderValue>,
    is_sampled: bool,
}

// === impl CallTrace ===

impl CallTrace {
    /// Continues the trace of a caller, whose context was read from its headers, or of a span.
    fn of(context: &Context) -> Option<Self> {
        let is_sampled = context.span().span_context().is_sampled();
        let mut headers = HeaderMap::new();
        TraceContextPropagator::new().inject_context(context, &mut Injected(&mut headers));
        Some(CallTrace(Arc::new(TraceContext {
            parent: headers.remove(TRACEPARENT)?,
            state: headers.remove(TRACESTATE),
            is_sampled,
        })))
    }

    /// Begins a trace that is not sampled.
    fn begin() -> Self {
        static SEED: LazyLock<[RandomState; 3]> =
            LazyLock::new(|| [(); 3].map(|()| RandomState::new()));
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let count = COUNT.fetch_add(1, Relaxed);
        // Zero is no valid id (W3C trace context, 3.2.2.3).
        let [first, second, span] = [0, 1, 2].map(|index| SEED[index].hash_one(count).max(1));
        let parent = format!("00-{first:016x}{second:016x}-{span:016x}-00");
        CallTrace(Arc::new(TraceContext {
            parent: HeaderValue::try_from(parent).unwrap_or_else(|_| HeaderValue::from_static("")),
            state: None,
            is_sampled: false,
        }))
    }

    /// Returns the id of the trace, 32 hex digits.
    pub fn id(&self) -> &str {
        let parent = self.0.parent.to_str().unwrap_or_default();
        parent.split('-').nth(1).unwrap_or_default()
    }

    /// Returns whether the trace is kept, here or by the caller.
    pub fn is_sampled(&self) -> bool {
        self.0.is_sampled
    }

    /// Returns whether the spans of this call are exported.
    pub fn is_exported(&self) -> bool {
        self.0.is_sampled && HAS_COLLECTOR.load(Relaxed)
    }
}

/// A trace that is not sampled.
impl Default for CallTrace {
    fn default() -> Self {
        CallTrace::begin()
    }
}

/// Makes a span the root of this gateway's part of a trace, under the parent that the headers name,
/// and names it by its method; without a collector, the call only has the trace.
pub fn enter_trace(
    span: &Span,
    headers: &HeaderMap,
    system: &'static str,
    method: &str,
) -> CallTrace {
    let parent = headers.contains_key(TRACEPARENT).then(|| {
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Extracted(headers))
    });
    if !HAS_COLLECTOR.load(Relaxed) {
        let callers = parent.and_then(|parent| CallTrace::of(&parent));
        return callers.unwrap_or_default();
    }
    // Fails in a process whose subscriber is not ours.
    let _ = span.set_parent(parent.unwrap_or_default());
    let context = span.context();
    let exported = context.span();
    if exported.is_recording() {
        exported.update_name(method.to_owned());
        exported.set_attribute(KeyValue::new(attribute::RPC_SYSTEM, system));
        exported.set_attribute(KeyValue::new(attribute::RPC_METHOD, method.to_owned()));
    }
    CallTrace::of(&context).unwrap_or_default()
}

/// Opens a span that is for the collector only: none where the trace of its call, or without a call
/// any trace, is not exported.
pub fn exported_span(trace: Option<&CallTrace>, open: impl FnOnce() -> Span) -> Span {
    if trace.map_or_else(|| HAS_COLLECTOR.load(Relaxed), CallTrace::is_exported) {
        open()
    } else {
        Span::none()
    }
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
    if !wait.is_zero() && HAS_COLLECTOR.load(Relaxed) {
        let milliseconds = wait.as_secs_f64() * 1e3;
        let wait = vec![KeyValue::new(attribute::WAIT_MS, milliseconds)];
        Span::current().add_event(event, wait);
    }
}

/// Adds the headers that make an upstream server continue the trace of a call, if it is for one:
/// under the current span, where that is exported.
pub fn add_trace_headers(headers: &mut HeaderMap, trace: Option<&CallTrace>) {
    match trace {
        Some(trace) if !trace.is_exported() => {
            headers.insert(TRACEPARENT, trace.0.parent.clone());
            if let Some(state) = trace.0.state.clone() {
                headers.insert(TRACESTATE, state);
            }
        }
        Some(_) | None if HAS_COLLECTOR.load(Relaxed) => {
            let context = Span::current().context();
            TraceContextPropagator::new().inject_context(&context, &mut Injected(headers));
        }
        Some(_) | None => {}
    }
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
