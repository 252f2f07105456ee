//! Reads one table of a configuration, key by key.
//!
//! A reader asks for each key that it knows and then calls `finish`, which reports the keys that
//! were not asked for. `None` always means that an error has been reported, so that readers
//! continue and report the other errors too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use super::errors::ErrorCollector;
use super::tree::{Node, Table, Value};

/// Maximum edit distance at which a known key is suggested for an unknown one.
const MAX_SUGGESTION_DISTANCE: usize = 2;
/// Maximum length of the names of libraries and tenants.
const MAX_NAME_BYTES: usize = 64;

/// Entries by name; `None` is an entry with errors of its own.
pub(super) type Entries<T> = BTreeMap<String, Option<T>>;

/// Parses a text, or returns a message that says what is allowed.
pub(super) type Parse<T> = fn(&str) -> Result<T, String>;

/// One table of a configuration, and which of its keys have been read.
pub(super) struct Section<'a> {
    path: String,
    unread: Table,
    known: Vec<&'static str>,
    errors: &'a ErrorCollector,
}

// === impl Section ===

impl<'a> Section<'a> {
    /// Makes the section of the whole tree.
    pub(super) fn root(tree: Table, errors: &'a ErrorCollector) -> Self {
        Section::new(String::new(), tree, errors)
    }

    fn new(path: String, unread: Table, errors: &'a ErrorCollector) -> Self {
        Section {
            path,
            unread,
            known: Vec::new(),
            errors,
        }
    }

    /// Reads a key that must be given.
    pub(super) fn required<T>(&mut self, key: &'static str, parse: Parse<T>) -> Option<T> {
        let Some(text) = self.text(key) else {
            self.error(key, "is missing");
            return None;
        };
        self.parsed(key, &text?, parse)
    }

