//! Accepts connections, serves them, and drains them at the end.
//!
//! A server takes a bound listener and a token: tests end it exactly as the
//! signal does, and port 0 works everywhere. It knows nothing of doors; what
//! it serves is a tower service.

mod connection;
mod opening;
mod tls;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

pub use tls::Tls;

use crate::call::Closing;
use crate::jitter;
use crate::telemetry::Metrics;

/// Wait after a failed accept: the process is out of descriptors or memory,
/// and trying at once again would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How far the age of a connection is from the one that is set, so that those
/// which came together do not go together (gRFC A9).
const AGE_JITTER: f64 = 0.1;

/// How connections of a door are treated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the door.
    pub listener: &'static str,
    /// Without it, connections are plain.
    pub tls: Option<Tls>,
    /// Age at which a connection is asked to end; zero for never.
    pub max_age: Duration,
    /// Longest wait for what runs on a connection that was too old.
    pub grace: Duration,
    /// Longest wait for what runs when the server drains.
    pub drain: Duration,
    /// Where connections are counted.
    pub metrics: Metrics,
}

// === impl Options ===

impl Options {
    /// Ends when a connection that begins now is too old.
    async fn age(&self) {
        if self.max_age.is_zero() {
            return std::future::pending().await;
        }
        let factor = jitter::random(1.0 - AGE_JITTER..1.0 + AGE_JITTER);
        tokio::time::sleep(self.max_age.mul_f64(factor)).await;
    }
}

/// Serves `service` on `listener` until `draining`, then sends GOAWAY and
/// waits for what is running, up to the limit.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    options: Options,
    draining: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
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
        match accepted.and_then(prepared) {
            Ok(stream) => spawn(stream),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Clients that the system has let in already are told to go elsewhere
    // instead of being reset.
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
            "calls still running after the drain are cut off"
        );
    }
}

/// Small answers must not wait for Nagle's algorithm (RFC 896).
fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}
