//! Holds the sources against the rules in ARCHITECTURE.md.
//!
//! The code map there says which module imports which, and which module alone uses an outside
//! crate; these tests read its tables. Files import each other in no circle, in the gateway, the engine
//! and the client. A rule is a decision: change it in ARCHITECTURE.md, with the reason in the commit.

mod cycles;
mod imports;
mod logs;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use samegate::telemetry::names::FIELDS;

use self::imports::Crate;
use self::sources::{exists, files, root, rust_files};
use crate::docs::{section, table};

/// Maximum length of a source file in lines.
const MAX_LINES: usize = 500;

#[test]
fn modules_import_only_what_the_code_map_allows() {
    let map = code_map();
    let mut violations = BTreeSet::new();
    for [from, to] in gateway().imports() {
        let (importer, imported) = (top_module(&from), top_module(&to));
        let is_allowed = importer == imported
            || match map.get(importer) {
                Some(Imports::Everything) => true,
                Some(Imports::Only(modules)) => modules.contains(imported),
                None => false,
            };
        if !is_allowed {
            violations.insert(format!("{from}: `{importer}` may not import `{imported}`"));
        }
    }
    assert_none(violations);
}

#[test]
fn the_code_map_names_every_module_and_no_other() {
    let present: BTreeSet<String> = rust_files(&["src"])
        .iter()
        .map(|file| top_module(&file.path).to_owned())
        .filter(|module| module != "lib")
        .collect();

    assert_eq!(code_map().into_keys().collect::<BTreeSet<_>>(), present);
}

#[test]
fn no_files_of_the_gateway_import_each_other() {
    assert_no_cycle(&gateway());
}

#[test]
fn no_files_of_the_engine_import_each_other() {
    assert_no_cycle(&Crate::read("crates/engine/src", &[]));
}

#[test]
fn no_files_of_the_client_import_each_other() {
    assert_no_cycle(&Crate::read("crates/client/src", &[]));
}

#[test]
fn outside_crates_are_used_only_where_the_table_says() {
    let mut violations = BTreeSet::new();
    let rules = table(&section("ARCHITECTURE.md", "### Outside crates"));
    assert!(rules.len() > 10, "{rules:?}");
    for file in rust_files(&["src"]) {
        let paths = imports::outside_paths(&file);
        for row in &rules {
            let modules: Vec<&str> = quoted(&row[1]);
            for name in quoted(&row[0]) {
                let is_used = paths.iter().any(|path| path.starts_with(name));
                if is_used && !modules.iter().any(|module| file.is_in(module)) {
                    violations.insert(format!("{}: `{name}` belongs to {modules:?}", file.path));
                }
            }
        }
    }
    assert_none(violations);
}

#[test]
fn the_way_of_one_request_names_files_that_exist() {
    let way = section("ARCHITECTURE.md", "## The way of one request");
    let steps: Vec<&str> = way
        .lines()
        .filter_map(|line| line.split_once(". `")?.1.split('`').next())
        .filter(|file| file.contains('.'))
        .collect();
    assert!(steps.len() > 20, "{steps:?}");

    for file in steps {
        assert!(exists(file), "{file}");
    }
}

#[test]
fn log_fields_are_named_in_one_list() {
    let mut violations = BTreeSet::new();
    for file in rust_files(&["src"]) {
        for call in logs::calls(&file.text) {
            for field in call.fields {
                if !FIELDS.contains(&field) {
                    let path = &file.path;
                    violations.insert(format!(
                        "{path}: `{field}` is not in telemetry::names::FIELDS"
                    ));
                }
            }
        }
    }
    assert_none(violations);
}

