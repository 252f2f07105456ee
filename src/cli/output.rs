//! The output of a command: results to `out`, everything else to `err`.
//!
//! Text from outside (briefs, messages of a server) may contain control characters that move the
//! cursor or change colours of a terminal, so every line passes [`printable`]. The first failed
//! write is recorded, so that a command ends when its reader is gone (`samegate list | head`) and
//! writers need not handle it.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};

use serde_json::{Value, json};

use super::failure::Failure;
use crate::printable::is_unsafe;

/// The two output streams of a command.
pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether `err` can show a progress bar.
    is_terminal: bool,
    /// The first write that failed.
    error: Option<io::Error>,
}

// === impl Output ===

impl Output {
    /// Writes to the standard streams of the process.
    pub fn standard() -> Self {
        let mut output = Output::new(io::stdout(), io::stderr());
        output.is_terminal = io::stderr().is_terminal();
        output
    }

    /// Writes to any two streams, which are not treated as a terminal.
    pub fn new(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        Output {
            out: Box::new(out),
            err: Box::new(err),
            is_terminal: false,
            error: None,
        }
    }

    /// Writes one or more lines of a result.
    pub fn line(&mut self, text: &str) {
        let written = writeln!(self.out, "{}", printable(text)).and_then(|()| self.out.flush());
        self.check(written);
    }

    /// Writes a result for a program: one JSON object on one line.
    pub fn json(&mut self, value: &Value) {
        // Not `line`: JSON escapes control characters already.
        let written = writeln!(self.out, "{value}").and_then(|()| self.out.flush());
        self.check(written);
    }

    /// Writes one or more lines of messages to `err`.
    pub fn note(&mut self, text: &str) {
        let written = writeln!(self.err, "{}", printable(text));
        self.check(written);
    }

    /// Writes the error of the command.
    pub(super) fn failure(&mut self, failure: &Failure, json: bool) {
        if json {
            self.json(&json!({ "error": failure.to_json() }));
        } else {
            self.note(&format!("error: {failure}"));
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Returns whether a write failed, usually because the reader is gone.
    pub(super) fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Writes why a write failed, unless the reader is gone.
    pub(super) fn report_error(&mut self) {
        let Some(error) = &self.error else {
            return;
        };
        if error.kind() != ErrorKind::BrokenPipe {
            let text = format!("error: cannot write the output: {error}");
            self.note(&text.to_lowercase());
        }
    }

    fn check(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}

/// Escapes control and bidirectional characters, except line ends and tabs.
fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_unsafe(c) && c != '\n' && c != '\t')
}

/// Escapes what a table cell must not contain: also line ends and tabs, which would forge rows and
/// columns.
fn cell(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe)
}

fn escaped(text: &str, is_unsafe: fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Formats rows as columns, each as wide as its widest cell, two spaces apart. A row is one line,
/// whatever its cells contain.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cow<'_, str>>> = rows
        .iter()
        .map(|row| row.iter().map(|text| cell(text)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; columns];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut lines = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// Formats tags as `7,8`.
pub(super) fn tags(tags: &[u32]) -> String {
    tags.iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

/// Formats a size in decimal SI units.
pub(super) fn bytes(size: u64) -> String {
    let mut value = size;
    let mut remainder = 0;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000 {
            return match unit {
                "B" => format!("{value} B"),
                _ => format!("{value}.{} {unit}", remainder / 100),
            };
        }
        remainder = value % 1000;
        value /= 1000;
    }
    format!("{value}.{} TB", remainder / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\r\u{9b}"), "a\\u{1b}[31mb\\r\\u{9b}");
        assert_eq!(printable("图片\tone\ntwo"), "图片\tone\ntwo");
        assert_eq!(printable("a\u{202e}b\u{2066}c"), "a\\u{202e}b\\u{2066}c");
    }

    #[test]
    fn a_hostile_brief_cannot_forge_a_row_or_a_column() {
        let rows = [vec![
            "1,2".to_owned(),
            "a\n3,4  b\tc\r\u{202e}d\u{2069}".to_owned(),
        ]];

        assert_eq!(table(&rows), "1,2  a\\n3,4  b\\tc\\r\\u{202e}d\\u{2069}");
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_spaces() {
        let rows = [
            vec!["SIGN".to_owned(), "TAGS".to_owned()],
            vec!["0123456".to_owned(), String::new()],
        ];

        assert_eq!(table(&rows), "SIGN     TAGS\n0123456");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_250), "1.2 kB");
        assert_eq!(bytes(3_145_728), "3.1 MB");
        assert_eq!(bytes(7_900_000_000_000), "7.9 TB");
    }
}
