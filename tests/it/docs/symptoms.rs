//! docs/troubleshooting.md quotes messages and reasons: they are in the code.

use samegate::error::Kind;

use super::{read, table};

/// Messages of libraries.
const FOREIGN: [&str; 1] = ["received message with invalid compression flag"];

#[test]
fn symptoms_quote_messages_and_reasons_that_exist() {
    let sources = sources();
    let mut quoted = 0;
    for row in table(&read("docs/troubleshooting.md")) {
        for quote in row[0].split('`').skip(1).step_by(2) {
            let is_reason = quote.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            if is_reason && quote.contains('_') {
                assert!(Kind::all().any(|kind| kind.reason() == quote), "{quote}");
            } else if quote.contains(' ') && !FOREIGN.contains(&quote) {
                assert!(sources.contains(quote), "no such message: {quote}");
            } else {
                continue;
            }
            quoted += 1;
        }
    }
    assert!(quoted > 20, "{quoted}");
}

/// Returns all sources, with the lines of each text joined.
fn sources() -> String {
    let mut sources = String::new();
    for pattern in ["/src/**/*.rs", "/crates/*/src/**/*.rs"] {
        let files = glob::glob(&format!("{}{pattern}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for file in files {
            let text = std::fs::read_to_string(file.unwrap()).unwrap();
            let mut parts = text.split("\\\n");
            sources += parts.next().unwrap_or_default();
            parts.for_each(|part| sources += part.trim_start());
        }
    }
    sources
}
