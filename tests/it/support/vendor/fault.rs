//! What the fake vendor does wrong on demand.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::Shared;
use super::journal::Operation;

/// One way to answer other than as documented. "Serves" means that the
/// request takes effect as if nothing were wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers this instead of serving.
    Response {
        /// HTTP status.
        status: u16,
        /// Value of the `content-type` header.
        content_type: &'static str,
        /// Whole body.
        body: String,
    },
    /// Holds the request at the gate before it is looked at, then serves.
    Head(Gate),
    /// Serves, then holds the whole answer at the gate.
    LateHead(Gate),
    /// Serves, sends half of the body, and the rest after the gate.
    SlowBody(Gate),
    /// Serves, sends half of the body and breaks the connection.
    HalfBody,
    /// Breaks the connection instead of serving.
    Reset,
    /// Serves, then breaks the connection without a response.
    LostResponse,
    /// Serves; every number and boolean of the response becomes a string, so
    /// `has_more` is `"false"`.
    QuotedScalars,
}

/// Holds requests until the test lets them go.
#[derive(Clone, Debug)]
pub struct Gate(Arc<GateState>);

#[derive(Debug)]
struct GateState {
    passes: Semaphore,
    held: AtomicUsize,
}

/// The faults to come, by operation.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    queued: HashMap<Operation, VecDeque<Fault>>,
    standing: HashMap<Operation, Fault>,
}

// === impl Fault ===

impl Fault {
    /// An API error in HTTP 200; service errors (216xxx and up) carry a log
    /// id, those of the platform's own gateway do not.
    pub fn code(code: i64) -> Self {
        if code < 1000 {
            return Self::json(&format!(
                r#"{{"error_code":{code},"error_msg":"scripted"}}"#
            ));
        }
        Self::code_with_log_id(code, 1_000_000_000_000_000_001)
    }

    /// An API error in HTTP 200 with a log id whatever the code is.
    pub fn code_with_log_id(code: i64, log_id: u64) -> Self {
        Self::json(&format!(
            r#"{{"error_code":{code},"error_msg":"scripted","log_id":{log_id}}}"#
        ))
    }

    /// Any body in HTTP 200 that says it is JSON, whether it is or not.
    pub fn json(body: &str) -> Self {
        Self::response(200, "application/json", body)
    }

    /// The page that a proxy shows in front of a broken service.
    pub fn html(status: u16) -> Self {
        let page = "<html><body><h1>upstream failure</h1></body></html>";
        Self::response(status, "text/html", page)
    }

    /// A rejection of the token endpoint for keys that it does not know.
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

// === impl Gate ===

impl Gate {
    /// Makes a gate that holds every request.
    pub fn closed() -> Self {
        Gate(Arc::new(GateState {
            passes: Semaphore::new(0),
            held: AtomicUsize::new(0),
        }))
    }

    /// Lets every held request go, and every later one straight through.
    pub fn open(&self) {
        self.0.passes.close();
    }

    /// Lets this many requests through, those that wait longest first.
    pub fn pass(&self, requests: usize) {
        self.0.passes.add_permits(requests);
    }

    /// Number of requests that wait here now.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::SeqCst)
    }

    /// Waits for the gate; dropping the future leaves it.
    pub(super) async fn hold(&self, vendor: &Shared) {
        let _held = Held::enter(self, vendor);
        // An error means that the gate was opened for good.
        if let Ok(pass) = self.0.passes.acquire().await {
            pass.forget();
        }
    }
}

/// A request that waits at a gate.
struct Held<'a>(&'a Gate, &'a Shared);

impl<'a> Held<'a> {
    fn enter(gate: &'a Gate, vendor: &'a Shared) -> Self {
        vendor.change(|_| gate.0.held.fetch_add(1, Ordering::SeqCst));
        Held(gate, vendor)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.1
            .change(|_| self.0.0.held.fetch_sub(1, Ordering::SeqCst));
    }
}

// === impl Scripts ===

impl Scripts {
    pub(super) fn queue(&mut self, operation: Operation, fault: Fault) {
        self.queued.entry(operation).or_default().push_back(fault);
    }

    pub(super) fn always(&mut self, operation: Operation, fault: Fault) {
        self.standing.insert(operation, fault);
    }

    pub(super) fn clear(&mut self, operation: Operation) {
        self.queued.remove(&operation);
        self.standing.remove(&operation);
    }

    /// Takes the fault of the next call.
    pub(super) fn next(&mut self, operation: Operation) -> Option<Fault> {
        let queued = self
            .queued
            .get_mut(&operation)
            .and_then(VecDeque::pop_front);
        queued.or_else(|| self.standing.get(&operation).cloned())
    }
}
