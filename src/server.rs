//! Accepts connections, serves them, and drains them at the end.
//!
//! A server gets a bound listener and a token: tests end it exactly as the signal does, and port 0
//! works everywhere. It knows nothing of the APIs; it serves any tower service.

mod connection;
mod options;
mod preface;
mod tls;
mod unread;
mod write_timeout;

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use options::Options;
pub use tls::Tls;

use crate::call::Closing;
use crate::http_service::HttpService;

/// Backoff after a failed accept: the process is out of descriptors or memory, and an immediate
/// retry would only use CPU.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

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
    let spawn = |stream: TcpStream| {
        let (service, options) = (service.clone(), options.clone());
        let closing = Closing(draining.child_token());
        connections.spawn(async move {
            connection::serve(stream, service, &options, closing).await;
        });
    };
    loop {
        let accepted = tokio::select! {
            () = draining.cancelled() => break,
            accepted = listener.accept() => accepted.map(|(stream, _)| stream),
        };
        match accepted.and_then(without_delay) {
            Ok(stream) => spawn(stream),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    // Clients in the backlog get a GOAWAY instead of a reset.
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        spawn(stream);
    }
    drop(listener);
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

/// Disables Nagle's algorithm (RFC 896), which delays small responses.
fn without_delay(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}
