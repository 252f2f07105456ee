//! The error of a call, or of one item of a stream.
//!
//! A gRPC status is unpacked once (`error/status.rs`): code, reason, invalid fields, retry delay,
//! matches. Texts are the gateway's or say what failed on this side; they contain no key and no
//! bytes of an image.

mod status;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tonic::Code;

use crate::v1;

/// What went wrong in the function of [`crate::Image::load_with`].
pub type LoadError = Box<dyn std::error::Error + Send + Sync>;

/// Reasons for which waiting does not help, whatever the code.
const LASTING: [&str; 8] = [
    "DAILY_QUOTA_EXCEEDED",
    "DISK_FULL",
    "LIBRARY_FULL",
    "MESSAGE_TOO_LARGE",
    "QUOTA_DAY_EXCEEDED",
    "STORAGE_FAILED",
    "TOTAL_QUOTA_EXCEEDED",
    "VENDOR_PROTOCOL",
];

/// A call or an item that failed.
///
/// Of the gateway's errors, `reason` is the stable name of the cause. Errors of this side have no
/// code: `FILE_UNREADABLE`, `LOAD_FAILED`, `INVALID_ITEM`, and of the set-up `INVALID_TARGET`,
/// `INVALID_KEY` and `INVALID_TLS`.
///
/// ```
/// use std::time::Duration;
/// use samegate_client::Error;
///
/// fn next_step(error: &Error) -> &'static str {
///     match error.reason() {
///         "IMAGE_ALREADY_EXISTS" => "use error.cont_sign()",
///         _ if !error.violations().is_empty() => "change the request",
///         _ if error.is_transient() => "try again, after error.retry_after()",
///         _ => "tell the operator",
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Error(Box<Details>);

#[derive(Clone, Default)]
struct Details {
    message: String,
    code: Option<Code>,
    reason: String,
    metadata: BTreeMap<String, String>,
    violations: Vec<Violation>,
    matches: Vec<v1::Match>,
    retry_after: Option<Duration>,
    /// Whether no retry can succeed, whatever code and reason say.
    is_lasting: bool,
    /// Whether the other side speaks no gRPC.
    is_not_grpc: bool,
    /// Whether the request was not sent, since there was no connection.
    is_unsent: bool,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// An invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, as the contract names it.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

// === impl Error ===

impl Error {
    /// Returns the gRPC status code; `None` for a failure on this side.
    pub fn code(&self) -> Option<Code> {
        self.0.code
    }

    /// Returns the text for people, without the invalid fields.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the stable name of the cause, such as `IMAGE_NOT_FOUND`; empty if no gateway has
    /// responded.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Returns each invalid field of the request, up to 16.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// Returns what is known about the cause: `vendor_code`, `vendor_log_id`, `cont_sign`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.metadata
    }

    /// Returns the sign of the stored image that the error is about, if there is one.
    pub fn cont_sign(&self) -> Option<&str> {
        self.0.metadata.get("cont_sign").map(String::as_str)
    }

    /// Returns the stored images for which an image was not added, without their geometry.
    pub fn matches(&self) -> &[v1::Match] {
        &self.0.matches
    }

    /// Returns the time to wait before a retry, where one helps and the time is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns whether the same request can succeed later.
    pub fn is_transient(&self) -> bool {
        if self.0.is_lasting || LASTING.contains(&self.reason()) {
            return false;
        }
        match self.0.code {
            // Without a reason it is not the gateway's: a proxy, or a connection that broke.
            Some(Code::Internal) => self.0.reason.is_empty(),
            code => matches!(
                code,
                Some(
                    Code::Unavailable
                        | Code::ResourceExhausted
                        | Code::Aborted
                        | Code::Cancelled
                        | Code::DeadlineExceeded
                        | Code::Unknown
                )
            ),
        }
    }

    /// Returns whether the target is no gRPC port: it speaks HTTP/1, or is another API.
    pub fn is_not_grpc(&self) -> bool {
        self.0.is_not_grpc
    }

    /// Returns whether a call may be sent again, also one that changes images.
    pub(crate) fn is_retryable(&self, is_idempotent: bool) -> bool {
        match self.0.code {
            // The gateway has not carried it out. Without a reason the connection may have rejected the
            // response.
            Some(Code::ResourceExhausted) => {
                self.is_transient() && (is_idempotent || !self.0.reason.is_empty())
            }
            // May have been, unless it was not even sent.
            Some(Code::Unavailable) => self.is_transient() && (is_idempotent || self.0.is_unsent),
            _ => false,
        }
    }

    /// Makes an error of this side.
    pub(crate) fn local(reason: &str, message: impl Into<String>) -> Self {
        Error(Box::new(Details {
            message: message.into(),
            reason: reason.to_owned(),
            ..Details::default()
        }))
    }

    /// Makes the error of a file that cannot be read.
    pub(crate) fn of_file(path: &Path, error: io::Error) -> Self {
        let message = format!("cannot read `{}`: {error}", path.display());
        Error::local("FILE_UNREADABLE", message).with_source(error.into())
    }

    /// Makes the error of a function that was to return an image.
    pub(crate) fn of_load(error: LoadError) -> Self {
        Error::local("LOAD_FAILED", error.to_string()).with_source(error)
    }

    /// Makes the error of a call without a response within its timeout.
    pub(crate) fn deadline(timeout: Duration) -> Self {
        let mut error = Error::local("", format!("no response within {timeout:?}"));
        error.0.code = Some(Code::DeadlineExceeded);
        error
    }

    /// Makes the error of a stream that ends without a result again and again.
    pub(crate) fn no_result() -> Self {
        Error::local("", "the gateway ended the stream without a result")
    }

    fn with_source(mut self, source: LoadError) -> Self {
        self.0.source = Some(source.into());
        self
    }
}

/// `MESSAGE; `FIELD`: DESCRIPTION [REASON]`; without a reason, the code.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for Violation { field, description } in &self.0.violations {
            // The gateway's message may contain the violations already.
            if !self.0.message.contains(description.as_str()) {
                write!(f, "; `{field}`: {description}")?;
            }
        }
        match (self.0.code, self.reason()) {
            (None, "") => Ok(()),
            (Some(code), "") => write!(f, " [{}]", code_name(code)),
            (_, reason) => write!(f, " [{reason}]"),
        }
    }
}

/// The text for people, so that a `main` that returns the error shows it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.0.source.as_deref()?;
        Some(source)
    }
}

/// Returns the message of the innermost cause, which says what happened.
pub(crate) fn last_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().to_lowercase()
}

/// Returns the name of a code as the gRPC specification writes it: `NOT_FOUND`.
pub fn code_name(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}
