//! The layers of a configuration: defaults, file, variables, command line.
//!
//! Each layer is merged over those before it into one [`tree`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::errors::{ConfigErrors, Origin};
use super::tree::{self, Node, Table, Value};

/// The default configuration: commented TOML that documents every key.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// Prefix of the gateway's environment variables.
pub(super) const VARIABLE_PREFIX: &str = "SAMEGATE_";
/// Separates the levels of a key in the name of a variable.
const LEVEL_SEPARATOR: &str = "__";
/// Tables of a file that replace those of the defaults instead of being merged: a user's libraries
/// and tenants do not include the default ones.
const REPLACED: [&str; 2] = ["libraries", "tenants"];

/// Settings from the command line; they override every other layer.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Data folder of the only embedded library.
    pub data: Option<PathBuf>,
    /// Address of the gRPC API.
    pub grpc: Option<SocketAddr>,
    /// Address of the REST API.
    pub rest: Option<SocketAddr>,
    /// Address of the admin API.
    pub admin: Option<SocketAddr>,
}

/// Reads a file; returns its name for reports, and its text.
pub(super) fn read_file(path: &Path) -> Result<(String, String), ConfigErrors> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(ConfigErrors::one(
            Origin::File { name, line: 0 },
            "",
            format!("cannot be read: {error}"),
        )),
    }
}

/// Merges a file (name, text) and variables over the defaults.
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
        tree::merge(&mut tree, layer);
    }
    for (name, value) in variables {
        overlay_variable(&mut tree, name, value)?;
    }
    Ok(tree)
}

/// Sets what the command line gives.
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
            let value = Value::Text(address.to_string());
            tree::set(tree, &["listen", key], value, &Origin::Flag(flag));
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
    tree::set(tree, &path, Value::Text(data.to_owned()), &origin);
    Ok(())
}

fn parse(text: &str, origin: &dyn Fn(usize) -> Origin) -> Result<Table, ConfigErrors> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end).collect();
    let line = |offset: usize| 1 + ends.partition_point(|end| *end < offset);
    match DeTable::parse(text) {
        Ok(table) => Ok(table_of(table.get_ref(), &|offset| origin(line(offset)))),
        Err(error) => Err(ConfigErrors::one(
            origin(error.span().map_or(0, |span| line(span.start))),
            "",
            // Not the full display: it quotes the line, which may hold a secret.
            error.message(),
        )),
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

fn overlay_variable(tree: &mut Table, name: &str, value: &str) -> Result<(), ConfigErrors> {
    let Some(key) = name.strip_prefix(VARIABLE_PREFIX) else {
        return Ok(());
    };
    // Every setting has two levels or more; other variables are no settings.
    if !key.contains(LEVEL_SEPARATOR) {
        return Ok(());
    }
    let origin = Origin::Variable(name.to_owned());
    let key = key.to_lowercase();
    let path: Vec<&str> = key.split(LEVEL_SEPARATOR).collect();
    let value = if value.starts_with('[') {
        let parsed = DeValue::parse(value).map_err(|error| {
            let message = format!("is not a list: {}", error.message());
            ConfigErrors::one(origin.clone(), "", message)
        })?;
        value_of(parsed.get_ref(), &|_| origin.clone())
    } else {
        Value::Text(value.to_owned())
    };
    tree::set(tree, &path, value, &origin);
    Ok(())
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
