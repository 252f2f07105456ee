//! What is counted and timed while the gateway runs.
//!
//! There is one registry per gateway, so that several can run in one process. Parts with a state of
//! their own (libraries) record nothing here: a [`Collector`] reads their state at each scrape.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as Registered, Registry};

use super::log_writer;
use super::names::{self, Metric};

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// OpenMetrics 1.0, with exemplars.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Prometheus,
}

/// Bucket bounds of the histograms in seconds: those of OpenTelemetry's conventions for
/// `rpc.server.call.duration`, and one for long upstream waits.
const BOUNDS: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0,
];

/// Every counter, gauge and histogram of one gateway.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: RwLock<Registry>,
    calls: Family<CallLabels, CallHistogram, fn() -> CallHistogram>,
    calls_in_flight: Gauge,
    bytes_in_flight: Gauge,
    received_bytes: Counter,
    panics: Counter,
    attempts: Family<AttemptLabels, Histogram, fn() -> Histogram>,
    connections: Family<ListenerLabel, Gauge>,
    closed_connections: Family<ListenerReason, Counter>,
    handshake_failures: Family<ListenerLabel, Counter>,
    web_rejections: Family<ListenerReason, Counter>,
    token_rejections: Family<ReasonLabel, Counter>,
    tls: Reload,
    config: Reload,
    ready: Gauge,
}

type CallHistogram = HistogramWithExemplars<TraceLabel>;

/// Whether the last reload of a file succeeded, and when one last did.
#[derive(Clone, Debug, Default)]
pub struct Reload {
    success: Gauge,
    last_success: Gauge,
}

/// Labels of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// `grpc`, or `same_hq` for the REST API.
    pub rpc_system_name: &'static str,
    /// Full name of the method, one of a known set.
    pub rpc_method: Arc<str>,
    /// Canonical code of the response.
    pub rpc_response_status_code: &'static str,
    /// Reason of a failure; empty for a success.
    pub error_type: Cow<'static, str>,
    /// Name of the tenant; empty for a call that was not authenticated.
    pub tenant: Arc<str>,
}

/// Labels of a request to a vendor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    library: Arc<str>,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerReason {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TraceLabel {
    trace_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: &'static str,
}

// === impl Metrics ===

impl Metrics {
    /// Makes the registry with all metrics at zero.
    pub fn new() -> Self {
        let inner = Inner {
            registry: RwLock::default(),
            calls: Family::new_with_constructor(|| CallHistogram::new(BOUNDS.into_iter())),
            calls_in_flight: Gauge::default(),
            bytes_in_flight: Gauge::default(),
            received_bytes: Counter::default(),
            panics: Counter::default(),
            attempts: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
            connections: Family::default(),
            closed_connections: Family::default(),
            handshake_failures: Family::default(),
            web_rejections: Family::default(),
            token_rejections: Family::default(),
            tls: Reload::default(),
            config: Reload::default(),
            ready: Gauge::default(),
        };
        let metrics = Metrics(Arc::new(inner));
        metrics.register_all();
        metrics
    }

    fn register_all(&self) {
        let inner = &self.0;
        let version = Family::<VersionLabel, Gauge>::default();
        let label = VersionLabel {
            version: env!("CARGO_PKG_VERSION"),
        };
        version.get_or_create(&label).set(1);
        self.register(names::BUILD, version);
        self.register(names::CALL_DURATION, inner.calls.clone());
        self.register(names::CALLS_IN_FLIGHT, inner.calls_in_flight.clone());
        self.register(names::BYTES_IN_FLIGHT, inner.bytes_in_flight.clone());
        self.register(names::RECEIVED_BYTES, inner.received_bytes.clone());
        self.register(names::PANICS, inner.panics.clone());
        self.register(names::ATTEMPT_DURATION, inner.attempts.clone());
        self.register(names::CONNECTIONS, inner.connections.clone());
        self.register(names::CLOSED_CONNECTIONS, inner.closed_connections.clone());
        self.register(names::HANDSHAKE_FAILURES, inner.handshake_failures.clone());
        self.register(names::WEB_REJECTIONS, inner.web_rejections.clone());
        self.register(names::TOKEN_REJECTIONS, inner.token_rejections.clone());
        self.register(names::TLS_RELOAD, inner.tls.success.clone());
        self.register(names::TLS_RELOADED_AT, inner.tls.last_success.clone());
        self.register(names::CONFIG_RELOAD, inner.config.success.clone());
        self.register(names::CONFIG_RELOADED_AT, inner.config.last_success.clone());
        self.register(names::READY, inner.ready.clone());
        self.register(names::DROPPED_LOG_LINES, log_writer::dropped_lines());
    }

    /// Registers a metric that its owner changes.
    pub fn register(&self, metric: Metric, value: impl Registered) {
        // A panic leaves nothing half registered, so a poisoned lock is usable.
        let registry = self.0.registry.write();
        let mut registry = registry.unwrap_or_else(std::sync::PoisonError::into_inner);
        // The encoder appends `_total` to every counter.
        let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        registry.register(name, metric.help, value);
    }