    /// Reads a key that has a default.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: Parse<T>,
    ) -> Option<T> {
        match self.text(key) {
            None => Some(default),
            Some(text) => self.parsed(key, &text?, parse),
        }
    }

    /// Reads a list of texts, or one text with commas; empty when missing.
    pub(super) fn list(&mut self, key: &'static str) -> Option<Vec<String>> {
        let texts: Option<Vec<String>> = match self.take(key) {
            None => Some(Vec::new()),
            Some(Value::Text(text)) => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
            Some(Value::List(items)) => items.into_iter().map(text_of).collect(),
            Some(Value::Table(_)) => None,
        };
        if texts.is_none() {
            self.error(key, "must be a list of texts");
        }
        texts
    }

    /// Reads a secret from `secret_key`, or from the file that `secret_key_file` names.
    pub(super) fn secret_key(&mut self) -> Option<SecretString> {
        self.secret("secret_key", "secret_key_file")
    }

    /// Reads a secret from a key, or from the file that the other key names.
    pub(super) fn secret(&mut self, key: &'static str, file: &'static str) -> Option<SecretString> {
        let secret = match (self.text(key), self.text(file)) {
            (Some(_), Some(_)) => {
                self.error(
                    file,
                    format!("is given together with `{key}`; give only one"),
                );
                return None;
            }
            (None, None) => {
                self.error(key, format!("is missing; give it or `{file}`"));
                return None;
            }
            (Some(secret), None) => secret?,
            (None, Some(path)) => self.read_secret_file(file, path?.into())?,
        };
        if secret.is_empty() {
            self.error(key, "is empty");
            return None;
        }
        Some(SecretString::from(secret))
    }

    /// Reads a secret that may be missing, as [`Section::secret`] does.
    #[expect(clippy::option_option, reason = "absent and invalid are different")]
    pub(super) fn optional_secret(
        &mut self,
        key: &'static str,
        file: &'static str,
    ) -> Option<Option<SecretString>> {
        if self.holds(key) || self.holds(file) {
            return self.secret(key, file).map(Some);
        }
        self.known.extend([key, file]);
        Some(None)
    }

    /// Reads the text of a file that a key names; the key may be missing.
    #[expect(clippy::option_option, reason = "absent and invalid are different")]
    pub(super) fn optional_file(&mut self, key: &'static str) -> Option<Option<String>> {
        match self.text(key) {
            None => Some(None),
            Some(path) => self.read_secret_file(key, path?.into()).map(Some),
        }
    }

    fn read_secret_file(&self, key: &str, path: PathBuf) -> Option<String> {
        self.errors.push_file(path.clone());
        match std::fs::read_to_string(path) {
            Ok(secret) => Some(secret.trim().to_owned()),
            Err(error) => {
                self.error(key, format!("cannot be read: {error}"));
                None
            }
        }
    }

    /// Reads a list of tables, each with `read`; empty when missing.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        read: fn(Section<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = match self.take(key) {
            None => Vec::new(),
            Some(Value::List(items)) => items,
            Some(Value::Text(_) | Value::Table(_)) => {
                self.error(key, "must be a list of tables");
                return None;
            }
        };
        let mut read_items = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let section = self.below(&format!("{}[{index}]", self.full(key)), item.value);
            read_items.push(section.and_then(read));
        }
        read_items.into_iter().collect()
    }

    /// Returns whether the table has a key that is not read yet.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.unread.contains_key(key)
    }

    /// Returns whether a key that is not read yet holds a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        let node = self.unread.get(key);
        node.is_some_and(|node| matches!(node.value, Value::Table(_)))
    }

    /// Enters a table; a missing one is empty.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        let path = self.full(key);
        let section = self.take(key).and_then(|value| self.below(&path, value));
        section.unwrap_or_else(|| Section::new(path, Table::new(), self.errors))
    }

    /// Reads a table that may be missing.
    pub(super) fn optional_section<T>(
        &mut self,
        key: &'static str,
        read: fn(Section<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        let path = self.full(key);
        match self.take(key) {
            None => Some(None),
            Some(value) => self.below(&path, value).and_then(read).map(Some),
        }
    }

    /// Reads a table of named tables, each with `read`.
    pub(super) fn named_tables<T>(
        &mut self,
        key: &'static str,
        read: fn(Section<'a>) -> Option<T>,
    ) -> Entries<T> {
        let parent = self.section(key);
        let mut entries = Entries::new();
        for (name, node) in parent.unread {
            let path = format!("{}.{name}", parent.path);
            check_name(&name, &path, self.errors);
            let section = self.below(&path, node.value);
            entries.insert(name, section.and_then(read));
        }
        entries
    }

    /// Parses the text of a key.
    pub(super) fn parsed<T>(&self, key: &str, text: &str, parse: Parse<T>) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.error(key, message);
                None
            }
        }
    }

    /// Reports an error of one key.
    pub(super) fn error(&self, key: &str, message: impl Into<String>) {
        self.errors.push(&self.full(key), message);
    }

    /// Reports the keys that were not read: they are unknown.
    pub(super) fn finish(self) {
        for key in self.unread.keys() {
            let near = self
                .known
                .iter()
                .find(|known| distance(known, key) <= MAX_SUGGESTION_DISTANCE);
            let advice = match near {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.error(key, format!("unknown key; {advice}"));
        }
    }

    /// Takes a text out of the table: absent, invalid, or present.
    #[expect(clippy::option_option, reason = "absent and invalid are different")]
    fn text(&mut self, key: &'static str) -> Option<Option<String>> {
        match self.take(key)? {
            Value::Text(text) => Some(Some(text)),
            Value::List(_) | Value::Table(_) => {
                self.error(key, "must be a single value, not a list or table");
                Some(None)
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.unread.remove(key).map(|node| node.value)
    }

    fn below(&self, path: &str, value: Value) -> Option<Section<'a>> {
        let Value::Table(table) = value else {
            self.errors.push(path, "must be a table");
            return None;
        };
        Some(Section::new(path.to_owned(), table, self.errors))
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() {
            return key.to_owned();
        }
        format!("{}.{key}", self.path)
    }
}

fn text_of(node: Node) -> Option<String> {
    match node.value {
        Value::Text(text) => Some(text),
        Value::List(_) | Value::Table(_) => None,
    }
}

/// Checks a name: messages, log lines and labels contain names, so they are short and plain.
fn check_name(name: &str, path: &str, errors: &ErrorCollector) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(plain) {
        errors.push(
            path,
            "a name is 1 to 64 characters of a-z, A-Z, 0-9, `-`, `_`, `.`",
        );
    }
}

/// Returns the Levenshtein distance, computed row by row.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.chars().enumerate() {
            let change = diagonal + usize::from(l != r);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.chars().count()]
}
