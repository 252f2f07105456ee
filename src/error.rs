//! The one error of the gateway, and the tables that give it its faces.
//!
//! A violation is classified once, where it happens, as a [`Kind`]. Everything
//! else follows from the table below: the gRPC code and reason, the code that
//! the same_hq wire format uses, who is to blame, whether a repeat helps.
//! Messages are for callers: they never hold a token, a key, an upstream body,
//! an upstream address or image bytes.

mod kind;
mod table;
mod violation;

use std::fmt;
use std::time::Duration;

pub use self::kind::{Kind, Origin, Retry};
pub use self::violation::Violation;

/// Result of everything that can fail on the way of a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A failed request: what happened, for whom, and what to do about it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    details: Box<Details>,
}

/// What an [`Error`] carries beside its kind and message.
#[derive(Debug, Default)]
struct Details {
    violations: Vec<Violation>,
    cont_sign: Option<String>,
    vendor: Option<VendorCode>,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

/// How the vendor named a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorCode {
    /// `error_code` of the response.
    pub code: i64,
    /// `log_id` of the response, where it carried one.
    pub log_id: Option<u64>,
}

// === impl Error ===

impl Error {
    /// Makes an error; `message` is shown to the caller.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let details = Box::default();
        Error {
            kind,
            message: message.into(),
            details,
        }
    }

    /// Makes the error for an invalid request; it takes the kind of the first
    /// violation, and its message names every one.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let kind = violations
            .first()
            .map_or(Kind::InvalidParameter, |first| first.kind);
        let mut message = String::new();
        for violation in &violations {
            let separator = if message.is_empty() { "" } else { "; " };
            message.push_str(&format!(
                "{separator}`{}`: {}",
                violation.field, violation.message
            ));
        }
        let mut error = Error::new(kind, message);
        error.details.violations = violations;
        error
    }

    /// Makes the error for the vendor's `error_code`.
    pub fn vendor(code: i64, message: &str, log_id: Option<u64>) -> Self {
        let mut error = Error::new(
            Kind::of_vendor_code(code),
            format!("the vendor answered {code}: {message}"),
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

    /// Attaches how long the caller should wait before a repeat.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.details.retry_after = Some(wait);
        self
    }

    /// Copies the error for another item of the same request; the cause stays
    /// with the original.
    #[must_use]
    pub fn without_source(&self) -> Error {
        let details = Details {
            violations: self.details.violations.clone(),
            cont_sign: self.details.cont_sign.clone(),
            vendor: self.details.vendor,
            retry_after: self.details.retry_after,
            source: None,
        };
        Error {
            kind: self.kind,
            message: self.message.clone(),
            details: Box::new(details),
        }
    }

    /// Class of the failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What went wrong, for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// ConfigErrors of the request, in the order of its fields.
    pub fn violations(&self) -> &[Violation] {
        &self.details.violations
    }

    /// Sign of the stored image that stands in the way.
    pub fn cont_sign(&self) -> Option<&str> {
        self.details.cont_sign.as_deref()
    }

    /// How the vendor named the failure.
    pub fn vendor_code(&self) -> Option<VendorCode> {
        self.details.vendor
    }

    /// How long to wait before a repeat; `None` where a repeat does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        let by_kind = match self.kind.retry() {
            Retry::Never => None,
            // Rates are per second, so the window has moved on after one.
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
        let source = self.details.source.as_deref()?;
        Some(source)
    }
}

/// Tells an error and its causes in one line, as each tells one level only.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_request_names_all_its_violations() {
        let error = Error::invalid(vec![
            Violation::new("tags", Kind::InvalidParameter, "3 tags; at most 2"),
            Violation::new("brief", Kind::ParameterTooLong, "257 bytes; at most 256"),
        ]);

        assert_eq!(
            error.to_string(),
            "`tags`: 3 tags; at most 2; `brief`: 257 bytes; at most 256"
        );
        assert_eq!(error.kind(), Kind::InvalidParameter);
    }
}
