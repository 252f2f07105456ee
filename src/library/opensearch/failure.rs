//! Classifies what goes wrong between the gateway and a cluster.
//!
//! Messages name the type of the cluster's error and not its reason, which may quote stored data.
//! Every class says what the operator has to look at; docs/cluster.md lists them.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Kind};
use crate::library::embedded::errors::disk_full;

/// Maximum number of terms in a query, both forms and conditions: what the cluster must allow.
pub(super) const MAX_CLAUSES: usize = 16_384;

/// A failed attempt.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether the request may have been done.
    pub(super) may_be_done: bool,
    /// Whether another node may succeed.
    pub(super) is_of_node: bool,
    /// Whether the deadline passed before the node responded.
    pub(super) is_unanswered: bool,
}

/// An error in a response of the cluster: of the whole, of one search, or of one item.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Cause {
    #[serde(rename = "type", default)]
    kind: String,
    /// Read for the name of a block, and for a timeout.
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    root_cause: Vec<Cause>,
    #[serde(default)]
    caused_by: Option<Box<Cause>>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: Value,
}

// === impl Failure ===

impl Failure {
    /// Of a request that was not sent to any node.
    pub(super) fn not_sent(error: Error) -> Self {
        Failure {
            error,
            may_be_done: false,
            is_of_node: false,
            is_unanswered: false,
        }
    }

    /// Of a node that did not respond.
    pub(super) fn of_node(error: Error) -> Self {
        Failure {
            error,
            may_be_done: true,
            is_of_node: true,
            is_unanswered: false,
        }
    }

    /// Of a request that may have been done.
    pub(super) fn of_request(error: Error) -> Self {
        Failure {
            error,
            may_be_done: true,
            is_of_node: false,
            is_unanswered: false,
        }
    }

    /// Of a request to which the node had not responded at the deadline.
    pub(super) fn unanswered() -> Self {
        Failure {
            is_unanswered: true,
            ..Failure::of_request(deadline_passed())
        }
    }
}

/// Classifies an error of the HTTP library.
pub(super) fn broken(error: reqwest::Error) -> Failure {
    let is_connect = error.is_connect();
    let message = if error.is_timeout() && is_connect {
        "a node of the cluster could not be reached: connecting timed out"
    } else if is_connect {
        "a node of the cluster could not be reached: no connection, or no trust in its certificate"
    } else {
        "the connection to a node of the cluster broke"
    };
    let error = Error::new(Kind::ClusterUnavailable, message).with_source(error.without_url());
    Failure {
        may_be_done: !is_connect,
        ..Failure::of_node(error)
    }
}

/// Classifies a response with an error.
pub(super) fn of_response(status: StatusCode, body: &[u8]) -> Failure {
    let cause = serde_json::from_slice::<ErrorBody>(body).ok();
    let cause = cause.map(|body| Cause::of(body.error));
    let is_gateway_error = matches!(status.as_u16(), 502 | 504) || cause.is_none();
    let error = of_cause(status.as_u16(), &cause.unwrap_or_default());
    Failure {
        // A rejection precedes the work; a node without its cluster does none.
        may_be_done: !matches!(status.as_u16(), 401 | 403 | 404 | 413 | 429),
        is_of_node: status.is_server_error() && is_gateway_error,
        is_unanswered: false,
        error,
    }
}

/// Returns whether a response contains an error.
pub(super) fn is_error(body: &[u8]) -> bool {
    serde_json::from_slice::<ErrorBody>(body).is_ok()
        || serde_json::from_slice::<Value>(body).is_err()
}

/// Classifies an error by its status and its types.
pub(super) fn of_cause(status: u16, cause: &Cause) -> Error {
    let setup = |message: String| Error::new(Kind::ClusterSetup, message);
    let is = |kind: &str| cause.any(&|cause| cause.kind == kind);
    if is("cluster_block_exception") {
        return of_block(cause);
    }
    if is("query_phase_execution_exception") && cause.says("Time exceeded") {
        return timed_out();
    }
    let is_rejection = is("rejected_execution_exception") || is("circuit_breaking_exception");
    let status = if is_rejection { 429 } else { status };
    if is("index_not_found_exception") {
        return setup(
            "the cluster has no such library: `samegate library init` makes its index".to_owned(),
        );
    }
    if is("too_many_clauses") || is("too_many_nested_clauses") {
        return setup(format!(
            "the cluster allows too few terms in a query: set \
             `indices.query.bool.max_clause_count` to {MAX_CLAUSES} on its nodes"
        ));
    }
    if is("strict_dynamic_mapping_exception") || is("mapper_parsing_exception") {
        return setup("the mapping of the index is not that of this version".to_owned());
    }
    match status {
        401 => setup("the cluster rejected the credentials of this library (401)".to_owned()),
        403 => setup(format!(
            "the credentials of this library do not allow the operation (403, {})",
            cause.name()
        )),
        429 => Error::new(
            Kind::ClusterBusy,
            format!("the cluster has too much to do (429, {})", cause.name()),
        ),
        status if status >= 500 => Error::new(
            Kind::ClusterUnavailable,
            format!("the cluster failed ({status}, {})", cause.name()),
        ),
        status => setup(format!(
            "the cluster rejected a request ({status}, {})",
            cause.name()
        )),
    }
}

