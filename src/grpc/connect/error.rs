//! Errors of the Connect protocol: a code, a message and details in JSON, and a status of HTTP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::StatusCode;
use prost::Message;
use prost_reflect::DynamicMessage;
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::grpc::contract::Contract;

/// An error as Connect writes it.
#[derive(Debug, Serialize)]
pub(super) struct ConnectError {
    code: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

#[derive(Debug, Serialize)]
struct Detail {
    #[serde(rename = "type")]
    name: String,
    /// Protobuf in base64.
    value: String,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<DynamicMessage>,
}

/// The end of a stream.
#[derive(Debug, Serialize)]
pub(super) struct EndOfStream {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ConnectError>,
}

// === impl ConnectError ===

impl ConnectError {
    pub(super) fn new(status: &Status, contract: &Contract) -> Self {
        // An error of ours has nothing that cannot be read.
        let encoded = pb::Status::decode(status.details()).unwrap_or_default();
        let details = encoded.details.into_iter().map(|detail| {
            let (_, name) = detail.type_url.rsplit_once('/').unwrap_or_default();
            let kind = contract.message(name);
            let value = detail.value.as_slice();
            Detail {
                name: name.to_owned(),
                value: STANDARD_NO_PAD.encode(value),
                debug: kind.and_then(|kind| DynamicMessage::decode(kind, value).ok()),
            }
        });
        ConnectError {
            code: code(status.code()).0,
            message: status.message().to_owned(),
            details: details.collect(),
        }
    }
}

// === impl EndOfStream ===

impl EndOfStream {
    pub(super) fn new(status: &Status, contract: &Contract) -> Self {
        let error = status.code() != Code::Ok;
        EndOfStream {
            error: error.then(|| ConnectError::new(status, contract)),
        }
    }
}

/// Returns the status of HTTP for an error.
pub(super) fn http_status(status: &Status) -> StatusCode {
    let (_, number) = code(status.code());
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns name and HTTP status of a code (Connect protocol, Error Codes; docs/json.md lists them).
fn code(code: Code) -> (&'static str, u16) {
    match code {
        Code::Ok => ("ok", 200),
        Code::Cancelled => ("canceled", 499),
        Code::Unknown => ("unknown", 500),
        Code::InvalidArgument => ("invalid_argument", 400),
        Code::DeadlineExceeded => ("deadline_exceeded", 504),
        Code::NotFound => ("not_found", 404),
        Code::AlreadyExists => ("already_exists", 409),
        Code::PermissionDenied => ("permission_denied", 403),
        Code::ResourceExhausted => ("resource_exhausted", 429),
        Code::FailedPrecondition => ("failed_precondition", 400),
        Code::Aborted => ("aborted", 409),
        Code::OutOfRange => ("out_of_range", 400),
        Code::Unimplemented => ("unimplemented", 501),
        Code::Internal => ("internal", 500),
        Code::Unavailable => ("unavailable", 503),
        Code::DataLoss => ("data_loss", 500),
        Code::Unauthenticated => ("unauthenticated", 401),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md");
        let documented = std::fs::read_to_string(path).unwrap();
        for number in 1..=16 {
            let (code, status) = code(Code::from_i32(number));
            // gRPC spells this one with two l.
            let name = code.to_uppercase().replace("CANCELED", "CANCELLED");
            let row = format!("| {name} | `{code}` | {status} |");
            assert!(documented.contains(&row), "{row}");
        }
    }
}
