//! Reads one table of a configuration, key by key.
//!
//! A reader asks for each key that it knows and then calls `finish`, which
//! reports the keys that nobody asked for. `None` always means that an error
//! was noted, so that readers go on and report the rest.

use std::path::PathBuf;

use secrecy::SecretString;

use super::Entries;
use super::errors::Collector;
use super::source::{Node, Table, Value};

/// Keys that differ in at most this many letters are taken for a slip.
const MAX_SLIPS: usize = 2;

/// One table of a configuration, and what of it was read.
pub(super) struct Section<'a> {
    path: String,
    unread: Table,
    known: Vec<&'static str>,
    errors: &'a Collector,
}

// === impl Section ===

impl<'a> Section<'a> {
    /// Starts at the top.
    pub(super) fn root(tree: Table, errors: &'a Collector) -> Self {
        Section {
            path: String::new(),
            unread: tree,
            known: Vec::new(),
            errors,
        }
    }

    /// Reads a key that must be there.
    pub(super) fn value<T>(&mut self, key: &'static str, read: Read<T>) -> Option<T> {
        let Some(text) = self.text(key) else {
            self.error(key, "is missing");
            return None;
        };
        self.parsed(key, &text?, read)
    }

    /// Reads a key that has a default.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: Read<T>,
    ) -> Option<T> {
        match self.text(key) {
            None => Some(default),
            Some(text) => self.parsed(key, &text?, read),
        }
    }

    /// Reads a list of texts, or one text with commas; none when missing.
    pub(super) fn list(&mut self, key: &'static str) -> Option<Vec<String>> {
        let texts: Vec<Option<String>> = match self.take(key) {
            None => Vec::new(),
            Some(Value::Text(text)) => {
                let items = text.split(',').map(str::trim);
                let items = items.filter(|item| !item.is_empty());
                items.map(|item| Some(item.to_owned())).collect()
            }
            Some(Value::List(items)) => items.into_iter().map(text_of).collect(),
            Some(Value::Table(_)) => vec![None],
        };
        let list: Option<Vec<String>> = texts.into_iter().collect();
        if list.is_none() {
            self.error(key, "must be a list of texts");
        }
        list
    }

    /// Reads a secret from `secret_key`, or from the file that
    /// `secret_key_file` names.
    pub(super) fn secret_key(&mut self) -> Option<SecretString> {
        self.secret("secret_key", "secret_key_file")
    }

    /// Reads a secret from a key, or from the file that the other key names.
    pub(super) fn secret(&mut self, key: &'static str, file: &'static str) -> Option<SecretString> {
        let secret = match (self.text(key), self.text(file)) {
            (Some(_), Some(_)) => {
                self.error(file, format!("stands beside `{key}`; give one of them"));
                return None;
            }
            (None, None) => {
                self.error(key, format!("is missing; give it or `{file}`"));
                return None;
            }
            (Some(secret), None) => secret?,
            (None, Some(path)) => {
                let path = PathBuf::from(path?);
                self.errors.reads(path.clone());
                match std::fs::read_to_string(path) {
                    Ok(secret) => secret.trim().to_owned(),
                    Err(error) => {
                        self.error(file, format!("cannot be read: {error}"));
                        return None;
                    }
                }
            }
        };
        if secret.is_empty() {
            self.error(key, "is empty");
            return None;
        }
        Some(SecretString::from(secret))
    }

    /// Reads a list of tables, each with `read`; none when missing.
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

    /// Whether a key that is not read yet holds a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        let node = self.unread.get(key);
        node.is_some_and(|node| matches!(node.value, Value::Table(_)))
    }

    /// Enters a table; a missing one is empty.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        let path = self.full(key);
        let value = self.take(key);
        let section = value.and_then(|value| self.below(&path, value));
        section.unwrap_or(Section {
            path,
            unread: Table::new(),
            known: Vec::new(),
            errors: self.errors,
        })
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
    pub(super) fn children<T>(
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

    /// Notes an error of one key.
    pub(super) fn error(&self, key: &str, message: impl Into<String>) {
        self.errors.add(&self.full(key), message);
    }

    /// Ends the reading: what is left, nobody knows.
    pub(super) fn finish(self) {
        for key in self.unread.keys() {
            let near = self
                .known
                .iter()
                .find(|known| distance(known, key) <= MAX_SLIPS);
            let advice = match near {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.error(key, format!("unknown key; {advice}"));
        }
    }

    /// Takes a text out: absent, invalid, or there.
    #[expect(clippy::option_option, reason = "absent and invalid are not the same")]
    fn text(&mut self, key: &'static str) -> Option<Option<String>> {
        match self.take(key)? {
            Value::Text(text) => Some(Some(text)),
            Value::List(_) | Value::Table(_) => {
                self.error(key, "must be a single value, not a list or table");
                Some(None)
            }
        }
    }

    /// Reads a text that was taken out.
    pub(super) fn parsed<T>(&self, key: &str, text: &str, read: Read<T>) -> Option<T> {
        match read(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.error(key, message);
                None
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.unread.remove(key).map(|node| node.value)
    }

    fn below(&self, path: &str, value: Value) -> Option<Section<'a>> {
        let Value::Table(unread) = value else {
            self.errors.add(path, "must be a table");
            return None;
        };
        Some(Section {
            path: path.to_owned(),
            unread,
            known: Vec::new(),
            errors: self.errors,
        })
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() {
            return key.to_owned();
        }
        format!("{}.{key}", self.path)
    }
}

/// Reads a text, or says what is allowed.
pub(super) type Read<T> = fn(&str) -> Result<T, String>;

fn text_of(node: Node) -> Option<String> {
    match node.value {
        Value::Text(text) => Some(text),
        Value::List(_) | Value::Table(_) => None,
    }
}

/// Names travel in messages and log lines, so they are short and plain.
fn check_name(name: &str, path: &str, errors: &Collector) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        errors.add(
            path,
            "a name is 1 to 64 characters of a-z, A-Z, 0-9, `-`, `_`, `.`",
        );
    }
}

/// Counts the letters to insert, drop or change (Levenshtein, row by row).
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
