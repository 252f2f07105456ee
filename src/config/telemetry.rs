//! `[telemetry]`: logs and traces.

use url::Url;

use super::section::Section;

/// What the gateway tells about itself.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Form of the log lines. Default: text.
    pub log: LogFormat,
    /// Filter directives, `info` or `samegate=debug,warn`. Default: info.
    pub level: String,
    /// Collector that takes spans over OTLP/gRPC. Default: none.
    pub otlp_endpoint: Option<Url>,
    /// Share of the calls without a caller's decision that are traced, in
    /// [0, 1]. Default: 1.
    pub sampling: f64,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn read(mut section: Section<'_>) -> Option<Telemetry> {
    let log = section.value("log", log_format);
    let level = section.value("level", log_level);
    let otlp_endpoint = section.optional("otlp_endpoint", None, otlp_endpoint);
    let sampling = section.value("sampling", sampling);
    section.finish();
    Some(Telemetry {
        log: log?,
        level: level?,
        otlp_endpoint: otlp_endpoint?,
        sampling: sampling?,
    })
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("must be text or json, not `{value}`")),
    }
}

/// Scheme, host and port: OTLP/gRPC has its own paths.
fn otlp_endpoint(value: &str) -> Result<Option<Url>, String> {
    let error = || format!("must be such as http://collector:4317, not `{value}`");
    let url = Url::parse(value).map_err(|_| error())?;
    let plain = url.has_host() && url.username().is_empty() && url.password().is_none();
    if plain && matches!(url.scheme(), "http" | "https") && url.path() == "/" {
        return Ok(Some(url));
    }
    Err(error())
}

fn sampling(value: &str) -> Result<f64, String> {
    let share = value.parse().ok();
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("must be from 0 to 1, not `{value}`"))
}

/// Checks that each directive is `LEVEL` or `MODULE=LEVEL`.
///
/// # Errors
///
/// What is allowed.
pub fn log_level(value: &str) -> Result<String, String> {
    for directive in value.split(',') {
        let (module, level) = directive.split_once('=').unwrap_or(("all", directive));
        let path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if module.is_empty() || !module.chars().all(path) || !LEVELS.contains(&level) {
            let levels = LEVELS.join(", ");
            return Err(format!(
                "must be one of {levels}, or such as `warn,samegate=debug`, not `{value}`"
            ));
        }
    }
    Ok(value.to_owned())
}
