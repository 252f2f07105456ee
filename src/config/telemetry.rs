//! `[telemetry]`: logs.

use super::section::Section;

/// What the gateway tells about itself.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Form of the log lines. Default: text.
    pub log: LogFormat,
    /// Filter directives, `info` or `samegate=debug,warn`. Default: info.
    pub level: String,
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
    let level = section.value("level", level);
    section.finish();
    Some(Telemetry {
        log: log?,
        level: level?,
    })
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("must be text or json, not `{value}`")),
    }
}

/// Checks that each directive is `LEVEL` or `MODULE=LEVEL`.
fn level(value: &str) -> Result<String, String> {
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
