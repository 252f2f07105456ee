//! Unpacks a gRPC status, and the status of one item.

use std::time::Duration;

use prost::Message;
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::{StatusExt, pb};

use super::{Details, Error, Violation, last_cause};
use crate::bearer;
use crate::v1;

/// Header with the milliseconds to wait before a retry, or -1 for none at all (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";
/// Type of the detail with the matches.
const SAME_IMAGES: &str = "samegate.v1.SameImages";

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        if is_of_the_bearer(&status) {
            return Error::local("INVALID_KEY", bearer::INVALID);
        }
        let unpacked = status.get_error_details();
        let mut details = Details {
            message: message_of(&status),
            code: Some(code_of(&status)),
            retry_after: unpacked.retry_info().and_then(|info| info.retry_delay),
            matches: matches(&status),
            is_unsent: has_cause::<ConnectError>(&status),
            ..Details::default()
        };
        match unpacked.error_info() {
            Some(info) => {
                details.reason.clone_from(&info.reason);
                details.metadata = info.metadata.clone().into_iter().collect();
            }
            // A gateway always sends a reason.
            None => details.set_transport(&status),
        }
        if let Some(request) = unpacked.bad_request() {
            let violations = request.field_violations.iter();
            details.violations = violations
                .map(|violation| Violation {
                    field: violation.field.clone(),
                    description: violation.description.clone(),
                })
                .collect();
        }
        match pushback(&status) {
            Some(Ok(wait)) => details.retry_after = details.retry_after.or(Some(wait)),
            Some(Err(NoRetry)) => details.is_lasting = true,
            None => {}
        }
        Error(Box::new(details))
    }
}

/// The error of one item of a stream or a deletion, whose code is not 0.
impl From<v1::Status> for Error {
    fn from(status: v1::Status) -> Self {
        Error(Box::new(Details {
            message: status.message,
            code: Some(Code::from_i32(status.code)),
            reason: status.reason,
            metadata: status.metadata.into_iter().collect(),
            ..Details::default()
        }))
    }
}

impl Error {
    /// Makes the error of one item of a stream; `None` if it succeeded.
    pub(crate) fn of_item(status: Option<v1::Status>, matches: Vec<v1::Match>) -> Option<Self> {
        let mut error = Error::from(status.filter(|status| status.code != 0)?);
        error.0.matches = matches;
        Some(error)
    }

    /// Makes the error of a connection that could not be made.
    pub(crate) fn unreachable(target: &str, error: &tonic::transport::Error) -> Self {
        let mut made = Error::local("", format!("cannot reach {target}: {}", last_cause(error)));
        made.0.code = Some(Code::Unavailable);
        made
    }
}

// === impl Details ===

impl Details {
    /// Sets what a status says that no gateway has made: a proxy has, or tonic for a connection that
    /// broke or a port without gRPC.
    fn set_transport(&mut self, status: &Status) {
        if let Some((code, http)) = of_proxy(&self.message) {
            self.code = Some(code);
            self.message = format!("HTTP status {http} without a gRPC status, as of a proxy");
        } else if is_not_grpc(&self.message) {
            self.message = format!("this is no gRPC port: {}", self.message);
            self.code = Some(Code::Unavailable);
            (self.is_lasting, self.is_not_grpc) = (true, true);
        } else if let Some(broken) = broken_connection(status) {
            // tonic has UNKNOWN, CANCELLED or INTERNAL for it, other implementations this.
            self.code = Some(Code::Unavailable);
            self.is_unsent |= broken.is_canceled();
        }
    }
}

/// A retry does not help.
struct NoRetry;

fn pushback(status: &Status) -> Option<Result<Duration, NoRetry>> {
    let value = status.metadata().get(PUSHBACK)?.to_str().ok()?;
    let milliseconds: i64 = value.parse().ok()?;
    Some(match u64::try_from(milliseconds) {
        Ok(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        Err(_) => Err(NoRetry),
    })
}

fn matches(status: &Status) -> Vec<v1::Match> {
    // A proxy may write details that cannot be read: code and message count then.
    let packed = pb::Status::decode(status.details()).unwrap_or_default();
    let detail = packed
        .details
        .iter()
        .find(|detail| detail.type_url.ends_with(SAME_IMAGES));
    detail
        .and_then(|detail| v1::SameImages::decode(detail.value.as_slice()).ok())
        .map(|found| found.matches)
        .unwrap_or_default()
}

/// Returns the code; tonic ends a call at its deadline as CANCELLED.
fn code_of(status: &Status) -> Code {
    if has_cause::<TimeoutExpired>(status) {
        return Code::DeadlineExceeded;
    }
    status.code()
}

/// Returns the message of a status; for a transport error it is in the causes.
fn message_of(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => last_cause(source),
        None => status.message().to_owned(),
    }
}

