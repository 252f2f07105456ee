//! Holds the sources against the map in ARCHITECTURE.md.
//!
//! Read as text, line by line: who imports whom among the modules at the top
//! of `src/`, which module alone names an outside crate, how long files are,
//! what log fields are called. A rule here is a decision; change it together
//! with the map.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use samegate::telemetry::names::FIELDS;

/// Longest source file in lines; past 300 ask why, past this split it.
const MAX_LINES: usize = 500;

/// What each module at the top of `src/` may import from this package.
const MAY_IMPORT: [(&str, &[&str]); 22] = [
    ("lib", &[]),
    (
        "main",
        &["app", "cli", "config", "error", "telemetry", "watch"],
    ),
    (
        "app",
        &[
            "admin",
            "admission",
            "config",
            "call",
            "domain",
            "error",
            "grpc",
            "library",
            "middleware",
            "quota",
            "replicas",
            "rest",
            "server",
            "telemetry",
        ],
    ),
    (
        "server",
        &[
            "config",
            "call",
            "domain",
            "error",
            "jitter",
            "telemetry",
            "watch",
        ],
    ),
    (
        "admin",
        &["admission", "config", "library", "quota", "telemetry"],
    ),
    (
        "grpc",
        &[
            "admission",
            "call",
            "domain",
            "error",
            "library",
            "proto",
            "quota",
        ],
    ),
    (
        "rest",
        &["config", "call", "domain", "error", "library", "wire"],
    ),
    ("cli", &["error", "proto"]),
    (
        "middleware",
        &[
            "admission",
            "config",
            "call",
            "domain",
            "error",
            "quota",
            "telemetry",
        ],
    ),
    ("quota", &["config", "error", "replicas"]),
    ("replicas", &["config", "error"]),
    ("admission", &["error"]),
    (
        "library",
        &[
            "config",
            "call",
            "domain",
            "error",
            "jitter",
            "replicas",
            "telemetry",
            "wire",
        ],
    ),
    ("wire", &["error"]),
    ("jitter", &[]),
    ("domain", &["error"]),
    ("telemetry", &["config"]),
    ("watch", &[]),
    ("config", &[]),
    ("call", &[]),
    ("error", &[]),
    ("proto", &[]),
];

/// Outside names that belong to some modules (or files) only.
const ONLY_IN: [(&str, &[&str]); 22] = [
    ("axum", &["app", "rest", "admin", "server"]),
    ("clap", &["cli", "main"]),
    ("clap_complete", &["cli", "main"]),
    ("indicatif", &["cli"]),
    ("glob", &["cli"]),
    (
        "reqwest",
        &["library/rest", "library/embedded", "middleware/auth"],
    ),
    ("jsonwebtoken", &["middleware/auth"]),
    ("redis", &["replicas"]),
    ("moka", &["library/rest"]),
    ("same_image", &["library/embedded"]),
    ("tracing_subscriber", &["telemetry"]),
    ("tracing_opentelemetry", &["telemetry"]),
    ("opentelemetry", &["telemetry"]),
    ("prometheus_client", &["telemetry", "admin", "server"]),
    ("rustls", &["server", "cli/key"]),
    ("tokio_rustls", &["server"]),
    ("toml", &["config"]),
    ("std::env", &["config"]),
    ("tonic_health", &["grpc", "app", "cli"]),
    ("tonic_reflection", &["grpc"]),
    ("same_image_service_server", &["grpc"]),
    ("same_image_service_client", &["cli"]),
];

