//! Collects the violations of a request, so that one error reports them all.

use crate::error::{Error, Kind, Violation};

/// Maximum number of violations in one error: it keeps a gRPC response under 6 KiB.
const MAX_REPORTED: usize = 16;

/// The violations found so far.
#[derive(Default)]
pub(super) struct Violations(Vec<Violation>);

// === impl Violations ===

impl Violations {
    /// Returns the checked value, or records its violation.
    pub(super) fn collect<T>(&mut self, checked: Result<T, Violation>) -> Option<T> {
        checked.map_err(|violation| self.push(violation)).ok()
    }

    /// Records an `InvalidParameter` in `field` unless `valid`.
    pub(super) fn require(&mut self, valid: bool, field: &str, message: impl FnOnce() -> String) {
        if !valid {
            self.push(Violation::new(field, Kind::InvalidParameter, message()));
        }
    }

    /// Records a `match_score` outside 0 to 1.
    pub(super) fn check_match_score(&mut self, score: f64) {
        self.require((0.0..=1.0).contains(&score), "match_score", || {
            format!("{score}; 0 to 1")
        });
    }

    /// Records a violation.
    pub(super) fn push(&mut self, violation: Violation) {
        self.0.push(violation);
    }

    /// Adds those of a part of the request.
    pub(super) fn append(&mut self, mut part: Violations) {
        self.0.append(&mut part.0);
    }

    /// Returns whether there is no violation.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes one error of the first 16 violations.
    pub(super) fn into_error(mut self) -> Error {
        self.0.truncate(MAX_REPORTED);
        Error::invalid(self.0)
    }
}
