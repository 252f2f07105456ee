//! Writes the fields of lines and spans as plain text, `name=value`.
//!
//! The lines are those of tracing-subscriber. Its own visitor writes a style around every name and
//! value, and formats each in four parts, also where nothing is coloured.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

/// Formats fields without colours.
pub(super) struct PlainFields;

struct FieldWriter<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    result: fmt::Result,
}

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut fields_writer = FieldWriter {
            writer,
            is_empty: true,
            result: Ok(()),
        };
        fields.record(&mut fields_writer);
        fields_writer.result
    }
}

// === impl FieldWriter ===

impl FieldWriter<'_> {
    fn write(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self
                .write_name(field)
                .and_then(|()| write(&mut self.writer));
        }
    }

    fn write_name(&mut self, field: &Field) -> fmt::Result {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.writer.write_char(' ')?;
        }
        self.writer.write_str(field.name())?;
        self.writer.write_char('=')
    }
}

impl Visit for FieldWriter<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte| matches!(byte, b' '..=b'~' if byte != b'"' && byte != b'\\');
        if field.name() == "message" || !value.bytes().all(is_plain) {
            return self.record_debug(field, &value);
        }
        self.write(field, |writer| {
            writer.write_char('"')?;
            writer.write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, |writer| write!(writer, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, |writer| write!(writer, "{value:?}"));
    }

    /// Leaves everything else to tracing-subscriber, which escapes what other crates log.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.result.is_ok() {
            let is_empty = std::mem::replace(&mut self.is_empty, false);
            let mut visitor = DefaultVisitor::new(self.writer.by_ref(), is_empty);
            visitor.record_debug(field, value);
            self.result = visitor.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    fn written(fields: impl for<'w> FormatFields<'w> + Send + Sync + 'static) -> String {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let sink = buffer.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .fmt_fields(fields)
            .with_writer(move || Sink(sink.clone()))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", path = "/a\n", id = %7, tenant = tracing::field::Empty);
            span.record("tenant", "shop \"a\"");
            let _entered = span.entered();
            let error = io::Error::other("down");
            tracing::info!(method = "a/B", bytes = 3_u64, total_ms = 1.25, "call ended");
            tracing::warn!(%error, text = ?"é", delta = -1, is = true, none = Option::<&str>::None, "failed {}", "\x1b[1m");
            tracing::warn!(error = &error as &dyn std::error::Error, "failed");
        });
        let bytes = buffer.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_those_of_tracing_subscriber() {
        let usual = written(tracing_subscriber::fmt::format::DefaultFields::new());

        assert_eq!(written(PlainFields), usual);
        assert!(usual.contains("total_ms=1.25"), "{usual}");
    }
}
