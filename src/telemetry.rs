//! What the gateway tells about itself: logs, traces, metrics.
//!
//! Logs and traces belong to the process: [`start`] is called once, by `main`,
//! before anything that could log, and [`stop`] at the very end. Metrics belong
//! to a gateway. A log line is readable alone, carries its facts as fields with
//! the unit in the name, and is written once, where the matter is handled.
//! Tokens, keys, image bytes and upstream addresses never reach any of them:
//! the code of this project does not write them, and below INFO nothing else
//! may write at all, since HTTP libraries show headers and addresses there.

mod metrics;
pub mod names;
mod outcome;
mod trace;

use std::io::{self, IsTerminal};
use std::sync::{Mutex, OnceLock};

use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracer;
use thiserror::Error;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, ParseError, Targets, filter_fn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, reload};

pub use metrics::{CallLabels, Metrics, OPEN_METRICS, Reload};
pub use outcome::{OnOutcome, OutcomeGuard};
pub use trace::{TraceId, attribute, enter_trace, failed, name_span, trace_headers, waited};

use crate::config::{LogFormat, Telemetry};

/// Why logging could not be started or changed.
#[derive(Debug, Error)]
pub enum StartError {
    /// The level is no list of directives.
    #[error("the log level is not understood")]
    Level(#[from] ParseError),
    /// Something in this process logs already.
    #[error("logging was started before")]
    Started(#[from] TryInitError),
    /// The address of the collector cannot be used.
    #[error("`telemetry.otlp_endpoint` cannot be used: {0}")]
    Collector(#[from] ExporterBuildError),
    /// Nothing was started that could be changed.
    #[error("logging was not started")]
    NotStarted,
}

/// What was started for this process.
struct Started {
    level: Mutex<String>,
    filter: reload::Handle<Targets, Registry>,
    traces: trace::Traces,
}

static STARTED: OnceLock<Started> = OnceLock::new();

/// Sends the log lines of this process to standard error, and its spans to the
/// collector. Must be called within a runtime.
///
/// # Errors
///
/// `Level` for a level that cannot be read, `Collector` for an address that
/// cannot be used, `Started` on a second call.
pub fn start(config: &Telemetry) -> Result<(), StartError> {
    let traces = trace::Traces::start(config)?;
    let (filter, handle) = reload::Layer::new(config.level.parse()?);
    subscriber(config.log, filter, traces.tracer(), io::stderr).try_init()?;
    let started = Started {
        level: Mutex::new(config.level.clone()),
        filter: handle,
        traces,
    };
    // Nobody else sets it: `try_init` succeeds once.
    let _ = STARTED.set(started);
    Ok(())
}

/// Sends what has not been sent yet; up to 5 s. Must not be called by the only
/// thread of a runtime.
pub fn stop() {
    if let Some(started) = STARTED.get() {
        started.traces.stop();
    }
}

/// What is logged; `None` where logging was not started.
pub fn log_level() -> Option<String> {
    let level = STARTED.get()?.level.lock();
    let level = level.unwrap_or_else(std::sync::PoisonError::into_inner);
    Some(level.clone())
}

/// Changes what is logged, at once and for the whole process.
///
/// # Errors
///
/// `Level` for a level that cannot be read, `NotStarted` where [`start`] was
/// not called.
pub fn set_log_level(directives: &str) -> Result<(), StartError> {
    let filter: Targets = directives.parse()?;
    let started = STARTED.get().ok_or(StartError::NotStarted)?;
    let level = started.level.lock();
    let mut level = level.unwrap_or_else(std::sync::PoisonError::into_inner);
    let changed = started.filter.reload(filter);
    changed.map_err(|_| StartError::NotStarted)?;
    directives.clone_into(&mut level);
    Ok(())
}

fn subscriber<F, W>(
    log: LogFormat,
    filter: F,
    tracer: SdkTracer,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    F: Filter<Registry> + Send + Sync + 'static,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = lines(log, writer).with_filter(filter.and(filter_fn(is_safe)));
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(filter_fn(is_traced));
    tracing_subscriber::registry().with(lines).with(spans)
}

/// Whether a line may be written at all, whatever the level says.
fn is_safe(line: &Metadata<'_>) -> bool {
    is_ours(line) || *line.level() <= Level::INFO
}

/// Whether a span becomes part of a trace. Lines do not: what a trace needs to
/// know of a call is put into its span on purpose.
fn is_traced(span: &Metadata<'_>) -> bool {
    span.is_span() && is_ours(span) && *span.level() <= Level::INFO
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next();
    matches!(root, Some("samegate" | "same_image"))
}

fn lines<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Colours are for people: a file or a collector gets plain text.
    let layer = fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(writer);
    match format {
        LogFormat::Text => layer.boxed(),
        // The current span alone: its parents repeat in every line.
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn json_lines_carry_message_fields_and_the_span() {
        let written = written(LogFormat::Json, "info", || {
            let _span = tracing::info_span!("request", id = "r-1").entered();
            tracing::info!(duration_ms = 7, "answered");
        });

        let line: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(line["message"], "answered");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["duration_ms"], 7);
        assert_eq!(line["span"]["id"], "r-1");
    }

    #[test]
    fn the_level_filters_per_module() {
        let written = written(LogFormat::Text, "warn,samegate::telemetry=debug", || {
            tracing::debug!("own detail");
            tracing::info!(target: "elsewhere", "their news");
            tracing::warn!(target: "elsewhere", "their warning");
        });

        assert!(written.contains("own detail"), "{written}");
        assert!(!written.contains("their news"), "{written}");
        assert!(written.contains("their warning"), "{written}");
    }

    #[test]
    fn below_info_only_this_project_writes() {
        let written = written(LogFormat::Text, "trace", || {
            tracing::trace!("own detail");
            tracing::debug!(target: "h2::codec", "a header");
            tracing::info!(target: "h2::codec", "their news");
        });

        assert!(written.contains("own detail"), "{written}");
        assert!(!written.contains("a header"), "{written}");
        assert!(written.contains("their news"), "{written}");
    }

    #[test]
    fn the_level_cannot_be_changed_before_there_is_one() {
        assert!(matches!(
            set_log_level("samegate=loud"),
            Err(StartError::Level(_))
        ));
        assert!(matches!(
            set_log_level("debug"),
            Err(StartError::NotStarted)
        ));
        assert_eq!(log_level(), None);
    }

    #[test]
    fn names_of_metrics_and_fields_are_unique() {
        let mut names: Vec<&str> = names::METRICS.iter().map(|metric| metric.name).collect();
        names.extend(names::FIELDS);
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    fn written(log: LogFormat, level: &str, work: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let filter: Targets = level.parse().unwrap();
        let sink = buffer.clone();
        let tracer = trace::Traces::none().tracer();
        let subscriber = subscriber(log, filter, tracer, move || sink.clone());
        tracing::subscriber::with_default(subscriber, work);
        let bytes = buffer.0.lock().unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    }

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