#[test]
fn operators_find_every_log_message_in_the_documentation() {
    let mut logged = BTreeSet::new();
    for file in rust_files(&["src", "crates/engine/src"]) {
        for call in logs::calls(&file.text) {
            if let (true, Some(message)) = (call.is_for_operators(), call.message) {
                let fields: Vec<String> = call
                    .fields
                    .iter()
                    .map(|field| format!("`{field}`"))
                    .collect();
                logged.insert([
                    format!("`{message}`"),
                    call.level.to_owned(),
                    fields.join(", "),
                ]);
            }
        }
    }
    let rows = table(&section("docs/operations.md", "### Log messages"));
    let documented: BTreeSet<[String; 3]> = rows
        .into_iter()
        .map(|row| [row[0].clone(), row[1].clone(), row[2].clone()])
        .collect();

    assert_none(
        logged
            .difference(&documented)
            .map(|row| format!("not documented: {row:?}")),
    );
    assert_none(
        documented
            .difference(&logged)
            .map(|row| format!("not logged: {row:?}")),
    );
}

#[test]
fn files_are_short_and_modules_have_their_name() {
    let mut violations = BTreeSet::new();
    for file in rust_files(&["src", "crates", "tests", "benches"]) {
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            violations.insert(format!("{}: {lines} lines; maximum {MAX_LINES}", file.path));
        }
        if file.path.ends_with("/mod.rs") {
            violations.insert(format!("{}: write `x.rs` and `x/` instead", file.path));
        }
    }
    assert_none(violations);
}

#[test]
fn modules_say_what_they_are_for() {
    let files = rust_files(&["src", "tests", "benches", "crates"]);
    // `x/tests.rs` holds the tests of `x`: its name says it.
    let missing = files
        .iter()
        .filter(|file| !file.text.starts_with("//!") && !file.path.ends_with("/tests.rs"));

    assert_none(missing.map(|file| format!("{}: begins without a `//!` header", file.path)));
}

#[test]
fn no_file_names_the_folder_of_this_checkout() {
    // The folder around it too, unless that is the top of the file system.
    let around = root().parent().filter(|parent| parent.parent().is_some());
    let folder = format!("{}/", around.unwrap_or(root()).display());
    let files = files(&["."]);
    let naming = files.iter().filter(|file| file.text.contains(&folder));

    assert_none(naming.map(|file| format!("{}: names `{folder}`", file.path)));
}

/// What a row of the code map allows.
enum Imports {
    Everything,
    Only(BTreeSet<String>),
}

fn code_map() -> BTreeMap<String, Imports> {
    let rows = table(&section("ARCHITECTURE.md", "## Code map"));
    let modules = rows.iter().filter(|row| !row[0].contains('/'));
    let map: BTreeMap<String, Imports> = modules
        .map(|row| {
            let imports = match row[2].as_str() {
                "everything" => Imports::Everything,
                "nothing" => Imports::Only(BTreeSet::new()),
                modules => Imports::Only(modules.split(", ").map(str::to_owned).collect()),
            };
            (row[0].trim_matches('`').to_owned(), imports)
        })
        .collect();
    assert!(map.len() > 10, "no code map in ARCHITECTURE.md");
    map
}

fn gateway() -> Crate {
    Crate::read("src", &["samegate"])
}

/// Returns the module at the top of `src/` that a file belongs to.
fn top_module(file: &str) -> &str {
    let below = file.strip_prefix("src/").unwrap_or(file);
    let top = below.split('/').next().unwrap_or(below);
    top.strip_suffix(".rs").unwrap_or(top)
}

/// Returns the texts in backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn assert_no_cycle(read: &Crate) {
    let imports = read.imports();
    let cycles = cycles::cycles(&imports);
    let inside = |[from, to]: &&[String; 2]| {
        cycles
            .iter()
            .any(|cycle| cycle.contains(from.as_str()) && cycle.contains(to.as_str()))
    };
    assert_none(
        imports
            .iter()
            .filter(inside)
            .map(|[from, to]| format!("{from} -> {to}")),
    );
}

fn assert_none(violations: impl IntoIterator<Item = String>) {
    let violations: Vec<String> = violations.into_iter().collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}
