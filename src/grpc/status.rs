//! Writes an error as a gRPC status: code, message, and google.rpc details.
//!
//! All of it goes into HTTP headers. Clients built on gRPC's C core fail at 8 KiB of headers, so
//! texts are truncated: message and details are under 6 KiB together, whatever the error contains.

use std::collections::HashMap;

use prost::Message;
use prost_types::Any;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt, pb};

use crate::error::{Error, Kind, Retry};
use crate::proto::v1;

/// `domain` of google.rpc.ErrorInfo.
const DOMAIN: &str = "samegate";
/// Maximum length of a message in bytes; percent-encoding can triple it.
const MAX_MESSAGE_BYTES: usize = 700;
/// Maximum length of the name of an invalid field in bytes.
const MAX_FIELD_BYTES: usize = 32;
/// Maximum length of the description of one field violation in bytes.
const MAX_VIOLATION_BYTES: usize = 100;
/// Maximum length of a value in the metadata of `ErrorInfo` in bytes.
const MAX_METADATA_BYTES: usize = 128;
/// Maximum length of the matches in the details in bytes.
const MAX_MATCHES_BYTES: usize = 2048;
/// Type of the detail with the matches.
const SAME_IMAGES: &str = "type.googleapis.com/samegate.v1.SameImages";
/// Response header with the time that a client must wait before a retry (gRFC A6).
pub(super) const PUSHBACK: &str = "grpc-retry-pushback-ms";

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        status(&error)
    }
}

/// Writes an error as the response to a call that reached no method.
pub fn reject<B: Default>(error: &Error) -> http::Response<B> {
    status(error).into_http()
}

/// Classifies an error of tonic about a message that it cannot read; `None` for another error. It says
/// `OUT_OF_RANGE`, which this API uses for nothing else, for a message over the limit; and
/// `INTERNAL`, without a reason, for what is no message: a defect of the caller, not of the server.
/// That stays for flags, as gRPC requires it for one without an encoding (gRPC Compression).
pub(super) fn unreadable(status: &Status) -> Option<Error> {
    let kind = if status.code() == Code::OutOfRange {
        Kind::MessageTooLarge
    } else if status.code() == Code::Internal
        && status.get_details_error_info().is_none()
        && !status.message().starts_with("protocol error")
    {
        Kind::InvalidParameter
    } else {
        return None;
    };
    Some(Error::new(kind, status.message()))
}

/// Writes an error as the status of one item of a stream or batch.
pub(super) fn item(error: &Error) -> v1::Status {
    v1::Status {
        code: error.kind().code() as i32,
        message: truncate(error.message(), MAX_MESSAGE_BYTES).to_owned(),
        reason: error.kind().reason().to_owned(),
        metadata: metadata(error),
    }
}

/// Writes the error of a rejected addition, with as many of the matches as fit, the best first.
pub(super) fn with_matches(error: &Error, matches: Vec<v1::Match>) -> Status {
    let plain = status(error);
    let mut detail = v1::SameImages::default();
    for found in matches {
        let geometry = None;
        detail.matches.push(v1::Match { geometry, ..found });
        if detail.encoded_len() > MAX_MATCHES_BYTES {
            detail.matches.pop();
            break;
        }
    }
    let details = [Any {
        type_url: SAME_IMAGES.to_owned(),
        value: detail.encode_to_vec(),
    }];
    // What `status` wrote can be read.
    let mut encoded = pb::Status::decode(plain.details()).unwrap_or_default();
    encoded.details.extend(details);
    Status::with_details_and_metadata(
        plain.code(),
        plain.message(),
        encoded.encode_to_vec().into(),
        plain.metadata().clone(),
    )
}

/// Writes an error as a status.
fn status(error: &Error) -> Status {
    let kind = error.kind();
    let mut details = ErrorDetails::with_error_info(kind.reason(), DOMAIN, metadata(error));
    for violation in error.violations() {
        details.add_bad_request_violation(
            truncate(&violation.field, MAX_FIELD_BYTES),
            truncate(&violation.message, MAX_VIOLATION_BYTES),
        );
    }
    if let Some(subject) = quota_subject(kind) {
        details
            .add_quota_failure_violation(subject, truncate(error.message(), MAX_VIOLATION_BYTES));
    }
    if let Some(wait) = error.retry_after() {
        details.set_retry_info(Some(wait));
    }
    let mut status = Status::with_error_details(
        kind.code(),
        truncate(error.message(), MAX_MESSAGE_BYTES),
        details,
    );
    if let Some(milliseconds) = pushback(error) {
        status
            .metadata_mut()
            .insert(PUSHBACK, MetadataValue::from(milliseconds));
    }
    status
}

/// Returns the milliseconds to wait before a retry, or -1 for none at all (gRFC A6): a client with a
/// retry policy for a code would send again what cannot succeed, or wait until midnight. A full disk
/// takes longer than the deadline of a call, which would end in that wait, without the reason.
fn pushback(error: &Error) -> Option<i64> {
    let is_retried = matches!(
        error.kind().code(),
        Code::ResourceExhausted | Code::Unavailable
    );
    let helps = error.kind().retry() != Retry::Never && error.kind() != Kind::DiskFull;
    if is_retried && !helps {
        return Some(-1);
    }
    let wait = error.retry_after()?.as_millis();
    Some(wait.try_into().unwrap_or(i64::MAX))
}

