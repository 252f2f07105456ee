//! Reads any text as a configuration file, and the lines behind its first zero byte as environment
//! variables: it is read, or every error has a text.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use samegate::config::{Overrides, load};

fuzz_target!(|text: &str| {
    let (file_text, variables) = text.split_once('\0').unwrap_or((text, ""));
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), file_text).expect("a writable file");
    let variables: BTreeMap<_, _> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (format!("SAMEGATE_{name}"), value.to_owned()))
        .collect();
    if let Err(errors) = load(Some(file.path()), &variables, &Overrides::default()) {
        assert!(!errors.to_string().trim().is_empty());
    }
});
