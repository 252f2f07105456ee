//! The error of a command or one of its items, for people and for programs.
//!
//! Made of the client's error; the text for people adds advice, which names flags.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use samegate_client::{Code, Error, code_name};
use serde_json::{Value, json};

use crate::error::Kind;
use crate::proto::v1;

/// A failed operation of the command line.
#[derive(Clone, Debug)]
pub struct Failure {
    message: String,
    details: Box<Details>,
}

/// What a [`Failure`] holds besides its message.
#[derive(Clone, Debug, Default)]
struct Details {
    code: Option<Code>,
    reason: String,
    violations: Vec<(String, String)>,
    retry_after: Option<Duration>,
    is_transient: bool,
    metadata: BTreeMap<String, String>,
    advice: Option<String>,
}

// === impl Failure ===

impl Failure {
    /// Makes a failure that did not come from a server.
    pub(super) fn local(message: impl Into<String>) -> Self {
        Failure {
            message: message.into(),
            details: Box::default(),
        }
    }

    /// Makes the failure that the gateway would return for this kind.
    pub(super) fn of_kind(kind: Kind, message: impl Into<String>) -> Self {
        let mut failure = Failure::local(message);
        failure.details.code = Some(kind.code());
        failure.details.reason = kind.reason().to_owned();
        failure
    }

    /// Adds what the user can do.
    #[must_use]
    pub(super) fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.details.advice = Some(advice.into());
        self
    }

    /// Adds a value that programs need.
    #[must_use]
    pub(super) fn with_metadata(mut self, name: &str, value: &str) -> Self {
        let metadata = &mut self.details.metadata;
        metadata.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Returns the code of the server's response; none for a local failure.
    pub(super) fn code(&self) -> Option<Code> {
        self.details.code
    }

    /// Returns the message, without the advice.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Returns the delay that the server requests before a retry.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.details.retry_after
    }

    /// Returns whether the same call can succeed later.
    pub(super) fn is_transient(&self) -> bool {
        self.details.is_transient
    }

    /// Returns the kind in the gateway's error table that has this reason, if any.
    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::all().find(|kind| kind.reason() == self.details.reason)
    }

    /// Formats the failure with stable field names; absent fields are omitted.
    pub(super) fn to_json(&self) -> Value {
        let mut object = json!({ "message": self.message });
        if let Some(code) = self.details.code {
            object["code"] = json!(code_name(code));
        }
        if !self.details.reason.is_empty() {
            object["reason"] = json!(self.details.reason);
        }
        if !self.details.violations.is_empty() {
            let violations = self.details.violations.iter();
            object["violations"] = violations
                .map(|(field, description)| json!({ "field": field, "description": description }))
                .collect();
        }
        if let Some(wait) = self.details.retry_after {
            object["retry_after_seconds"] = json!(wait.as_secs_f64());
        }
        if !self.details.metadata.is_empty() {
            object["metadata"] = json!(self.details.metadata);
        }
        object
    }

    fn advice_for_code(&self) -> Option<&'static str> {
        if self.details.reason == Kind::LibraryNotFound.reason() {
            return Some("check --library");
        }
        if self.details.reason == Kind::ImageAlreadyExists.reason() {
            return Some("--on-duplicate accept reports success");
        }
        if self.details.reason == Kind::SameImageExists.reason() {
            return Some("--on-match report adds it");
        }
        let code = self.details.code?;
        if code == Code::Unauthenticated {
            return Some("give a valid key with SAMEGATE_API_KEY or --api-key-file");
        }
        // A gateway always sends a reason; without one the connection failed.
        if !matches!(code, Code::Unavailable | Code::Unknown) || !self.details.reason.is_empty() {
            return None;
        }
        let advice =
            "is `samegate serve` running? is --endpoint its gRPC API, with https:// for TLS?";
        advice_for_tls(&self.message).or(Some(advice))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // What failed while an image was loaded is a failure already.
        let source = std::error::Error::source(&error);
        if let Some(failure) = source.and_then(|source| source.downcast_ref::<Failure>()) {
            return failure.clone();
        }
        let mut failure = Failure::local(error.message());
        if error.is_not_grpc() {
            // Without a code: another attempt would fail in the same way.
            return failure.with_advice(
                "give the address of the gRPC API with --endpoint, https:// for TLS: `samegate \
                 serve` prints it at its start",
            );
        }
        let Some(code) = error.code() else {
            return local(error.reason(), failure);
        };
        failure.details.code = Some(code);
        error.reason().clone_into(&mut failure.details.reason);
        let violations = error.violations().iter();
        failure.details.violations = violations
            .map(|violation| (violation.field.clone(), violation.description.clone()))
            .collect();
        failure.details.retry_after = error.retry_after();
        failure.details.is_transient = error.is_transient();
        failure.details.metadata.clone_from(error.metadata());
        if code == Code::DeadlineExceeded && error.reason().is_empty() {
            "no response within --timeout".clone_into(&mut failure.message);
        }
        failure
    }
}

