//! The files that the architecture tests read.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file; its path is relative to the root of the repository.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// Returns whether the file is the module `module` of a source folder, or lies below it.
    pub(super) fn is_in(&self, module: &str) -> bool {
        self.path == format!("src/{module}.rs") || self.path.starts_with(&format!("src/{module}/"))
    }
}

/// Returns whether the repository has a file.
pub(super) fn exists(path: &str) -> bool {
    root().join(path).is_file()
}

/// Reads every Rust file below some folders, in the order of their paths.
pub(super) fn rust_files(folders: &[&str]) -> Vec<Source> {
    let mut files = files(folders);
    files.retain(|file| file.path.ends_with(".rs"));
    assert!(!files.is_empty(), "no sources in {folders:?}");
    files
}

/// Reads every text file below some folders, without what builds leave behind.
pub(super) fn files(folders: &[&str]) -> Vec<Source> {
    const EXCLUDED: [&str; 5] = [".git", ".tools", "node_modules", "samegate-data", "target"];
    let mut pending: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = pending.pop() {
        if EXCLUDED.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            pending.extend(entries.map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root()).unwrap();
            let path = relative.to_string_lossy().into_owned();
            files.push(Source { path, text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
