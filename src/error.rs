//! The one error type of the gateway.
//!
//! A failure is classified once, where it happens, as a [`Kind`]. Everything else is read from one
//! table (`error/table.rs`): reason, gRPC code, same_hq code, who has to act, whether a retry can
//! help. Messages are for callers: they never hold a token, a key, an upstream body, an upstream
//! address or image bytes.

mod kind;
mod rejection;
mod table;
mod violation;

use std::fmt;
use std::time::Duration;

pub use self::kind::{Kind, Origin, Retry};
pub use self::rejection::Rejection;
pub use self::violation::Violation;

/// Result of every step of a request that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A failed request: its class, a message for the caller, and details for both APIs.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    details: Box<Details>,
}

/// The part of an [`Error`] that is usually empty; boxed to keep `Result` small.
#[derive(Debug, Default)]
struct Details {
    violations: Vec<Violation>,
    cont_sign: Option<String>,
    vendor: Option<VendorCode>,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

/// The vendor's own code for a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorCode {
    /// `error_code` of the response.
    pub code: i64,
    /// `log_id` of the response; `None` when the response has none.
    pub log_id: Option<u64>,
}

// === impl Error ===

impl Error {
    /// Makes an error; `message` is shown to the caller.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            details: Box::default(),
        }
    }

    /// Makes the error for a request with one or more invalid fields.
    ///
    /// Its kind is that of the first violation, its message lists them all.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let kind = violations
            .first()
            .map_or(Kind::InvalidParameter, |first| first.kind);
        let messages: Vec<_> = violations.iter().map(ToString::to_string).collect();
        let mut error = Error::new(kind, messages.join("; "));
        error.details.violations = violations;
        error
    }

    /// Makes the error for a request with one invalid field.
    pub fn violation(field: &str, kind: Kind, message: impl Into<String>) -> Self {
        Violation::new(field, kind, message).into()
    }

    /// Makes the error for an `error_code` of the vendor.
    pub fn vendor(code: i64, message: &str, log_id: Option<u64>) -> Self {
        let mut error = Error::new(
            Kind::from_vendor_code(code),
            format!("the vendor returned {code}: {message}"),
        );
        error.details.vendor = Some(VendorCode { code, log_id });
        error
    }

    /// Attaches the cause, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.details.source = Some(source.into());
        self
    }

    /// Attaches the sign of the stored image.
    #[must_use]
    pub fn with_cont_sign(mut self, cont_sign: impl Into<String>) -> Self {
        self.details.cont_sign = Some(cont_sign.into());
        self
    }

    /// Attaches how long the caller should wait before a retry.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.details.retry_after = Some(wait);
        self
    }

    /// Copies the error for another item of the same request, without the cause, which cannot be
    /// cloned.
    #[must_use]
    pub fn without_source(&self) -> Error {
        Error {
            kind: self.kind,
            message: self.message.clone(),
            details: Box::new(Details {
                violations: self.details.violations.clone(),
                cont_sign: self.details.cont_sign.clone(),
                vendor: self.details.vendor,
                retry_after: self.details.retry_after,
                source: None,
            }),
        }
    }

    /// Returns the class of the failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the message for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the invalid fields of the request, in the order of its fields.
    pub fn violations(&self) -> &[Violation] {
        &self.details.violations
    }

    /// Returns the sign of the stored image that the failure is about.
    pub fn cont_sign(&self) -> Option<&str> {
        self.details.cont_sign.as_deref()
    }

    /// Returns the vendor's own code for the failure.
    pub fn vendor_code(&self) -> Option<VendorCode> {
        self.details.vendor
    }

    /// Returns how long to wait before a retry; `None` where a retry does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        let by_kind = match self.kind.retry() {
            Retry::Never => None,
            // Rates are per second, so the next window begins within one second.
            Retry::NextWindow | Retry::Backoff | Retry::Few => Some(Duration::from_secs(1)),
            Retry::Once | Retry::NewToken => Some(Duration::from_millis(100)),
        };
        self.details.retry_after.or(by_kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.details.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Error::invalid(vec![violation])
    }
}

/// Writes an error and its causes in one line; `Display` of each error writes only its own level.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_an_invalid_request_lists_every_violation() {
        let error = Error::invalid(vec![
            Violation::new("tags", Kind::InvalidParameter, "3 tags; max 2"),
            Violation::new("brief", Kind::ParameterTooLong, "257 bytes; max 256"),
        ]);

        assert_eq!(
            error.to_string(),
            "`tags`: 3 tags; max 2; `brief`: 257 bytes; max 256"
        );
        assert_eq!(error.kind(), Kind::InvalidParameter);
    }
}
