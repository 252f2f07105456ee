//! Errors and warnings of a configuration, collected until all of it has been read.
//!
//! An error names its key. [`ErrorCollector`] looks up where the key was set, so that the readers
//! need not pass positions around. An error contains no value unless its reader includes it, and
//! readers of secrets never do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a value was set. The order of the variants is the order of reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A file; lines count from 1, and 0 is the file as a whole.
    File { name: String, line: usize },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// `config/default.toml`.
    Default,
}

/// All errors of a configuration; displayed one per line.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

/// One error.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ConfigError {
    origin: Origin,
    /// Full path; empty when the error belongs to no key.
    key: String,
    message: String,
}

/// Collects errors, warnings, and the files that are read, while a configuration is read.
#[derive(Debug)]
pub(super) struct ErrorCollector {
    origins: BTreeMap<String, Origin>,
    errors: RefCell<Vec<ConfigError>>,
    warnings: RefCell<Vec<ConfigError>>,
    files: RefCell<Vec<PathBuf>>,
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

// === impl ConfigErrors ===

impl ConfigErrors {
    /// Makes the report of a single error; an empty `key` is not shown.
    pub(super) fn one(origin: Origin, key: &str, message: impl Into<String>) -> Self {
        ConfigErrors(vec![ConfigError {
            origin,
            key: key.to_owned(),
            message: message.into(),
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

// === impl ErrorCollector ===

impl ErrorCollector {
    pub(super) fn new(origins: BTreeMap<String, Origin>) -> Self {
        ErrorCollector {
            origins,
            errors: RefCell::default(),
            warnings: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Adds a file that a value is read from.
    pub(super) fn push_file(&self, file: PathBuf) {
        self.files.borrow_mut().push(file);
    }

    /// Returns the files that values were read from.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.files.borrow().clone()
    }

    /// Adds an error of a key, which is given by its full path.
    pub(super) fn push(&self, key: &str, message: impl Into<String>) {
        let error = self.error(key, message.into());
        self.errors.borrow_mut().push(error);
    }

    /// Adds a warning about a valid key, which is given by its full path.
    pub(super) fn warn(&self, key: &str, message: &str) {
        let warning = self.error(key, message.to_owned());
        self.warnings.borrow_mut().push(warning);
    }

    /// Returns the warnings as lines, ordered by origin.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.borrow_mut();
        warnings.sort();
        warnings.iter().map(ConfigError::to_string).collect()
    }

    /// Returns `value` if there are no errors, else the errors ordered by origin.
    pub(super) fn into_result<T>(self, value: Option<T>) -> Result<T, ConfigErrors> {
        let mut errors = self.errors.into_inner();
        errors.sort();
        match value {
            Some(value) if errors.is_empty() => Ok(value),
            _ => Err(ConfigErrors(errors)),
        }
    }

    fn error(&self, key: &str, message: String) -> ConfigError {
        ConfigError {
            origin: self.origin(key),
            key: key.to_owned(),
            message,
        }
    }

    /// Returns where a key was set, or for a missing key the nearest table around it.
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
