//! Observability: logs, traces, metrics.
//!
//! Logs and traces belong to the process: `main` calls [`start`] once, before anything could log,
//! and [`stop`] at the very end. Metrics belong to a gateway. The message of a log line names the
//! event; its facts are fields with the unit in the name; it is written once, where the event is
//! handled. Tokens, keys, image bytes and upstream addresses are in no log line, span or metric:
//! the code of this project never writes them, and below INFO no other code may log, since HTTP
//! libraries show headers and addresses there.

mod log_writer;
mod metrics;
pub mod names;
mod outcome;
mod plain_fields;
mod terminal;
mod trace;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

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

pub use metrics::{CallLabels, Metrics, Reload, TextFormat};
pub use outcome::{OnOutcome, OutcomeGuard};
pub use trace::{
    CallTrace, add_trace_headers, attribute, enter_trace, exported_span, failed, name_span, waited,
};

use self::log_writer::LogWriter;
use self::plain_fields::PlainFields;
use self::terminal::TerminalFormat;
use crate::config::{LogFormat, Telemetry};

/// Maximum wait at the end for a reader of the log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Errors of starting or changing logs and traces.
#[derive(Debug, Error)]
pub enum StartError {
    /// The level is not a valid list of directives.
    #[error("the log level is invalid")]
    Level(#[from] ParseError),
    /// Another subscriber is installed in this process.
    #[error("logging was started before")]
    Started(#[from] TryInitError),
    /// The address of the collector is unusable.
    #[error("`telemetry.otlp_endpoint` cannot be used: {0}")]
    Collector(#[from] ExporterBuildError),
    /// The thread that writes the log cannot be started.
    #[error("the log cannot be written: {0}")]
    Thread(#[from] io::Error),
    /// [`start`] was not called.
    #[error("logging was not started")]
    NotStarted,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug)]
enum LineForm {
    /// Text for a person: coloured, and calls in short lines.
    Terminal,
    /// Text with all fields.
    Text,
    Json,
}

/// Logs and traces of this process.
struct Running {
    level: Mutex<String>,
    filter: reload::Handle<Targets, Registry>,
    traces: trace::Traces,
    log: LogWriter,
}

static RUNNING: OnceLock<Running> = OnceLock::new();

/// Starts to write the log lines of this process to standard error, and to export its spans to the
/// collector. Must be called within a runtime.
///
/// # Errors
///
/// `Level` for an invalid level, `Collector` for an unusable address, `Thread` when no thread can
/// be started, `Started` on a second call.
pub fn start(config: &Telemetry) -> Result<(), StartError> {
    let traces = trace::Traces::start(config)?;
    let (filter, handle) = reload::Layer::new(config.log_level.parse()?);
    let log = LogWriter::start(io::stderr(), config.log_buffer)?;
    let form = LineForm::of(config.log_format, io::stderr().is_terminal());
    subscriber(form, filter, traces.tracer(), log.clone()).try_init()?;
    report_panics_to(log.clone());
    // Cannot be set already: `try_init` succeeds only once.
    let _ = RUNNING.set(Running {
        level: Mutex::new(config.log_level.clone()),
        filter: handle,
        traces,
        log,
    });
    Ok(())
}

/// Writes panics to the log as well: the default hook would block its thread while the
/// reader of standard error has stopped.
fn report_panics_to(log: LogWriter) {
    std::panic::set_hook(Box::new(move |panic| {
        log.push(format!("{panic}\n").as_bytes());
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            log.push(format!("{backtrace}\n").as_bytes());
        }
        // It ends the process.
        if std::thread::current().name() == Some("main") {
            log.close(FLUSH_TIMEOUT);
        }
    }));
}

/// Exports the last spans and writes the last log lines; blocks for up to 7 s. Must not be called by the only thread of a
/// runtime.
pub fn stop() {
    if let Some(running) = RUNNING.get() {
        running.traces.stop();
        running.log.close(FLUSH_TIMEOUT);
    }
}

/// Returns the log level; `None` before [`start`].
pub fn log_level() -> Option<String> {
    let level = RUNNING.get()?.level.lock();
    Some(level.unwrap_or_else(PoisonError::into_inner).clone())
}

/// Changes the log level of the whole process.
///
/// # Errors
///
/// `Level` for an invalid level, `NotStarted` before [`start`].
pub fn set_log_level(directives: &str) -> Result<(), StartError> {
    let filter: Targets = directives.parse()?;
    let running = RUNNING.get().ok_or(StartError::NotStarted)?;
    let mut level = running.level.lock().unwrap_or_else(PoisonError::into_inner);
    running
        .filter
        .reload(filter)
        .map_err(|_| StartError::NotStarted)?;
    directives.clone_into(&mut level);
    Ok(())
}

fn subscriber<F, W>(
    form: LineForm,
    level: F,
    tracer: Option<SdkTracer>,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    F: Layer<Registry> + Filter<Registry> + Send + Sync + 'static,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry();
    let Some(tracer) = tracer else {
        // Filters of the only layer may be those of all, which look at no span when one is entered.
        let lines = registry.with(level).with(filter_fn(is_safe));
        return Box::new(lines.with(layer(form, writer)));
    };
    let lines = layer(form, writer).with_filter(level.and(filter_fn(is_safe)));
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(filter_fn(is_traced));
    Box::new(registry.with(lines).with(spans))
}

/// Returns whether a line may be written at all, at any level.
fn is_safe(line: &Metadata<'_>) -> bool {
    is_ours(line) || *line.level() <= Level::INFO
}

/// Returns whether a span becomes part of a trace. Log lines do not: attributes of exported spans
/// are set explicitly.
fn is_traced(span: &Metadata<'_>) -> bool {
    span.is_span() && is_ours(span) && *span.level() <= Level::INFO
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next();
    matches!(root, Some("samegate" | "same_image"))
}

// === impl LineForm ===

impl LineForm {
    fn of(format: LogFormat, is_terminal: bool) -> Self {
        match format {
            LogFormat::Text if is_terminal => LineForm::Terminal,
            LogFormat::Text => LineForm::Text,
            LogFormat::Json => LineForm::Json,
        }
    }
}

fn layer<S, W>(form: LineForm, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // A file or a log collector gets plain text.
    let layer = fmt::layer().with_ansi(false).with_writer(writer);
    match form {
        LineForm::Terminal => layer
            .with_ansi(true)
            .event_format(TerminalFormat::default())
            .boxed(),
        LineForm::Text => layer.fmt_fields(PlainFields).boxed(),
        // The current span only: its parents would be copied into every line.
        LineForm::Json => layer
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
        let written = written(LineForm::Json, "info", || {
            let _span = tracing::info_span!("request", id = "r-1").entered();
            tracing::info!(duration_ms = 7, "call completed");
        });

        let line: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(line["message"], "call completed");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["duration_ms"], 7);
        assert_eq!(line["span"]["id"], "r-1");
    }

    #[test]
    fn the_level_filters_per_module() {
        let written = written(LineForm::Text, "warn,samegate::telemetry=debug", || {
            tracing::debug!("own detail");
            tracing::info!(target: "elsewhere", "foreign info");
            tracing::warn!(target: "elsewhere", "foreign warning");
        });

        assert!(written.contains("own detail"), "{written}");
        assert!(!written.contains("foreign info"), "{written}");
        assert!(written.contains("foreign warning"), "{written}");
    }

    #[test]
    fn below_info_only_this_project_logs() {
        let written = written(LineForm::Text, "trace", || {
            tracing::trace!("own detail");
            tracing::debug!(target: "h2::codec", "a header");
            tracing::info!(target: "h2::codec", "foreign info");
        });

        assert!(written.contains("own detail"), "{written}");
        assert!(!written.contains("a header"), "{written}");
        assert!(written.contains("foreign info"), "{written}");
    }

    #[test]
    fn the_level_cannot_be_changed_before_the_start() {
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

    fn written(form: LineForm, level: &str, work: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let filter: Targets = level.parse().unwrap();
        let sink = buffer.clone();
        let subscriber = subscriber(form, filter, None, move || sink.clone());
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
