//! How the connections of a listener are treated.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::close_reason::CloseReason;
use super::limiter::ConnectionLimits;
use super::tls::Tls;
use crate::jitter;
use crate::telemetry::Metrics;

/// Relative jitter of a connection's age, so that connections which were opened together do not
/// close together (gRFC A9).
const AGE_JITTER: f64 = 0.1;

/// How the connections of a listener are treated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the listener.
    pub listener: &'static str,
    /// Without it, connections are plain text.
    pub tls: Option<Tls>,
    /// How many connections are open at the same time.
    pub limits: ConnectionLimits,
    /// File descriptors that only connections of this listener use.
    pub spare_descriptors: usize,
    /// HTTP/2 frames without content that a connection may send in each second.
    pub control_frames_per_second: u32,
    /// Time without an open stream after which a connection is asked to end; zero for never.
    pub max_idle: Duration,
    /// Age at which a connection is asked to end; zero for never.
    pub max_age: Duration,
    /// Maximum wait for the calls on a connection that has reached its age.
    pub grace: Duration,
    /// Maximum wait for running calls when the server drains.
    pub drain: Duration,
    /// How long a client may read nothing of a response, or of its connection.
    pub send_timeout: Duration,
    /// Metrics that connections are counted in.
    pub metrics: Metrics,
}

// === impl Options ===

impl Options {
    /// Returns the counter of the connections that are closed for a reason.
    pub(super) fn closed(&self, reason: CloseReason) -> Counter {
        self.metrics
            .connections_closed(self.listener, reason.name())
    }

    /// Ends when a connection that opens now has reached its age.
    pub(super) async fn age(&self) {
        if self.max_age.is_zero() {
            return std::future::pending().await;
        }
        let factor = jitter::random(1.0 - AGE_JITTER..1.0 + AGE_JITTER);
        tokio::time::sleep(self.max_age.mul_f64(factor)).await;
    }
}