/// Classifies a block of the index or of the whole cluster.
fn of_block(cause: &Cause) -> Error {
    if cause.says("read-only / allow delete") || cause.says("disk usage exceeded") {
        return disk_full(
            "the disks of the cluster are nearly full: images can be searched and deleted, not added"
                .to_owned(),
        );
    }
    // `SERVICE_UNAVAILABLE/2/no cluster-manager`, and `1/state not recovered / initialized`.
    if cause.says("SERVICE_UNAVAILABLE/") {
        let message = "the cluster has no cluster manager, or is starting";
        return Error::new(Kind::ClusterUnavailable, message);
    }
    let message = "the index is blocked: it was closed or made read-only";
    Error::new(Kind::ClusterSetup, message)
}

pub(super) fn deadline_passed() -> Error {
    let message = "the deadline passed before the cluster responded";
    Error::new(Kind::DeadlineExceeded, message)
}

pub(super) fn circuit_open() -> Error {
    let message = "no node of the cluster responds: its circuit breakers are open";
    Error::new(Kind::ClusterUnavailable, message)
}

pub(super) fn no_response(timeout: Duration) -> Error {
    let message = format!("a node of the cluster did not respond within {timeout:.1?}");
    Error::new(Kind::ClusterUnavailable, message)
}

pub(super) fn too_long(max_bytes: usize) -> Error {
    let message = format!("a response of the cluster is longer than {max_bytes} bytes");
    Error::new(Kind::ClusterSetup, message)
}

/// Makes the error for a response that this version does not understand.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn unreadable(error: serde_json::Error) -> Error {
    let message = "a response of the cluster has another form than that of OpenSearch 2";
    // Its message can quote stored data.
    let place = format!("line {}, column {}", error.line(), error.column());
    Error::new(Kind::ClusterSetup, message).with_source(place)
}

/// Makes the error for a response that is not whole.
pub(super) fn incomplete(missing: u32, total: u32) -> Error {
    let message = format!("{missing} of {total} shards of the index did not respond");
    Error::new(Kind::ClusterUnavailable, message)
}

pub(super) fn timed_out() -> Error {
    let message = "the search timed out in the cluster before every shard was read";
    Error::new(Kind::DeadlineExceeded, message)
}

// === impl Cause ===

impl Cause {
    /// Reads an error, which old paths of the cluster write as a text.
    pub(super) fn of(error: Value) -> Self {
        serde_json::from_value(error).unwrap_or_default()
    }

    /// Returns whether a reason contains a text.
    fn says(&self, text: &str) -> bool {
        self.any(&|cause| {
            let reason = cause.reason.as_deref().unwrap_or_default();
            reason.contains(text)
        })
    }

    fn any(&self, is: &dyn Fn(&Cause) -> bool) -> bool {
        let mut inner = self.root_cause.iter().chain(self.caused_by.as_deref());
        is(self) || inner.any(|cause| cause.any(is))
    }

    /// Returns the type, or what stands for it.
    fn name(&self) -> &str {
        match self.kind.as_str() {
            "" => "no type",
            kind => kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_and_a_timeout_are_known_by_their_reasons() {
        let kind = |status, kind: &str, reason: &str| {
            let cause = json!({ "type": kind, "reason": reason });
            let error =
                json!({ "type": "search_phase_execution_exception", "root_cause": [cause] });
            of_cause(status, &Cause::of(error)).kind()
        };
        let block = "cluster_block_exception";

        let no_manager = "blocked by: [SERVICE_UNAVAILABLE/2/no cluster-manager];";
        assert_eq!(kind(503, block, no_manager), Kind::ClusterUnavailable);
        let starts = "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];";
        assert_eq!(kind(503, block, starts), Kind::ClusterUnavailable);
        let full = "index [posters-1-1] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded \
                    flood-stage watermark, index has read-only-allow-delete block];";
        assert_eq!(kind(429, block, full), Kind::DiskFull);
        let read_only = "index [posters-1-1] blocked by: [FORBIDDEN/5/index read-only (api)];";
        assert_eq!(kind(403, block, read_only), Kind::ClusterSetup);
        let late = kind(500, "query_phase_execution_exception", "Time exceeded");
        assert_eq!(late, Kind::DeadlineExceeded);
        let busy = kind(503, "rejected_execution_exception", "queue is full");
        assert_eq!(busy, Kind::ClusterBusy);
    }
}
