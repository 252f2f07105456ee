//! Chooses the text format of `/metrics` by the `Accept` of the request (RFC 9110 section 12.5.1).
//!
//! As Prometheus' own client library does: OpenMetrics to those who name it, which Prometheus does,
//! and the older format to all others: browsers, curl, scrapers that know nothing else.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::telemetry::TextFormat;

/// Returns the format that the request prefers.
pub(super) fn text_format(headers: &HeaderMap) -> TextFormat {
    let values = headers.get_all(ACCEPT).into_iter();
    let (mut open_metrics, mut text) = (0.0_f32, 0.0_f32);
    for range in values.flat_map(|value| value.to_str().unwrap_or_default().split(',')) {
        let (media_type, parameters) = range.split_once(';').unwrap_or((range, ""));
        let parameter = |name| parameter(parameters, name);
        let quality: f32 = parameter("q").map_or(Ok(1.0), str::parse).unwrap_or(0.0);
        match (
            media_type.trim().to_ascii_lowercase().as_str(),
            parameter("version"),
        ) {
            ("application/openmetrics-text", None | Some("1.0.0")) => {
                open_metrics = quality.max(open_metrics);
            }
            ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => {
                text = quality.max(text);
            }
            _ => {}
        }
    }
    if open_metrics > 0.0 && open_metrics >= text {
        TextFormat::OpenMetrics
    } else {
        TextFormat::Prometheus
    }
}

fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let is_it = key.trim().eq_ignore_ascii_case(name);
        is_it.then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_openmetrics_and_those_who_do_not_name_it_the_older_format() {
        use TextFormat::{OpenMetrics, Prometheus};
        for (accept, format) in [
            // Prometheus 3, Prometheus 2.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                 text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0,\
                 application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "Application/OpenMetrics-Text; Version=\"1.0.0\"",
                OpenMetrics,
            ),
            ("*/*, application/openmetrics-text", OpenMetrics),
            // vmagent, curl, a browser, nothing.
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", Prometheus),
            ("*/*", Prometheus),
            ("text/html,application/xml;q=0.9,*/*;q=0.8", Prometheus),
            ("", Prometheus),
            ("application/openmetrics-text;q=0.1, text/plain", Prometheus),
            (
                "application/openmetrics-text;q=0, text/plain;q=0",
                Prometheus,
            ),
            ("application/openmetrics-text; version=2.0.0", Prometheus),
            ("application/openmetrics-text;q=x", Prometheus),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(text_format(&headers), format, "{accept}");
        }
    }
}
