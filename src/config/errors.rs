//! ConfigErrors of a configuration, gathered until all of it was read.
//!
//! An error names its key; where the key stands is looked up in the origins of
//! the tree, so that the readers need not carry positions around. No value is
//! ever part of an error unless its reader put it there, and readers of secrets
//! do not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::source::Origin;

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ConfigError {
    origin: Origin,
    key: String,
    message: String,
}

/// Takes errors while the configuration is read.
#[derive(Debug)]
pub(super) struct Collector {
    origins: BTreeMap<String, Origin>,
    errors: RefCell<Vec<ConfigError>>,
    /// Files that values were read from.
    files: RefCell<Vec<PathBuf>>,
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// Makes the report of an error that stands alone.
    pub(super) fn one(origin: Origin, key: &str, message: impl Into<String>) -> Self {
        let (key, message) = (key.to_owned(), message.into());
        ConfigErrors(vec![ConfigError {
            origin,
            key,
            message,
        }])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

// === impl Collector ===

impl Collector {
    pub(super) fn new(origins: BTreeMap<String, Origin>) -> Self {
        Collector {
            origins,
            errors: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Notes a file that a value is read from.
    pub(super) fn reads(&self, file: PathBuf) {
        self.files.borrow_mut().push(file);
    }

    /// Files that values were read from.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.files.borrow().clone()
    }

    /// Notes an error of a key.
    pub(super) fn add(&self, key: &str, message: impl Into<String>) {
        self.errors.borrow_mut().push(ConfigError {
            origin: self.origin(key),
            key: key.to_owned(),
            message: message.into(),
        });
    }

    /// Ends the reading: the result, or the errors in order of place.
    pub(super) fn verdict<T>(self, result: Option<T>) -> Result<T, ConfigErrors> {
        let mut errors = self.errors.into_inner();
        errors.sort();
        match result {
            Some(result) if errors.is_empty() => Ok(result),
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// Finds where a key stands: itself, or the nearest table around it.
    fn origin(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(origin) = self.origins.get(key) {
                return origin.clone();
            }
            let Some(end) = key.rfind(['.', '[']) else {
                return Origin::Default;
            };
            key = &key[..end];
        }
    }
}
