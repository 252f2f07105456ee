//! `[telemetry]`: logs and traces.

use std::ops::RangeInclusive;

use url::Url;

use super::parse;
use super::section::Section;

/// Settings of logs and traces.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Format of the log lines. Default: text.
    pub log_format: LogFormat,
    /// Filter directives such as `info` or `samegate=debug,warn`. Default: info.
    pub log_level: String,
    /// Maximum of the log lines that wait to be written, in bytes. Default: 4 MiB.
    pub log_buffer: usize,
    /// Collector that receives spans over OTLP/gRPC. Default: none.
    pub otlp_endpoint: Option<Url>,
    /// Ratio of calls that are traced, of those without a sampling decision of the caller, in [0,
    /// 1]. Default: 1.
    pub sampling_ratio: f64,
}

/// Format of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

const LOG_BUFFER: RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn read(mut section: Section<'_>) -> Option<Telemetry> {
    let log_format = section.required("log_format", log_format);
    let log_level = section.required("log_level", log_level);
    let log_buffer = section.required("log_buffer", log_buffer);
    let otlp_endpoint = section.optional("otlp_endpoint", None, otlp_endpoint);
    let sampling_ratio = section.required("sampling_ratio", sampling_ratio);
    section.finish();
    Some(Telemetry {
        log_format: log_format?,
        log_level: log_level?,
        log_buffer: log_buffer?,
        otlp_endpoint: otlp_endpoint?,
        sampling_ratio: sampling_ratio?,
    })
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("must be text or json, not `{value}`")),
    }
}

fn log_buffer(value: &str) -> Result<usize, String> {
    let size = parse::bytes_within(value, &LOG_BUFFER, "from 64KiB to 1GiB")?;
    usize::try_from(size).map_err(|error| error.to_string())
}

/// Parses scheme, host and port; the path belongs to OTLP/gRPC.
fn otlp_endpoint(value: &str) -> Result<Option<Url>, String> {
    let error = || format!("must be a URL such as http://collector:4317, not `{value}`");
    let url = Url::parse(value).map_err(|_| error())?;
    let plain = url.has_host() && url.username().is_empty() && url.password().is_none();
    if plain && matches!(url.scheme(), "http" | "https") && url.path() == "/" {
        return Ok(Some(url));
    }
    Err(error())
}

fn sampling_ratio(value: &str) -> Result<f64, String> {
    match value.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!("must be from 0 to 1, not `{value}`")),
    }
}

/// Checks that each directive is `LEVEL` or `MODULE=LEVEL`.
///
/// # Errors
///
/// A message that says what is allowed.
pub fn log_level(value: &str) -> Result<String, String> {
    for directive in value.split(',') {
        let (module, level) = directive.split_once('=').unwrap_or(("all", directive));
        let path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if module.is_empty() || !module.chars().all(path) || !LEVELS.contains(&level) {
            let levels = LEVELS.join(", ");
            return Err(format!(
                "must be one of {levels}, or directives such as `warn,samegate=debug`, not \
                 `{value}`"
            ));
        }
    }
    Ok(value.to_owned())
}
