//! Holds the documentation against what it describes: each key of the configuration and each error
//! reason, with the numbers that it gives them.

mod commands;
mod links;
mod rest_api;
mod symptoms;
mod tutorial;
mod upgrade;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use samegate::config::{self, FIXED};
use samegate::error::Kind;
use samegate::telemetry::names::METRICS;

/// Cells of the rows of all tables whose first cell is in backticks and whose number of columns is
/// 4, by the first cell.
pub(crate) fn rows(file: &str) -> BTreeMap<String, [String; 3]> {
    let text = read(file);
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [first, second, third, fourth] = cells[..] else {
            continue;
        };
        let Some(name) = first
            .strip_prefix('`')
            .and_then(|name| name.strip_suffix('`'))
        else {
            continue;
        };
        let cells = [second, third, fourth].map(str::to_owned);
        let doubled = rows.insert(name.to_owned(), cells);
        assert!(doubled.is_none(), "{file} has `{name}` twice");
    }
    rows
}

/// What stands under a heading, down to the next one.
pub(crate) fn section(file: &str, heading: &str) -> String {
    let text = read(file);
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap();
    section.split("\n#").next().unwrap().to_owned()
}

/// Returns the rows of the tables in a text, without their heads, by cells.
pub(crate) fn table(text: &str) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells = line.trim_matches('|').split(" | ");
        let cells: Vec<String> = cells.map(|cell| cell.trim().to_owned()).collect();
        if cells[0].starts_with("---") {
            rows.pop();
        } else {
            rows.push(cells);
        }
    }
    rows
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(path).unwrap()
}

/// Every key of config/default.toml that has a value of its own, those that are off by default too.
fn keys() -> BTreeSet<String> {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c != ' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    let text: Vec<String> = config::DEFAULT.lines().map(on).collect();
    let mut keys = BTreeSet::new();
    let all: toml::Table = text.join("\n").parse().unwrap();
    gather("", &all.into(), &mut keys);
    keys
}

fn gather(path: &str, value: &toml::Value, keys: &mut BTreeSet<String>) {
    let has_names = matches!(path, "libraries" | "tenants");
    let entry = |(key, value): (&String, &toml::Value), keys: &mut _| {
        let key = if has_names { "NAME" } else { key };
        let dot = if path.is_empty() { "" } else { "." };
        gather(&format!("{path}{dot}{key}"), value, keys);
    };
    match value {
        toml::Value::Table(table) => table.iter().for_each(|pair| entry(pair, keys)),
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            keys.insert(path.to_owned());
            let path = format!("{path}[]");
            items.iter().for_each(|item| gather(&path, item, keys));
        }
        toml::Value::Array(_)
        | toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => {
            keys.insert(path.to_owned());
        }
    }
}

/// Keys that stand for others of the default file, one or the other is given; and keys that name
/// files, which the examples there cannot do.
const ALTERNATIVES: [&str; 6] = [
    "auth.jwt.jwks_file",
    "tenants.NAME.rest_keys[].secret_key",
    "libraries.NAME.api_key",
    "libraries.NAME.ca",
    "libraries.NAME.client_certificate",
    "libraries.NAME.client_key",
];

#[test]
fn every_key_is_documented_and_no_other() {
    let mut keys = keys();
    assert!(keys.len() > 40, "{keys:?}");
    for key in ALTERNATIVES {
        let last = key.rsplit('.').next().unwrap();
        assert!(config::DEFAULT.contains(last), "{key}");
        keys.insert(key.to_owned());
    }

    let documented: BTreeSet<String> = rows("docs/configuration.md").into_keys().collect();

    assert_eq!(documented, keys);
}

