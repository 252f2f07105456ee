//! Why connections are closed, for the metric and the log.

/// Why the server closes a connection that its client would keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// The listener has `max_connections`.
    MaxConnections,
    /// The peer has `max_connections_per_peer`.
    MaxConnectionsPerPeer,
    /// It had no open stream for `max_connection_idle`.
    Idle,
    /// It sent too many frames without content.
    Flood,
}

// === impl CloseReason ===

impl CloseReason {
    pub(super) const ALL: [CloseReason; 4] = [
        CloseReason::MaxConnections,
        CloseReason::MaxConnectionsPerPeer,
        CloseReason::Idle,
        CloseReason::Flood,
    ];

    /// Returns the name of the reason in labels and log lines.
    pub(super) fn name(self) -> &'static str {
        match self {
            CloseReason::MaxConnections => "max_connections",
            CloseReason::MaxConnectionsPerPeer => "max_connections_per_peer",
            CloseReason::Idle => "idle",
            CloseReason::Flood => "flood",
        }
    }
}
