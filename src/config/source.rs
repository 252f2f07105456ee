//! Lays the layers of a configuration over each other into one tree.
//!
//! Every node keeps its origin, for error reports. Scalars are kept as text,
//! whatever their TOML type, so that a value from a variable and one from a
//! file are read alike. Nodes hold secrets: they have no `Debug`.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::errors::ConfigErrors;
use super::{DEFAULT, Overrides};

/// How the names of all variables of the gateway begin.
pub(super) const VARIABLE_PREFIX: &str = "SAMEGATE_";
/// Separates the levels of a key in the name of a variable.
const LEVEL: &str = "__";
/// Tables of a file that replace those of the defaults instead of merging:
/// nobody wants a default library or tenant beside the own ones.
const REPLACED: [&str; 2] = ["libraries", "tenants"];

/// Where a value came from. The order is the order of reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A file; lines count from 1, 0 is the file as a whole.
    File { name: String, line: usize },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// `config/default.toml`.
    Default,
}

/// A value and where it came from.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value of the tree.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    List(Vec<Node>),
    Table(Table),
}

/// Nodes by key.
pub(super) type Table = BTreeMap<String, Node>;

/// Reads a file; gives its name for reports, and its text.
pub(super) fn read_file(path: &Path) -> Result<(String, String), ConfigErrors> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let message = format!("cannot be read: {error}");
            Err(ConfigErrors::one(
                Origin::File { name, line: 0 },
                "",
                message,
            ))
        }
    }
}

/// Lays a file (name, text) and variables over the defaults.
pub(super) fn layered(
    file: Option<(&str, &str)>,
    variables: &BTreeMap<String, String>,
) -> Result<Table, ConfigErrors> {
    let mut tree = parse(DEFAULT, &|_| Origin::Default)?;
    if let Some((name, text)) = file {
        let layer = parse(text, &|line| Origin::File {
            name: name.to_owned(),
            line,
        })?;
        for key in REPLACED {
            if layer.contains_key(key) {
                tree.remove(key);
            }
        }
        merge(&mut tree, layer);
    }
    for (name, value) in variables {
        overlay_variable(&mut tree, name, value)?;
    }
    Ok(tree)
}

/// Lays the command line over the tree.
pub(super) fn overlay_overrides(
    tree: &mut Table,
    overrides: &Overrides,
) -> Result<(), ConfigErrors> {
    let addresses = [
        ("grpc", "--grpc", overrides.grpc),
        ("rest", "--rest", overrides.rest),
        ("admin", "--admin", overrides.admin),
    ];
    for (key, flag, address) in addresses {
        if let Some(address) = address {
            let text = Value::Text(address.to_string());
            set(tree, &["listen", key], text, &Origin::Flag(flag));
        }
    }
    let Some(data) = &overrides.data else {
        return Ok(());
    };
    let origin = Origin::Flag("--data");
    let Some(data) = data.to_str() else {
        return Err(ConfigErrors::one(origin, "", "the path is not UTF-8"));
    };
    let embedded = embedded_libraries(tree);
    let [library] = embedded.as_slice() else {
        let count = embedded.len();
        let message = format!("needs exactly one embedded library, not {count}; use a file");
        return Err(ConfigErrors::one(origin, "libraries", message));
    };
    let path = ["libraries", library, "data_dir"];
    set(tree, &path, Value::Text(data.to_owned()), &origin);
    Ok(())
}

/// Lists the origin of every key of the tree, by its full path.
pub(super) fn origins(tree: &Table) -> BTreeMap<String, Origin> {
    fn walk(path: String, node: &Node, into: &mut BTreeMap<String, Origin>) {
        match &node.value {
            Value::Text(_) => {}
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(format!("{path}[{index}]"), item, into);
                }
            }
            Value::Table(table) => {
                for (key, node) in table {
                    walk(format!("{path}.{key}"), node, into);
                }
            }
        }
        into.insert(path, node.origin.clone());
    }

    let mut origins = BTreeMap::new();
    for (key, node) in tree {
        walk(key.clone(), node, &mut origins);
    }
    origins
}

/// The node at a path of keys with dots between them.
pub(super) fn at<'a>(tree: &'a Table, path: &str) -> Option<&'a Node> {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let node = tree.get(key)?;
    match &node.value {
        _ if rest.is_empty() => Some(node),
        Value::Table(table) => at(table, rest),
        Value::Text(_) | Value::List(_) => None,
    }
}

/// Tells two states of a part apart, within one process and without keeping
/// what is in it.
pub(super) fn digest(node: Option<&Node>) -> u64 {
    fn walk(value: &Value, hasher: &mut impl Hasher) {
        match value {
            Value::Text(text) => (0_u8, text).hash(hasher),
            Value::List(items) => {
                (1_u8, items.len()).hash(hasher);
                items.iter().for_each(|item| walk(&item.value, hasher));
            }
            Value::Table(table) => {
                (2_u8, table.len()).hash(hasher);
                for (key, node) in table {
                    key.hash(hasher);
                    walk(&node.value, hasher);
                }
            }
        }
    }

    let mut hasher = DefaultHasher::new();
    if let Some(node) = node {
        walk(&node.value, &mut hasher);
    }
    hasher.finish()
}

