//! Reads the calls of the macros of `tracing` from a source file.

/// One call of a macro of `tracing`.
pub(super) struct LogCall<'a> {
    /// Name of the macro: `info`, `warn`, `info_span`, …
    pub(super) level: &'a str,
    /// Names of its fields, in order.
    pub(super) fields: Vec<&'a str>,
    /// Its message, where it is a literal.
    pub(super) message: Option<String>,
}

impl LogCall<'_> {
    /// Returns whether the event is printed at the default level.
    pub(super) fn is_for_operators(&self) -> bool {
        ["error", "warn", "info"].contains(&self.level)
    }
}

/// Returns the calls in a file, in order, without those in its tests, which end the file.
pub(super) fn calls(text: &str) -> Vec<LogCall<'_>> {
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let mut calls = Vec::new();
    for (at, _) in text.match_indices("tracing::") {
        let call = &text[at + "tracing::".len()..];
        let name = call.split(|c: char| !is_name(c)).next().unwrap_or_default();
        let is_macro =
            ["error", "warn", "info", "debug", "trace"].contains(&name.trim_end_matches("_span"));
        if let Some(rest) = call[name.len()..].strip_prefix("!(").filter(|_| is_macro) {
            let arguments = arguments(rest);
            let message = arguments.iter().find_map(|argument| literal(argument));
            calls.push(LogCall {
                level: name,
                fields: arguments.into_iter().filter_map(field_name).collect(),
                message: message.filter(|_| !name.ends_with("_span")),
            });
        }
    }
    calls
}

/// Splits the arguments of a call at the commas of the outer level.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut is_quoted, mut start) = (0_usize, false, 0);
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                found.push(text[start..at].trim());
                return found;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// Returns the name in `name`, `%name`, `?name` or `name = value`; a message and `target:` have
/// none.
fn field_name(argument: &str) -> Option<&str> {
    let name = argument
        .split('=')
        .next()?
        .trim()
        .trim_start_matches(['%', '?']);
    let is_field = !name.is_empty() && name.chars().all(|c| is_name(c) || c == '.');
    is_field.then_some(name)
}

/// Returns the text of a string literal, its line breaks joined as the compiler joins them.
fn literal(argument: &str) -> Option<String> {
    let text = argument.strip_prefix('"')?.strip_suffix('"')?;
    let lines: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
    Some(lines.concat())
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[test]
fn every_form_of_a_field_is_read() {
    let text = r#"tracing::warn!(%error, wait_ms = f(a, b), ?state, "says, {}", x.y());
        tracing::info_span!("request", path, id = %id); tracing::Span::current();"#;

    let calls = calls(text);

    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].fields, ["error", "wait_ms", "state"]);
    assert_eq!(calls[0].message.as_deref(), Some("says, {}"));
    assert_eq!(calls[1].fields, ["path", "id"]);
    assert_eq!(calls[1].message, None);
}
