//! One invalid field of a request.

use super::kind::Kind;

/// One violation in one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the field as the gRPC contract spells it.
    pub field: String,
    /// Class of the violation.
    pub kind: Kind,
    /// What is wrong and what the limit is.
    pub message: String,
}

// === impl Violation ===

impl Violation {
    /// Names a violation in a field.
    pub fn new(field: &str, kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Violation {
            field: field.to_owned(),
            kind,
            message,
        }
    }
}
