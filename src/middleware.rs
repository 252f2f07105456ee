//! The layers of both APIs, in the order in which a request meets them.
//!
//! [`same_origin()`] is around each port, the admin port too, and rejects what web pages of other
//! origins cause. [`outer`] wraps everything that an API serves; [`api`] wraps only the calls that
//! reach a library. Health checks and reflection therefore need no exceptions by path, and a
//! gateway that rejects calls still responds to probes.
//!
//! A layer that rejects a request does not know which API it guards: its [`Reject`] writes the
//! error in the format of that API.

mod admission;
mod api_info;
mod around;
mod auth;
mod body;
mod body_rate;
mod deadline;
mod guard;
mod header_size;
mod metrics;
mod outcome;
mod panic;
mod quota;
mod request_id;
mod same_origin;
mod trace;
mod unread_body;
mod web_rejection;

use self::admission::AdmissionCheck;
use self::around::Around;
use self::auth::AuthCheck;
use self::guard::{Check, Guard};
use self::header_size::HeaderSizeCheck;
use self::metrics::MeasureCall;
use self::panic::CatchPanic;
use self::quota::QuotaCheck;
use self::request_id::AssignRequestId;
use self::trace::TraceCall;
use crate::admission::InFlightBudget;
use crate::quota::Quotas;

pub use api_info::{ApiInfo, Reject};
pub use auth::{
    Authenticate, Credentials, Tenants, by_access_token, by_credentials, read_only, tenants,
};
pub use body_rate::MinBodyRate;
pub use deadline::Deadlines;
pub use same_origin::{Port, same_origin};
pub use unread_body::unread_body;

/// Limits on the calls of both APIs.
#[derive(Clone, Debug)]
pub struct CallLimits {
    /// Limits of each tenant.
    pub quotas: Quotas,
    /// Limit on the memory of the process.
    pub budget: InFlightBudget,
    /// Maximum of one body that is kept in memory.
    pub max_message_bytes: usize,
    /// Limit on the time in which a body must arrive.
    pub min_body_rate: MinBodyRate,
    /// Limits on the time of a call.
    pub deadlines: Deadlines,
}

/// Layers around everything that a port serves.
pub type OuterLayers<B> = (
    Around<AssignRequestId>,
    Around<TraceCall>,
    Around<MeasureCall>,
    Around<CatchPanic<Reject<B>>>,
);

/// Wraps everything that a port serves; the first layer is the outermost.
pub fn outer<B>(api: ApiInfo, reject: Reject<B>) -> OuterLayers<B> {
    let metrics = api.metrics.clone();
    (
        // First, so that every line about a request can name it.
        Around(AssignRequestId),
        // Outside of what can fail, so that a failure is logged with its response.
        Around(TraceCall(api.clone())),
        // Inside the span, so that a slow call leads to its trace.
        Around(MeasureCall(api)),
        // Around all of our code, none of which may end the process.
        Around(CatchPanic { metrics, reject }),
    )
}

/// Wraps the calls that reach a library; the first check runs first.
pub fn api<B>(
    authenticate: Authenticate,
    limits: CallLimits,
    reject: Reject<B>,
) -> Around<Guard<impl Check, Reject<B>>> {
    // Before anything reads what a caller sends.
    let check = HeaderSizeCheck
        // Before anything is spent on an unknown caller.
        .then(AuthCheck(authenticate))
        // Before memory is reserved: the excess of one tenant costs the others nothing.
        .then(QuotaCheck(limits.quotas))
        // Before what follows: it makes the context of the call.
        .then(limits.deadlines)
        // Before a byte of the body is read.
        .then(AdmissionCheck {
            budget: limits.budget,
            max_message_bytes: limits.max_message_bytes,
            min_body_rate: limits.min_body_rate,
        });
    Around(Guard { check, reject })
}
