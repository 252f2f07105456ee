//! The values of a configuration as a tree, each with its origin.
//!
//! Scalars are kept as text, whatever their TOML type, so that a value from a variable and one from
//! a file are read the same way. Nodes hold secrets, so they have no `Debug`.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::errors::Origin;

/// A value and where it was set.
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

/// Returns the origin of every key of the tree, by its full path.
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

/// Returns the node at a path of keys that are separated by dots.
pub(super) fn at<'a>(tree: &'a Table, path: &str) -> Option<&'a Node> {
    let Some((key, rest)) = path.split_once('.') else {
        return tree.get(path);
    };
    match &tree.get(key)?.value {
        Value::Table(table) => at(table, rest),
        Value::Text(_) | Value::List(_) => None,
    }
}

/// Hashes a part of the tree, so that a later state can be compared without keeping the values,
/// which may be secrets. Valid within one process.
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

/// Merges `layer` into `base`: tables key by key, all else is replaced.
pub(super) fn merge(base: &mut Table, layer: Table) {
    for (key, node) in layer {
        match (base.get_mut(&key), node) {
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

/// Sets the value at a path, and makes the tables on the way.
pub(super) fn set(table: &mut Table, path: &[&str], value: Value, origin: &Origin) {
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

/// Replaces a text or a list whose end the path passes by a table: its key is unknown there, so the
/// readers report it.
fn replace_by_table(node: &mut Node, path: &[&str], value: Value, origin: &Origin) {
    let mut table = Table::new();
    set(&mut table, path, value, origin);
    *node = Node {
        value: Value::Table(table),
        origin: origin.clone(),
    };
}

/// Returns the key that a part of a variable's name means: names of variables have neither lower
/// case letters nor `-`.
fn existing_key(table: &Table, part: &str) -> Option<String> {
    let plain = |key: &str| key.to_lowercase().replace('-', "_");
    if table.contains_key(part) {
        return Some(part.to_owned());
    }
    table.keys().find(|key| plain(key) == part).cloned()
}
