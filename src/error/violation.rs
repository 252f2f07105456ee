//! One invalid field of a request.

use std::fmt;

use super::kind::Kind;

/// One invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the field, as in the gRPC contract.
    pub field: String,
    /// Class of the violation.
    pub kind: Kind,
    /// What is wrong, and the limit.
    pub message: String,
}

// === impl Violation ===

impl Violation {
    /// Makes a violation of one field.
    pub fn new(field: &str, kind: Kind, message: impl Into<String>) -> Self {
        Violation {
            field: field.to_owned(),
            kind,
            message: message.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.field, self.message)
    }
}
