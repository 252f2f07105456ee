//! The layers of both APIs, in the order in which a request meets them.
//!
//! [`outer`] wraps everything a port serves; [`api`] wraps only the calls that
//! reach a library. Health checks and reflection therefore need no exceptions
//! by path, and a gateway that rejects calls still answers its probes.
//!
//! A layer that rejects a request does not know which door it guards: it gets
//! a [`Reject`] that gives the error the door's own face.

mod admission;
mod auth;
mod deadline;
mod ending;
mod metrics;
mod panic;
mod quota;
mod request_id;
mod trace;
mod watched;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response};
use tower::ServiceBuilder;
use tower::layer::util::{Identity, Stack};

pub use auth::{ApiKeys, Authenticate, Credentials, Identified, Tokens};
pub use deadline::Deadlines;
pub use metrics::Counted;

use crate::admission::Budget;
use crate::error::Error;
use crate::quota::Quotas;
use crate::telemetry::{Metrics, names::OTHER};

/// What the layers tell of a door.
#[derive(Clone, Debug)]
pub struct Door {
    /// What it speaks: `grpc`, or `same_hq` for the REST API.
    pub system: &'static str,
    /// Every method that it serves, as a path without the leading slash.
    pub methods: Arc<BTreeSet<Arc<str>>>,
    /// Where its calls are counted.
    pub metrics: Metrics,
}

// === impl Door ===

impl Door {
    /// Names what a path calls; callers choose paths, so unknown ones share
    /// one name.
    fn method(&self, path: &str) -> Arc<str> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let known = self.methods.get(path);
        known.cloned().unwrap_or_else(|| OTHER.into())
    }
}

/// Gives an error the face that a door's clients understand.
pub type Reject<B> = fn(&Error) -> Response<B>;

/// Layers around everything that a port serves.
type Outer<A, B> = Stack<
    panic::PanicLayer<Reject<B>>,
    Stack<
        metrics::MetricsLayer<A>,
        Stack<trace::TraceLayer, Stack<request_id::RequestIdLayer, Identity>>,
    >,
>;

/// Layers around the calls that reach a library.
type Api<B> = Stack<
    deadline::DeadlineLayer<Reject<B>>,
    Stack<
        admission::AdmissionLayer<Reject<B>>,
        Stack<quota::QuotaLayer<Reject<B>>, Stack<auth::AuthLayer<Reject<B>>, Identity>>,
    >,
>;

/// What bounds the calls of both APIs.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// What each tenant may take.
    pub quotas: Quotas,
    /// What the process may hold.
    pub budget: Budget,
    /// No body is kept beyond this length.
    pub max_message_bytes: usize,
    /// How long a call may take.
    pub deadlines: Deadlines,
}

/// Wraps everything that a port serves; `rebody` makes the body type of the
/// services inside.
pub fn outer<A, B>(
    door: &Door,
    rebody: metrics::Rebody<A>,
    reject: Reject<B>,
) -> ServiceBuilder<Outer<A, B>> {
    ServiceBuilder::new()
        // First, so that every line about a request can name it.
        .layer(request_id::RequestIdLayer)
        // Outside of what fails, so that it is logged and counted as answered.
        .layer(trace::TraceLayer::new(door.clone()))
        // Inside the span, so that a slow call leads to its trace.
        .layer(metrics::MetricsLayer::new(door.clone(), rebody))
        // Around all of our code, none of which may take the process down.
        .layer(panic::PanicLayer::new(door.metrics.clone(), reject))
}

/// Wraps the calls that reach a library.
pub fn api<B>(
    authenticate: Authenticate,
    bounds: Bounds,
    reject: Reject<B>,
) -> ServiceBuilder<Api<B>> {
    let Bounds {
        quotas,
        budget,
        max_message_bytes,
        deadlines,
    } = bounds;
    ServiceBuilder::new()
        // Before anything is spent on a caller whom nobody knows.
        .layer(auth::AuthLayer::new(authenticate, reject))
        // Before memory is taken: what one tenant has too much, none lacks.
        .layer(quota::QuotaLayer::new(quotas, reject))
        // Before a byte of the body is read.
        .layer(admission::AdmissionLayer::new(
            budget,
            max_message_bytes,
            reject,
        ))
        // Last, so that the time covers the handler and nothing rejected before.
        .layer(deadline::DeadlineLayer::new(deadlines, reject))
}

/// Length that a request's head announces for its body; 0 when it does not.
fn announced(headers: &HeaderMap) -> u64 {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}