fn metadata(error: &Error) -> HashMap<String, String> {
    let vendor = error.vendor_code();
    let log_id = vendor.and_then(|vendor| vendor.log_id);
    let cont_sign = error.cont_sign();
    let entries = [
        ("vendor_code", vendor.map(|vendor| vendor.code.to_string())),
        ("vendor_log_id", log_id.map(|id| id.to_string())),
        (
            "cont_sign",
            cont_sign.map(|sign| truncate(sign, MAX_METADATA_BYTES).to_owned()),
        ),
    ];
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

/// Returns the name of the limit that was reached, for google.rpc.QuotaFailure.
fn quota_subject(kind: Kind) -> Option<&'static str> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few kinds are quotas, and a new kind is none by default"
    )]
    match kind {
        Kind::RateLimited | Kind::RateLimitQueueFull | Kind::RateLimitDeadline => {
            Some("queries_per_second")
        }
        Kind::QuotaRate => Some("requests_per_second"),
        Kind::QuotaBytes => Some("bytes_per_second"),
        Kind::QuotaConcurrency => Some("concurrent"),
        Kind::DailyQuotaExceeded | Kind::QuotaDay => Some("requests_per_day"),
        Kind::TotalQuotaExceeded => Some("requests"),
        Kind::LibraryFull => Some("library_capacity"),
        Kind::DiskFull => Some("library_disk"),
        _ => None,
    }
}

fn truncate(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Violation;

    fn size(status: Status) -> usize {
        let response: http::Response<tonic::body::Body> = status.into_http();
        response
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum()
    }

    proptest! {
        #[test]
        fn message_and_details_are_under_6_kib(
            message in "\\PC{0,3000}",
            violations in prop::collection::vec("\\PC{0,400}", 0..16),
            index in 0..Kind::all().count(),
        ) {
            let kind = Kind::all().nth(index).unwrap();
            let violations: Vec<_> = violations.iter().map(|text| Violation::new("content", kind, text)).collect();
            let plain = Error::new(kind, &message).with_cont_sign("签".repeat(500));
            let invalid = Error::invalid(violations);

            prop_assert!(size(status(&plain)) < 6 * 1024);
            prop_assert!(size(status(&invalid)) < 6 * 1024);
        }
    }

    #[test]
    fn clients_are_told_how_long_to_wait_or_not_to_try_again() {
        let pushback = |kind, wait: Option<u64>| {
            let error = Error::new(kind, "x");
            let error = match wait {
                Some(seconds) => error.with_retry_after(std::time::Duration::from_secs(seconds)),
                None => error,
            };
            super::pushback(&error)
        };

        assert_eq!(pushback(Kind::Overloaded, Some(2)), Some(2000));
        assert_eq!(pushback(Kind::QuotaDay, Some(3600)), Some(-1));
        assert_eq!(pushback(Kind::LibraryFull, None), Some(-1));
        assert_eq!(pushback(Kind::ImageFormat, None), None);
    }

    #[test]
    fn the_matches_of_a_rejected_addition_are_in_the_details_as_far_as_they_fit() {
        let matches: Vec<_> = (0..10)
            .map(|number| v1::Match {
                cont_sign: "9".repeat(128),
                score: 0.9,
                brief: "签".repeat(85),
                tags: vec![number, 65_535],
                geometry: Some(v1::Geometry::default()),
                ..Default::default()
            })
            .collect();
        let error = Error::new(Kind::SameImageExists, "x".repeat(100)).with_cont_sign("9");

        let status = with_matches(&error, matches.clone());

        let encoded = pb::Status::decode(status.details()).unwrap();
        let detail = encoded.details.last().unwrap();
        let listed = v1::SameImages::decode(&*detail.value).unwrap().matches;
        assert_eq!(detail.type_url, SAME_IMAGES);
        assert_eq!(listed.len(), 5);
        assert_eq!(
            (&listed[0].brief, listed[4].tags[0]),
            (&matches[0].brief, 4)
        );
        assert_eq!(listed[0].geometry, None);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "SAME_IMAGE_EXISTS");
        assert!(size(status) < 6 * 1024);
    }

    #[test]
    fn the_status_of_a_vendor_error_has_reason_code_log_id_and_retry_delay() {
        let status = status(&Error::vendor(
            18,
            "Open api qps request limit reached",
            Some(7),
        ));

        let info = status.get_error_details();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(info.error_info().unwrap().reason, "RATE_LIMITED");
        assert_eq!(info.error_info().unwrap().metadata["vendor_code"], "18");
        assert_eq!(info.error_info().unwrap().metadata["vendor_log_id"], "7");
        assert!(info.retry_info().unwrap().retry_delay.is_some());
        assert!(info.quota_failure().is_some());
        assert_eq!(status.metadata().get(PUSHBACK).unwrap(), "1000");
    }
}