#[test]
fn documented_defaults_are_those_of_the_default_file() {
    let documented = rows("docs/configuration.md");
    let defaults: toml::Table = config::DEFAULT.parse().unwrap();
    let mut compared = 0;

    for (section, values) in &defaults {
        if ["libraries", "tenants"].contains(&section.as_str()) {
            continue;
        }
        for (key, value) in values.as_table().unwrap() {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let [_, default, _] = &documented[&format!("{section}.{key}")];
            assert_eq!(*default, format!("`{value}`"), "{section}.{key}");
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared}");
}

#[test]
fn documented_reloads_are_those_that_the_gateway_makes() {
    for (key, [_, _, reload]) in rows("docs/configuration.md") {
        let fixed = FIXED.iter().any(|fixed| {
            let rest = key.strip_prefix(fixed);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let expected = if fixed { "restart" } else { "yes" };
        let word = reload.split(';').next().unwrap();
        assert_eq!(word, expected, "{key}");
    }
}

#[test]
fn every_reason_is_documented_with_its_codes() {
    let mut documented = rows("docs/operations.md");
    documented.retain(|name, _| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));

    for kind in Kind::all() {
        let row = documented.remove(kind.reason());
        let [grpc, rest, advice] = row.unwrap_or_else(|| panic!("{} is missing", kind.reason()));

        assert_eq!(grpc, upper_snake(&format!("{:?}", kind.code())));
        assert_eq!(rest, kind.same_hq().0.to_string(), "{}", kind.reason());
        assert!(advice.len() > 10, "{}: what to do?", kind.reason());
    }
    assert!(documented.is_empty(), "no such reason: {documented:?}");
}

/// A test of `/metrics` compares the types with its response.
#[test]
fn every_metric_is_documented_with_its_unit_labels_and_help() {
    let mut documented = rows("docs/operations.md");
    documented.retain(|name, _| name.starts_with("samegate_") || name.starts_with("rpc_"));

    for metric in METRICS {
        let row = documented.remove(metric.name);
        let [kind, labels, help] = row.unwrap_or_else(|| panic!("{} is missing", metric.name));

        let units = ["seconds", "bytes", "images"];
        let unit = units.into_iter().find(|unit| metric.name.contains(unit));
        assert_eq!(kind.split(", ").nth(1), unit, "{}", metric.name);
        let listed = metric.labels.iter().map(|label| format!("`{label}`"));
        let listed: Vec<String> = listed.collect();
        let none = "none".to_owned();
        let listed = Some(listed.join(", ")).filter(|labels| !labels.is_empty());
        assert_eq!(labels, listed.unwrap_or(none), "{}", metric.name);
        assert_eq!(help, metric.help);
    }
    assert!(documented.is_empty(), "no such metric: {documented:?}");
}

#[test]
fn every_attribute_and_event_of_a_span_is_documented() {
    let names = read("src/telemetry/names.rs");
    let (_, names) = names.split_once("pub mod attribute {").unwrap();
    let (names, _) = names.split_once("/// A metric").unwrap();
    let names: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 10, "{names:?}");
    let documented = section("docs/operations.md", "### Traces");

    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let mut used = BTreeSet::new();
    for folder in ["", "crates/engine/", "crates/client/"] {
        let file = &format!("{folder}Cargo.toml");
        let manifest: toml::Table = read(file).parse().unwrap();
        let targets = manifest.get("target").and_then(toml::Value::as_table);
        let targets = targets.into_iter().flat_map(toml::Table::values);
        let tables = targets.filter_map(toml::Value::as_table).chain([&manifest]);
        for table in tables {
            for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
                let dependencies = table.get(kind).and_then(toml::Value::as_table);
                let names = dependencies.into_iter().flat_map(toml::Table::keys);
                used.extend(names.cloned());
            }
        }
    }
    // Our own.
    for ours in ["same-image", "samegate", "samegate-client"] {
        assert!(used.remove(ours), "{ours}");
    }

    let table = section("CONTRIBUTING.md", "## Dependencies");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter(|row| !row.starts_with("---") && !row.starts_with("crate "));
    let mut given = BTreeSet::new();
    for row in rows {
        let (crates, why) = row.split_once(" | ").unwrap();
        assert!(why.len() > 10, "{crates}: why?");
        for name in crates.split(", ") {
            let name = name.split(' ').next().unwrap();
            assert!(given.insert(name.to_owned()), "{name} stands there twice");
        }
    }
    assert_eq!(given, used);
}

fn upper_snake(camel: &str) -> String {
    let mut name = String::new();
    for (index, letter) in camel.char_indices() {
        if index > 0 && letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
