//! The bound ports of the gateway.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::error::{Error, Kind, Result};

/// A port that is bound; clients can connect, and wait until it is served.
#[derive(Debug)]
pub(super) struct BoundListener {
    /// Its key in `[listen]`.
    pub(super) name: &'static str,
    pub(super) listener: TcpListener,
    /// Its address, with the port that was bound.
    pub(super) address: SocketAddr,
}

/// Where a running gateway listens; a configured port 0 is replaced by the port that was bound.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// gRPC API.
    pub grpc: SocketAddr,
    /// REST API.
    pub rest: SocketAddr,
    /// Admin port.
    pub admin: SocketAddr,
}

// === impl BoundListener ===

impl BoundListener {
    /// Binds the listener `listen.NAME`.
    pub(super) async fn bind(name: &'static str, address: SocketAddr) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let message = format!(
                "cannot listen on {address} for `listen.{name}`: {error}; is another samegate \
                 running? choose another address with --{name}"
            );
            Error::new(Kind::Internal, message)
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(BoundListener {
            name,
            listener,
            address,
        })
    }
}