/// Returns whether the status is that of [`bearer::Bearer`], of whose status tonic keeps code and text.
fn is_of_the_bearer(status: &Status) -> bool {
    status.code() == Code::Unauthenticated && status.message() == bearer::INVALID
}

/// Returns the code and the HTTP status of a response that a proxy has made instead of the gateway.
fn of_proxy(message: &str) -> Option<(Code, u16)> {
    // What tonic says about a response without body, and about one with a page.
    const PHRASES: [&str; 2] = [
        "mapped from HTTP status code ",
        "while receiving response with status: ",
    ];
    let rest = PHRASES
        .iter()
        .find_map(|phrase| Some(message.split_once(phrase)?.1))?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let http = digits.parse().ok()?;
    // gRPC's mapping of HTTP statuses. Other ones are those of a port without gRPC.
    let code = match http {
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => return None,
    };
    Some((code, http))
}

/// Returns hyper's error of a connection or stream that ended before the response. A cancelled one
/// was not sent.
fn broken_connection(status: &Status) -> Option<&hyper::Error> {
    if has_cause::<TimeoutExpired>(status) {
        return None;
    }
    // An error of the user is one of the request's messages.
    cause::<hyper::Error>(status).filter(|error| !error.is_user())
}

/// Returns whether a message says that the response is none of a gRPC server.
fn is_not_grpc(message: &str) -> bool {
    // What tonic says about an HTTP response without gRPC's status, and what h2 and hyper say about
    // bytes that are not HTTP/2.
    const SIGNS: [&str; 4] = [
        "grpc-status header missing",
        "invalid compression flag",
        "frame with invalid size",
        "http/1",
    ];
    let text = message.to_lowercase();
    SIGNS.iter().any(|sign| text.contains(sign))
}

fn has_cause<E: std::error::Error + 'static>(status: &Status) -> bool {
    cause::<E>(status).is_some()
}

fn cause<E: std::error::Error + 'static>(status: &Status) -> Option<&E> {
    let first = std::error::Error::source(status);
    std::iter::successors(first, |cause| cause.source()).find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn status(reason: &str, code: Code) -> Status {
        let mut details = ErrorDetails::new();
        details
            .set_error_info(
                reason,
                "samegate",
                [("cont_sign".to_owned(), "1,2".to_owned())],
            )
            .add_bad_request_violation("tags", "3 tags; max 2")
            .set_retry_info(Some(Duration::from_millis(1500)));
        Status::with_error_details(code, "the request is invalid", details)
    }

    #[test]
    fn a_status_is_unpacked_with_its_details() {
        let error = Error::from(status("PARAMETER_TOO_LONG", Code::InvalidArgument));

        assert_eq!(
            error.to_string(),
            "the request is invalid; `tags`: 3 tags; max 2 [PARAMETER_TOO_LONG]"
        );
        assert_eq!(error.cont_sign(), Some("1,2"));
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
        assert!(!error.is_transient());
    }

    #[test]
    fn an_error_without_a_reason_shows_its_code() {
        let error = Error::from(Status::unavailable("gone"));

        assert_eq!(error.to_string(), "gone [UNAVAILABLE]");
    }

    #[test]
    fn a_pushback_of_minus_one_forbids_retries() {
        let mut status = status("OVERLOADED", Code::ResourceExhausted);
        assert!(Error::from(status.clone()).is_retryable(false));

        status
            .metadata_mut()
            .insert(PUSHBACK, "-1".parse().unwrap());

        let error = Error::from(status);
        assert!(!error.is_retryable(true) && !error.is_transient());
    }

    #[test]
    fn what_may_have_been_carried_out_is_sent_again_only_if_it_is_idempotent() {
        let error = Error::from(status("BACKEND_UNAVAILABLE", Code::Unavailable));

        assert!(error.is_retryable(true) && !error.is_retryable(false));
    }

    #[test]
    fn a_lasting_reason_is_not_transient_whatever_its_code() {
        let full = Error::from(status("LIBRARY_FULL", Code::ResourceExhausted));
        let internal = Error::from(status("INTERNAL", Code::Internal));
        let broken = Error::from(Status::internal("stream closed"));

        assert!(!full.is_transient() && !internal.is_transient());
        assert!(broken.is_transient());
    }
}