impl From<v1::Status> for Failure {
    fn from(status: v1::Status) -> Self {
        Error::from(status).into()
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match (self.details.code, self.details.reason.as_str()) {
            (_, reason) if !reason.is_empty() => write!(f, " [{reason}]")?,
            (Some(code), _) => write!(f, " [{}]", code_name(code))?,
            (None, _) => {}
        }
        for (field, description) in &self.details.violations {
            // The gateway's message may contain the violations already.
            if !self.message.contains(description.as_str()) {
                write!(f, "\n  {field}: {description}")?;
            }
        }
        if let Some(wait) = self.details.retry_after {
            write!(f, "\n  retry after {:.1} s", wait.as_secs_f64())?;
        }
        match self.details.advice.as_deref().or(self.advice_for_code()) {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

/// Adds the flags to a failure of the set-up.
fn local(reason: &str, mut failure: Failure) -> Failure {
    match reason {
        "INVALID_TARGET" => {
            failure.message = format!("--endpoint: {}", failure.message);
            failure.with_advice("give http://HOST:PORT or https://HOST:PORT")
        }
        "INVALID_TLS" => {
            failure.with_advice("check the files of --ca-file, --client-cert and --client-key")
        }
        _ => failure,
    }
}

/// Returns what to do about a failed connection, by the words of rustls.
fn advice_for_tls(message: &str) -> Option<&'static str> {
    if message.contains("invalid peer certificate") {
        return Some(
            "give the CA certificate of the gateway with --ca-file; is the host of --endpoint a \
             name in the gateway's certificate?",
        );
    }
    if message.contains("received fatal alert") {
        return Some(
            "the gateway needs a client certificate that it trusts: --client-cert, --client-key",
        );
    }
    message
        .contains("invalidcontenttype")
        .then_some("the port speaks no TLS: give http:// with --endpoint")
}

/// Returns the message of the innermost cause, which says what happened.
pub(super) fn last_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().to_lowercase()
}

#[cfg(test)]
mod tests {
    use tonic::Status;
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    fn rejected() -> Failure {
        let mut details = ErrorDetails::new();
        details
            .set_error_info("PARAMETER_TOO_LONG", "samegate", [])
            .add_bad_request_violation("brief", "257 bytes; max 256")
            .add_bad_request_violation("tags", "3 tags; max 2")
            .set_retry_info(Some(Duration::from_millis(1500)));
        let code = Code::InvalidArgument;
        let status = Status::with_error_details(code, "the request is invalid", details);
        Error::from(status).into()
    }

    #[test]
    fn people_read_reason_violations_and_retry_delay() {
        assert_eq!(
            rejected().to_string(),
            "the request is invalid [PARAMETER_TOO_LONG]\n  brief: 257 bytes; max 256\n  \
             tags: 3 tags; max 2\n  retry after 1.5 s"
        );
    }

    #[test]
    fn programs_read_stable_fields() {
        assert_eq!(
            rejected().to_json(),
            json!({
                "code": "INVALID_ARGUMENT",
                "reason": "PARAMETER_TOO_LONG",
                "message": "the request is invalid",
                "violations": [
                    { "field": "brief", "description": "257 bytes; max 256" },
                    { "field": "tags", "description": "3 tags; max 2" },
                ],
                "retry_after_seconds": 1.5,
            })
        );
    }

    #[test]
    fn an_unavailable_gateway_comes_with_advice() {
        let failure = Failure::from(Error::from(Status::unavailable("tcp connect error")));

        assert!(failure.to_string().contains("is `samegate serve` running?"));
    }
}
