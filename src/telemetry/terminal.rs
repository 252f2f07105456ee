//! Log lines for people in front of a terminal.
//!
//! The line of a call has what they look for, in the order of an access log: time (UTC), method,
//! code, duration, size, caller and library, and why it failed. All of its fields are in a log that
//! is no terminal. Other lines are as everywhere.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::printable::is_unsafe;

/// Where the lines of calls are written.
const ACCESS_LOG: &str = "samegate::middleware::trace";
/// Maximum length of the reason of a failure, in characters.
const MAX_ERROR: usize = 100;

/// Writes calls in one short line.
#[derive(Debug, Default)]
pub(super) struct TerminalFormat {
    others: Format,
}

/// The fields of a call that its line shows.
#[derive(Default)]
struct CallLine {
    method: String,
    code: String,
    reason: Option<String>,
    error: Option<String>,
    tenant: Option<String>,
    library: Option<String>,
    bytes: u64,
    total_ms: f64,
}

impl<S, N> FormatEvent<S, N> for TerminalFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != ACCESS_LOG {
            return self.others.format_event(context, writer, event);
        }
        let mut line = CallLine::default();
        event.record(&mut line);
        line.write(writer)
    }
}

// === impl CallLine ===

impl CallLine {
    fn write(&self, mut writer: Writer<'_>) -> fmt::Result {
        // Faint, red, and back to normal.
        let [faint, red, normal] = match writer.has_ansi_escapes() {
            true => ["\x1b[2m", "\x1b[31m", "\x1b[0m"],
            false => [""; 3],
        };
        let method = self.method.rsplit('/').next().unwrap_or_default();
        write!(writer, "{faint}{}{normal} {method} ", time_of_day())?;
        match &self.reason {
            None => write!(writer, "{}", self.code)?,
            // A cancelled call has its code as the reason too.
            Some(reason) if *reason == self.code => write!(writer, "{red}{reason}{normal}")?,
            Some(reason) => write!(writer, "{red}{} {reason}{normal}", self.code)?,
        }
        write!(writer, " {:.1} ms, {}", self.total_ms, Size(self.bytes))?;
        for name in [&self.tenant, &self.library].into_iter().flatten() {
            write!(writer, ", {name}")?;
        }
        if let Some(error) = &self.error {
            writer.write_str(": ")?;
            for c in error.chars().take(MAX_ERROR) {
                // It may quote a caller, who must not move the cursor, nor turn the text around.
                writer.write_char(if is_unsafe(c) { ' ' } else { c })?;
            }
        }
        writeln!(writer)
    }
}

impl Visit for CallLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value.to_owned();
        match field.name() {
            "method" => self.method = value,
            "code" => self.code = value,
            "reason" => self.reason = Some(value),
            "error" => self.error = Some(value),
            "tenant" => self.tenant = Some(value),
            "library" => self.library = Some(value),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "bytes" {
            self.bytes = value;
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "total_ms" {
            self.total_ms = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// A number of bytes in the largest unit that leaves a whole number.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1000 => write!(f, "{bytes} B"),
            bytes @ 1000..1_000_000 => write!(f, "{} kB", bytes / 1000),
            bytes => write!(f, "{} MB", bytes / 1_000_000),
        }
    }
}

/// Returns the time of day in UTC: `05:31:07Z`.
fn time_of_day() -> String {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since_epoch.as_secs() % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}Z", seconds % 60)
}