    /// Registers a collector that is called at each scrape.
    pub fn register_collector(&self, collector: impl Collector) {
        let registry = self.0.registry.write();
        let mut registry = registry.unwrap_or_else(std::sync::PoisonError::into_inner);
        registry.register_collector(Box::new(collector));
    }

    /// Returns all metrics as text.
    pub fn text(&self, format: TextFormat) -> String {
        let registry = self.0.registry.read();
        let registry = registry.unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut output = String::new();
        let written = match format {
            TextFormat::OpenMetrics => text::encode(&mut output, &registry),
            TextFormat::Prometheus => prometheus_text::encode(&mut output, &registry),
        };
        // Writing into a `String` fails only when a collector fails.
        if written.is_err() {
            tracing::error!("metrics could not be encoded");
        }
        output
    }

    /// Records the start of a call.
    pub fn call_began(&self) {
        self.0.calls_in_flight.inc();
    }

    /// Records bytes of a call's body.
    pub fn bytes_received(&self, bytes: u64) {
        self.0.received_bytes.inc_by(bytes);
        self.0.bytes_in_flight.inc_by(signed(bytes));
    }

    /// Records that all bytes of a call's body are released.
    pub fn bytes_released(&self, bytes: u64) {
        self.0.bytes_in_flight.dec_by(signed(bytes));
    }

    /// Records the end of a call; `trace_id` only for a sampled trace.
    pub fn call_ended(&self, call: &CallLabels, took: Duration, trace_id: Option<String>) {
        self.0.calls_in_flight.dec();
        let exemplar = trace_id.map(|trace_id| TraceLabel { trace_id });
        let now = exemplar.is_some().then(SystemTime::now);
        let histogram = self.0.calls.get_or_create(call);
        histogram.observe(took.as_secs_f64(), exemplar, now);
    }

    /// Records a panic of a handler.
    pub fn panicked(&self) {
        self.0.panics.inc();
    }

    /// Records a request to a vendor.
    pub fn attempted(
        &self,
        library: &Arc<str>,
        operation: &'static str,
        outcome: &'static str,
        took: Duration,
    ) {
        let labels = AttemptLabels {
            library: library.clone(),
            operation,
            outcome,
        };
        let histogram = self.0.attempts.get_or_create(&labels);
        histogram.observe(took.as_secs_f64());
    }

    /// Returns the gauge of a listener's open connections.
    pub fn connections(&self, listener: &'static str) -> Gauge {
        self.0
            .connections
            .get_or_create_owned(&ListenerLabel { listener })
    }

    /// Returns the counter of a listener's connections that were closed for a reason.
    pub fn connections_closed(&self, listener: &'static str, reason: &'static str) -> Counter {
        self.0
            .closed_connections
            .get_or_create_owned(&ListenerReason { listener, reason })
    }

    /// Returns the counter of a listener's failed handshakes.
    pub fn handshake_failures(&self, listener: &'static str) -> Counter {
        self.0
            .handshake_failures
            .get_or_create_owned(&ListenerLabel { listener })
    }

    /// Returns the counter of a listener's requests that are rejected before their call.
    pub fn web_rejections(&self, listener: &'static str, reason: &'static str) -> Counter {
        self.0
            .web_rejections
            .get_or_create_owned(&ListenerReason { listener, reason })
    }

    /// Returns the counter of token requests that were rejected for a reason.
    pub fn token_rejections(&self, reason: &'static str) -> Counter {
        let label = ReasonLabel { reason };
        self.0.token_rejections.get_or_create_owned(&label)
    }

    /// Returns the metrics of TLS certificate reloads.
    pub fn tls(&self) -> &Reload {
        &self.0.tls
    }

    /// Returns the metrics of configuration reloads.
    pub fn config(&self) -> &Reload {
        &self.0.config
    }

    /// Records whether the gateway accepts traffic.
    pub fn ready(&self, ready: bool) {
        self.0.ready.set(i64::from(ready));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(..)")
    }
}

// === impl TextFormat ===

impl TextFormat {
    /// Returns the content type.
    pub fn content_type(self) -> &'static str {
        match self {
            TextFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            TextFormat::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }
}

// === impl Reload ===

impl Reload {
    /// Records a successful reload.
    pub fn succeeded(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.last_success
            .set(signed(now.unwrap_or_default().as_secs()));
        self.success.set(1);
    }

    /// Records a failed reload.
    pub fn failed(&self) {
        self.success.set(0);
    }

    /// Returns whether the last reload failed.
    pub fn is_failed(&self) -> bool {
        self.success.get() == 0
    }

    /// Returns when a reload last succeeded, to the second.
    pub fn last_success(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.last_success.get().unsigned_abs())
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