#[test]
fn modules_import_only_what_the_map_allows() {
    let mut broken = Vec::new();
    for file in sources() {
        let allowed = MAY_IMPORT
            .iter()
            .find(|(module, _)| *module == file.module());
        let Some((module, allowed)) = allowed else {
            broken.push(format!("{}: module not in the map", file.path));
            continue;
        };
        for (number, line) in file.code() {
            for import in own_modules(line) {
                if import != *module && !allowed.contains(&import) {
                    let path = &file.path;
                    broken.push(format!(
                        "{path}:{number}: `{module}` may not import `{import}`"
                    ));
                }
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn outside_crates_stay_behind_their_module() {
    let mut broken = Vec::new();
    for file in sources() {
        for (number, line) in file.code() {
            for (name, places) in ONLY_IN {
                let inside = places.iter().any(|place| file.is_in(place));
                if !inside && names_path(line, name) {
                    let (path, places) = (&file.path, places.join(", "));
                    broken.push(format!(
                        "{path}:{number}: `{name}` belongs to {places} only"
                    ));
                }
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn the_map_has_no_module_that_is_gone() {
    let present: BTreeSet<String> = sources()
        .iter()
        .map(|file| file.module().to_owned())
        .collect();
    let mapped: BTreeSet<String> = MAY_IMPORT
        .iter()
        .map(|(module, _)| (*module).to_owned())
        .collect();

    assert_eq!(mapped, present);
}

#[test]
fn log_fields_are_named_in_one_list() {
    let mut broken = Vec::new();
    for file in sources() {
        for field in log_fields(&file.text) {
            if !FIELDS.contains(&field) {
                broken.push(format!(
                    "{}: `{field}` is not in telemetry::names::FIELDS",
                    file.path
                ));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn files_are_short_and_modules_have_their_name() {
    let mut broken = Vec::new();
    for file in rust_files(&["src", "crates"]) {
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            broken.push(format!("{}: {lines} lines; at most {MAX_LINES}", file.path));
        }
        if file.path.ends_with("/mod.rs") {
            broken.push(format!("{}: write `x.rs` and `x/` instead", file.path));
        }
    }
    assert_none(&broken);
}

#[test]
fn modules_say_what_they_are_for() {
    let mut broken = Vec::new();
    for file in rust_files(&["src", "tests", "benches", "crates"]) {
        // `x/tests.rs` holds the tests of `x`: its name says all.
        if !file.text.starts_with("//!") && !file.path.ends_with("/tests.rs") {
            broken.push(format!("{}: begins without a `//!` header", file.path));
        }
    }
    assert_none(&broken);
}

#[test]
fn no_file_names_the_folder_of_this_checkout() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The folder around it too, unless that is the top of the file system.
    let around = root.parent().filter(|parent| parent.parent().is_some());
    let place = format!("{}/", around.unwrap_or(root).display());
    let mut broken = Vec::new();
    for file in files(&["."]) {
        if file.text.contains(&place) {
            broken.push(format!("{}: names `{place}`", file.path));
        }
    }
    assert_none(&broken);
}

/// A source file; its path is relative to the root of the repository.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Module at the top of `src/` that the file belongs to.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let top = below.split('/').next().unwrap_or(below);
        top.strip_suffix(".rs").unwrap_or(top)
    }

    /// Whether the file is the module at `place`, or lies below it.
    fn is_in(&self, place: &str) -> bool {
        let module = format!("src/{place}");
        self.path == format!("{module}.rs") || self.path.starts_with(&format!("{module}/"))
    }

    /// Numbered lines without comments and without the tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        let lines = lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        lines.map(|(index, line)| {
            let code = line.split("//").next().unwrap_or(line);
            (index + 1, code)
        })
    }
}

fn sources() -> Vec<Source> {
    let sources = rust_files(&["src"]);
    assert!(!sources.is_empty(), "no sources found");
    sources
}

fn rust_files(folders: &[&str]) -> Vec<Source> {
    let mut files = files(folders);
    files.retain(|file| file.path.ends_with(".rs"));
    files
}

/// Every text file below some folders, without what builds leave behind.
fn files(folders: &[&str]) -> Vec<Source> {
    const LEFT_OUT: [&str; 5] = [".git", ".tools", "node_modules", "samegate-data", "target"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if LEFT_OUT.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).unwrap();
            let path = relative.to_string_lossy().into_owned();
            files.push(Source { path, text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Modules of this package that a line names: `crate::x` and each branch of
/// `crate::{x, y::z}`; in `main.rs` the package is called `samegate`.
fn own_modules(line: &str) -> Vec<&str> {
    let mut modules = Vec::new();
    for root in ["crate::", "samegate::"] {
        for (at, _) in line.match_indices(root) {
            // `$crate::` and `some_crate::` are other names.
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| is_name(c) || c == '$') {
                continue;
            }
            let path = &line[at + root.len()..];
            match path.strip_prefix('{') {
                Some(branches) => modules.extend(branches.split(',').filter_map(first_name)),
                None => modules.extend(first_name(path)),
            }
        }
    }
    modules.retain(|module| module.starts_with(|c: char| c.is_ascii_lowercase()));
    modules
}

fn first_name(path: &str) -> Option<&str> {
    let path = path.trim_start();
    let end = path.find(|c: char| !is_name(c)).unwrap_or(path.len());
    Some(&path[..end]).filter(|name| !name.is_empty() && *name != "self")
}

/// Whether a line uses `name` as a path or imports it.
fn names_path(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let free = !line[..at].ends_with(|c: char| is_name(c) || c == ':' || c == '.')
            || name.starts_with("same_image_service");
        free && line[at + name.len()..].starts_with("::")
    })
}

/// Names of the fields in the macros of `tracing`, in order.
fn log_fields(text: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    for (at, _) in text.match_indices("tracing::") {
        let call = &text[at + "tracing::".len()..];
        let macros = ["error", "warn", "info", "debug", "trace"];
        let name = first_name(call).unwrap_or("");
        let is_macro = macros.contains(&name.trim_end_matches("_span"));
        if let Some(rest) = call[name.len()..].strip_prefix("!(").filter(|_| is_macro) {
            fields.extend(arguments(rest).into_iter().filter_map(field_name));
        }
    }
    fields
}

/// Splits what stands in the parentheses at the commas of the outer level.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut start) = (0_usize, false, 0);
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
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

/// `name`, `%name`, `?name` or `name = value`; not a message, not `target:`.
fn field_name(argument: &str) -> Option<&str> {
    let name = argument.split('=').next()?.trim();
    let name = name.trim_start_matches(['%', '?']);
    let plain = !name.is_empty() && name.chars().all(|c| is_name(c) || c == '.');
    Some(name).filter(|_| plain)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    assert_eq!(own_modules("use crate::domain::{Add, Delete};"), ["domain"]);
    assert_eq!(
        own_modules("use crate::{admin, grpc::NAME};"),
        ["admin", "grpc"]
    );
    assert_eq!(
        own_modules("    x(crate::error::Kind::Internal, crate::wire::y)"),
        ["error", "wire"]
    );
    assert!(own_modules("use other_crate::domain; $crate::wire").is_empty());
    assert!(names_path("use axum::Router;", "axum"));
    assert!(!names_path("use my_axum::Router;", "axum"));
}

#[test]
fn the_reader_of_log_fields_sees_every_form() {
    let text = r#"tracing::warn!(%error, wait_ms = f(a, b), ?state, "says, {}", x.y());
        tracing::info_span!("request", path, id = %id); tracing::Span::current();"#;

    assert_eq!(
        log_fields(text),
        ["error", "wait_ms", "state", "path", "id"]
    );
}
