//! Logs: where they go, in which form, and how their fields are named.
//!
//! Started once, by `main`, before anything that could log. A log line is
//! readable alone, carries its facts as fields with the unit in the name, and
//! is written once, where the matter is handled. Tokens, keys, picture bytes
//! and upstream addresses never reach a line.

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogFormat, Telemetry};

/// Names of the fields of log lines and spans. The macros of `tracing` want
/// them spelt out, so a test holds every use against this list.
pub const FIELDS: [&str; 14] = [
    // Path of the request: full name of the rpc, or REST path.
    "path",
    // Name of the request, also in its answer.
    "id",
    // Name of the tenant that asked.
    "tenant",
    // Name of the library that answered, and what it was asked for.
    "library",
    "operation",
    // How an operation ended: OK, CANCELLED, or the reason of its failure.
    "outcome",
    // Status of the answer, as HTTP and as gRPC number it.
    "http_status",
    "grpc_status",
    // Time from the head of the request to the end of the answer.
    "duration_ms",
    // Longest wait for running calls at shutdown.
    "drain_ms",
    // Class of a failure that no caller sees, and how many in a row.
    "reason",
    "failures",
    // How long something is not tried again.
    "retry_after_ms",
    // What went wrong, for operators.
    "error",
];

/// Why logging could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The level is no list of directives.
    #[error("`telemetry.level` is not understood")]
    Level(#[from] ParseError),
    /// Something in this process logs already.
    #[error("logging was started before")]
    Started(#[from] TryInitError),
}

/// Sends the log lines of this process to standard error.
///
/// # Errors
///
/// `Level` for a level that cannot be read, `Started` on a second call.
pub fn start(config: &Telemetry) -> Result<(), StartError> {
    subscriber(config, io::stderr)?.try_init()?;
    Ok(())
}

fn subscriber<W>(config: &Telemetry, writer: W) -> Result<impl Subscriber + Send + Sync, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter: Targets = config.level.parse()?;
    let lines = lines(config.log, writer).with_filter(filter);
    Ok(tracing_subscriber::registry().with(lines))
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
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
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
    fn a_level_that_is_none_is_refused() {
        let config = Telemetry {
            log: LogFormat::Text,
            level: "samegate=loud".to_owned(),
        };

        assert!(subscriber(&config, io::sink).is_err());
    }

    fn written(log: LogFormat, level: &str, work: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let config = Telemetry {
            log,
            level: level.to_owned(),
        };
        let sink = buffer.clone();
        let subscriber = subscriber(&config, move || sink.clone()).unwrap();
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
