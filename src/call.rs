//! The context of a call: its tenant, deadline and request id, and what it has cost so far.
//!
//! The middleware builds a [`Call`] from what its layers have added to the request's extensions;
//! everything below gets it with each request. Nothing here depends on the operation or the API.

mod log_id;
mod recent;
mod stats;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::log_id::new_log_id;
pub use self::recent::{RecentCall, RecentCalls};
pub use self::stats::CallStats;
use crate::admission::CallPermit;
use crate::telemetry::CallTrace;

/// Time in which the work of a stream without a deadline has ended: for ever, as far as clocks
/// go.
const MAX_STREAM_TIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// An authenticated caller, and what it may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Name from the configuration.
    pub name: String,
    /// Libraries that this tenant may use; the first is its default.
    pub libraries: Vec<String>,
    /// Share of a rate limit that several tenants wait for, 1 to 100.
    pub weight: u32,
    /// Whether its credential is a read key: one that may search and list, and changes no image.
    pub read_only: bool,
}

/// The client of a connection, by its certificate. The server adds it to the extensions of each
/// request on a connection whose client has sent a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Names in the verified certificate: SPIFFE IDs and other URIs as they are (`spiffe://…`), DNS
    /// names as `dns:` and the name in lower case.
    pub identities: Vec<String>,
}

/// The connection of a request. The server adds it to the extensions of each request.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Tells when it is about to close.
    pub closing: Closing,
    /// Address of the client, or of the proxy in front of it; of IPv6, its /64 network.
    pub address: IpAddr,
}

/// Is cancelled when the connection of a request is about to close: at its maximum age and at
/// graceful shutdown. Streams that could run for hours end themselves then.
#[derive(Clone, Debug)]
pub struct Closing(pub CancellationToken);

/// Id of a request in logs and responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// The context of a call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The caller.
    pub tenant: Arc<Tenant>,
    /// Id of the request in logs and responses.
    pub request_id: RequestId,
    /// When the caller stops waiting for the response.
    pub deadline: Instant,
    /// Deadline that the client has set; it bounds a whole stream.
    pub stream_deadline: Option<Instant>,
    /// Timeout of one operation, unless the client sets a shorter one.
    pub timeout: Duration,
    /// Whether it is an item of a bulk load; single calls go before those.
    pub bulk: bool,
    /// What the bytes of the call are charged to.
    pub permit: CallPermit,
    /// What the call has cost so far.
    pub stats: CallStats,
    /// The trace that the call belongs to.
    pub trace: CallTrace,
}

// === impl RequestId ===

impl Default for RequestId {
    fn default() -> Self {
        RequestId("-".into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Call ===

impl Call {
    /// Makes the call of one item of a stream: it has the timeout of a single operation, and ends
    /// with the stream if that ends first.
    #[must_use]
    pub fn of_item(&self, permit: CallPermit) -> Call {
        let own = Instant::now() + self.timeout;
        let deadline = self.stream_deadline.map_or(own, |stream| stream.min(own));
        Call {
            deadline,
            bulk: true,
            permit,
            ..self.clone()
        }
    }

    /// Makes the call of a stream's own work, which has no deadline but the stream's.
    #[must_use]
    pub fn of_stream(&self) -> Call {
        let far = Instant::now() + MAX_STREAM_TIME;
        Call {
            deadline: self.stream_deadline.map_or(far, |stream| stream.min(far)),
            bulk: true,
            ..self.clone()
        }
    }

    /// Returns the time until the deadline; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
