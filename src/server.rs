//! Accepts connections, serves them, and drains them at the end.
//!
//! A server gets a bound listener and a token: tests end it exactly as the signal does, and port 0
//! works everywhere. It knows nothing of the APIs; it serves any tower service.

mod acceptor;
mod activity;
mod close_reason;
mod connection;
mod frames;
mod inspected;
mod limiter;
mod options;
mod tls;
mod unread;
mod write_timeout;

use std::error::Error;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use limiter::ConnectionLimits;
pub use options::Options;
pub use tls::Tls;

use self::acceptor::{Accepted, Acceptor};
use crate::call::{Closing, Connection};
use crate::http_service::HttpService;

/// Serves `service` on `listener` until `draining`, then sends GOAWAY and waits for running calls,
/// up to the limit.
pub async fn serve(
    listener: TcpListener,
    service: impl HttpService<
        Incoming,
        ResponseBody: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    >,
    options: Options,
    draining: CancellationToken,
) {
    let connections = TaskTracker::new();
    let spawn = |accepted: Accepted| {
        let (service, options) = (service.clone(), options.clone());
        let connection = Connection {
            closing: Closing(draining.child_token()),
            address: accepted.peer,
        };
        connections.spawn(async move {
            connection::serve(accepted.stream, service, &options, connection).await;
            drop(accepted.slot);
        });
    };
    let mut acceptor = Acceptor::new(listener, options.clone());
    while let Some(accepted) = draining.run_until_cancelled(acceptor.accept()).await {
        spawn(accepted);
    }
    // Clients in the backlog get a GOAWAY instead of a reset.
    while let Some(accepted) = acceptor.accept().now_or_never() {
        spawn(accepted);
    }
    drop(acceptor);
    connections.close();
    if tokio::time::timeout(options.drain, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            listener = options.listener,
            drain_ms = options.drain.as_millis(),
            "drain timeout reached, aborting the calls that still run"
        );
    }
}