fn parse(text: &str, origin: &dyn Fn(usize) -> Origin) -> Result<Table, ConfigErrors> {
    let line = |offset: usize| 1 + text[..offset].matches('\n').count();
    match DeTable::parse(text) {
        Ok(table) => Ok(table_of(table.get_ref(), &|offset| origin(line(offset)))),
        Err(error) => {
            // Only `message()`: the full display quotes the line, which may
            // hold a secret.
            let at = origin(error.span().map_or(0, |span| line(span.start)));
            Err(ConfigErrors::one(at, "", error.message()))
        }
    }
}

fn table_of(table: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin) -> Table {
    let entries = table.iter().map(|(key, value)| {
        let node = Node {
            value: value_of(value.get_ref(), origin),
            origin: origin(key.span().start),
        };
        (key.get_ref().to_string(), node)
    });
    entries.collect()
}

fn value_of(value: &DeValue<'_>, origin: &dyn Fn(usize) -> Origin) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Text(number.to_string()),
        DeValue::Float(number) => Value::Text(number.to_string()),
        DeValue::Boolean(truth) => Value::Text(truth.to_string()),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => {
            let node = |item: &Spanned<DeValue<'_>>| Node {
                value: value_of(item.get_ref(), origin),
                origin: origin(item.span().start),
            };
            Value::List(items.iter().map(node).collect())
        }
        DeValue::Table(table) => Value::Table(table_of(table, origin)),
    }
}

fn merge(base: &mut Table, layer: Table) {
    for (key, node) in layer {
        let below = base.get_mut(&key);
        match (below, node) {
            (
                Some(Node {
                    value: Value::Table(base),
                    origin: below,
                }),
                Node {
                    value: Value::Table(layer),
                    origin,
                },
            ) => {
                *below = origin;
                merge(base, layer);
            }
            (_, node) => {
                base.insert(key, node);
            }
        }
    }
}

fn overlay_variable(tree: &mut Table, name: &str, value: &str) -> Result<(), ConfigErrors> {
    let Some(key) = name.strip_prefix(VARIABLE_PREFIX) else {
        return Ok(());
    };
    // Every setting has two levels or more; other variables are not ours.
    if !key.contains(LEVEL) {
        return Ok(());
    }
    let origin = Origin::Variable(name.to_owned());
    let key = key.to_lowercase();
    let path: Vec<&str> = key.split(LEVEL).collect();
    let value = if value.starts_with('[') {
        let parsed = DeValue::parse(value).map_err(|error| {
            ConfigErrors::one(
                origin.clone(),
                "",
                format!("is no list: {}", error.message()),
            )
        })?;
        value_of(parsed.get_ref(), &|_| origin.clone())
    } else {
        Value::Text(value.to_owned())
    };
    set(tree, &path, value, &origin);
    Ok(())
}

/// Sets the value at a path, making tables on the way.
fn set(table: &mut Table, path: &[&str], value: Value, origin: &Origin) {
    let [first, rest @ ..] = path else {
        return;
    };
    let key = existing_key(table, first).unwrap_or_else(|| (*first).to_owned());
    let node = table.entry(key).or_insert_with(|| Node {
        value: Value::Table(Table::new()),
        origin: origin.clone(),
    });
    set_node(node, rest, value, origin);
}

fn set_node(node: &mut Node, path: &[&str], value: Value, origin: &Origin) {
    let [first, rest @ ..] = path else {
        *node = Node {
            value,
            origin: origin.clone(),
        };
        return;
    };
    match &mut node.value {
        Value::Table(table) => set(table, path, value, origin),
        Value::List(items) => {
            let item = first
                .parse()
                .ok()
                .and_then(|index: usize| items.get_mut(index));
            if let Some(item) = item {
                set_node(item, rest, value, origin);
                return;
            }
            replace_by_table(node, path, value, origin);
        }
        Value::Text(_) => replace_by_table(node, path, value, origin),
    }
}

/// A path that leads into a text or past a list's end names a key that nobody
/// knows: as a table, the readers report it.
fn replace_by_table(node: &mut Node, path: &[&str], value: Value, origin: &Origin) {
    let mut table = Table::new();
    set(&mut table, path, value, origin);
    *node = Node {
        value: Value::Table(table),
        origin: origin.clone(),
    };
}

/// Finds the key that a part of a variable's name means: variables have
/// neither lower case nor `-`.
fn existing_key(table: &Table, part: &str) -> Option<String> {
    let plain = |key: &str| key.to_lowercase().replace('-', "_");
    if table.contains_key(part) {
        return Some(part.to_owned());
    }
    table.keys().find(|key| plain(key) == part).cloned()
}

fn embedded_libraries(tree: &Table) -> Vec<String> {
    let Some(Node {
        value: Value::Table(libraries),
        ..
    }) = tree.get("libraries")
    else {
        return Vec::new();
    };
    let embedded = libraries.iter().filter(|(_, library)| {
        let Value::Table(library) = &library.value else {
            return false;
        };
        let backend = library.get("backend").map(|node| &node.value);
        matches!(backend, Some(Value::Text(backend)) if backend == "embedded")
    });
    embedded.map(|(name, _)| name.clone()).collect()
}

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line: 0 } => write!(f, "{name}"),
            Origin::File { name, line } => write!(f, "{name}:{line}"),
            Origin::Variable(name) => write!(f, "variable {name}"),
            Origin::Flag(flag) => write!(f, "{flag}"),
            Origin::Default => write!(f, "default"),
        }
    }
}
