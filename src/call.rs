//! The context of a call: which tenant calls, until when, under which request
//! id, and what the call has cost so far.
//!
//! The middleware builds a [`Call`] from what its layers put into the request's
//! extensions; everything below gets it with each request. Nothing here knows
//! what is asked for, nor by which API.

mod stats;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::stats::CallStats;

/// A caller whose credentials were checked, and what it may reach.
#[derive(Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Name from the configuration.
    pub name: String,
    /// Libraries that this tenant may use; the first is its default.
    pub libraries: Vec<String>,
    /// Share of a pace that several tenants wait for, 1 to 100.
    pub weight: u32,
}

/// Who is at the other end of a connection, as its client certificate says;
/// the server puts it into the extensions of each request of a connection that
/// has shown one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Names in the certificate that was checked: SPIFFE IDs and other URIs as
    /// they are (`spiffe://…`), DNS names as `dns:` and the name in lower case.
    pub identities: Vec<String>,
}

/// Is cancelled when the connection of a request is about to be closed; what
/// could go on for hours ends itself then.
#[derive(Clone, Debug)]
pub struct Closing(pub CancellationToken);

/// Name of a request in logs and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// What accompanies a request through every layer: who asks, and until when.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub tenant: Arc<Tenant>,
    /// Name of the request in logs and answers.
    pub request_id: RequestId,
    /// When nobody waits for the response any more.
    pub deadline: Instant,
    /// Deadline that the client itself set; it bounds a whole stream.
    pub stream_deadline: Option<Instant>,
    /// Time that one operation gets when the client asks for no less.
    pub timeout: Duration,
    /// Whether it is an item of a bulk load, which lets single calls go first.
    pub bulk: bool,
    /// What it has cost so far.
    pub stats: CallStats,
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
    /// Makes the call of one item of a stream: it has the budget of a single
    /// operation, and ends with the stream at the latest.
    #[must_use]
    pub fn of_item(&self) -> Call {
        let own = Instant::now() + self.timeout;
        let deadline = self.stream_deadline.map_or(own, |stream| stream.min(own));
        Call {
            deadline,
            bulk: true,
            ..self.clone()
        }
    }

    /// Time left until the deadline; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
