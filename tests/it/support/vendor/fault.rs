//! The faults of the fake vendor.

use std::collections::{HashMap, VecDeque};

use super::gate::Gate;
use super::journal::Operation;

/// One way to respond other than as documented. "Serves" means that the request has its effect as
/// without a fault.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Responds with this instead of serving.
    Response {
        /// HTTP status.
        status: u16,
        /// Value of the `content-type` header.
        content_type: &'static str,
        /// Whole body.
        body: String,
    },
    /// Holds the request at the gate before it is processed, then serves.
    Head(Gate),
    /// Serves, then holds the whole response at the gate.
    LateHead(Gate),
    /// Serves, sends half of the body, and the rest after the gate.
    SlowBody(Gate),
    /// Serves, sends half of the body and closes the connection.
    HalfBody,
    /// Closes the connection instead of serving.
    Reset,
    /// Serves, then closes the connection without a response.
    LostResponse,
    /// Serves; every number and boolean of the response becomes a string, so `has_more` is
    /// `"false"`.
    QuotedScalars,
}

/// The faults of future calls, by operation.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    queued: HashMap<Operation, VecDeque<Fault>>,
    permanent: HashMap<Operation, Fault>,
}

// === impl Fault ===

impl Fault {
    /// Returns an API error in HTTP 200; service errors (216xxx and above) have a log id, those of
    /// the vendor's API gateway do not.
    pub fn code(code: i64) -> Self {
        if code < 1000 {
            return Self::json(&format!(
                r#"{{"error_code":{code},"error_msg":"scripted"}}"#
            ));
        }
        Self::code_with_log_id(code, 1_000_000_000_000_000_001)
    }

    /// Returns an API error in HTTP 200 with a log id, whatever the code is.
    pub fn code_with_log_id(code: i64, log_id: u64) -> Self {
        Self::json(&format!(
            r#"{{"error_code":{code},"error_msg":"scripted","log_id":{log_id}}}"#
        ))
    }

    /// Returns this body in HTTP 200 as JSON, whether it is valid or not.
    pub fn json(body: &str) -> Self {
        Self::response(200, "application/json", body)
    }

    /// Returns the error page of a proxy in front of a service.
    pub fn html(status: u16) -> Self {
        let page = "<html><body><h1>upstream failure</h1></body></html>";
        Self::response(status, "text/html", page)
    }

    /// Returns the rejection of unknown keys by the token endpoint.
    pub fn invalid_client() -> Self {
        let body = r#"{"error":"invalid_client","error_description":"unknown client id"}"#;
        Self::response(401, "application/json", body)
    }

    fn response(status: u16, content_type: &'static str, body: &str) -> Self {
        Fault::Response {
            status,
            content_type,
            body: body.to_owned(),
        }
    }
}

// === impl Scripts ===

impl Scripts {
    pub(super) fn queue(&mut self, operation: Operation, fault: Fault) {
        self.queued.entry(operation).or_default().push_back(fault);
    }

    pub(super) fn always(&mut self, operation: Operation, fault: Fault) {
        self.permanent.insert(operation, fault);
    }

    pub(super) fn clear(&mut self, operation: Operation) {
        self.queued.remove(&operation);
        self.permanent.remove(&operation);
    }

    /// Removes and returns the fault of the next call.
    pub(super) fn next(&mut self, operation: Operation) -> Option<Fault> {
        let queued = self
            .queued
            .get_mut(&operation)
            .and_then(VecDeque::pop_front);
        queued.or_else(|| self.permanent.get(&operation).cloned())
    }
}
