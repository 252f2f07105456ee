//! One connection from its handshake to its end.
//!
//! In order: the first bytes, within a limit; TLS; HTTP/2 or HTTP/1, as the
//! client speaks. It ends when the client goes, or is asked to end (GOAWAY)
//! when it has reached its age or the server drains, and is cut when what runs
//! on it takes longer than the grace.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::{Service, ServiceExt};

use super::opening::Opening;
use super::{Options, tls};
use crate::call::{Closing, Peer};

/// Frames of 64 KiB instead of 16 halve the work for large images
/// (measured: 300 kB calls, 485 → 411 CPU µs).
const MAX_FRAME_BYTES: u32 = 64 * 1024;
/// What one stream may send ahead: hyper's default, smaller costs 28 %.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// What one connection may send ahead: 8 MiB keep 400 MB/s busy at 20 ms.
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Streams that one connection may have open.
const MAX_STREAMS: u32 = 1024;
/// Headers of one request; gRPC's C core sends 8 KiB at most. It bounds
/// CONTINUATION frames too.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// Headers of one HTTP/1 request.
const MAX_HEADERS: usize = 64;
/// Streams that a client may reset before we have looked at them, and that we
/// reset for its violations, until the connection is closed (CVE-2023-44487,
/// CVE-2025-8671); h2's own defaults, said here because they are ours to keep.
const MAX_PENDING_RESETS: usize = 20;
const MAX_FAULT_RESETS: usize = 1024;
/// Time for a client to begin, to shake hands, and to send the head of an
/// HTTP/1 request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a silent HTTP/2 connection is asked whether it is alive, and how
/// long its response may take.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves one connection.
pub(super) async fn serve<S, B>(stream: TcpStream, service: S, options: &Options, closing: Closing)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let _open = Open::new(options.metrics.connections(options.listener));
    let ended = match &options.tls {
        None => match begun(&stream).await {
            Ok(()) => drive(stream, None, service, options, closing).await,
            Err(error) => Err(error.into()),
        },
        Some(tls) => match handshake(tls, stream).await {
            Ok(stream) => {
                let peer = tls::peer(stream.get_ref().1);
                drive(stream, peer, service, options, closing).await
            }
            Err(error) => {
                options.metrics.handshake_failures(options.listener).inc();
                Err(error.into())
            }
        },
    };
    if let Err(error) = ended {
        // The client's business: a reset, a broken frame.
        tracing::debug!(error, listener = options.listener, "connection ended");
    }
}

async fn begun(stream: &TcpStream) -> io::Result<()> {
    timeout(HEAD_TIMEOUT, stream.readable()).await?
}

async fn handshake(
    tls: &tls::Tls,
    stream: TcpStream,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    timeout(HEAD_TIMEOUT, tls.acceptor().accept(stream)).await?
}

async fn drive<S, B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<Peer>,
    service: S,
    options: &Options,
    closing: Closing,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let service = {
        let closing = closing.clone();
        service_fn(move |mut request: Request<Incoming>| {
            let extensions = request.extensions_mut();
            extensions.insert(closing.clone());
            if let Some(peer) = &peer {
                extensions.insert(peer.clone());
            }
            service.clone().oneshot(request)
        })
    };
    let builder = http_builder();
    let (stream, opened) = Opening::new(stream);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let (age, late) = (options.age(), opened.late(HEAD_TIMEOUT));
    let grace = tokio::select! {
        ended = connection.as_mut() => return ended,
        () = late => return Err("the client did not finish its first bytes".into()),
        () = closing.0.cancelled() => options.drain,
        () = age => options.grace,
    };
    // Streams that could go on for hours are told, and end themselves.
    closing.0.cancel();
    connection.as_mut().graceful_shutdown();
    match timeout(grace, connection).await {
        Ok(ended) => ended,
        Err(_) => Err("calls still running after the grace were cut off".into()),
    }
}

fn http_builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_frame_size(MAX_FRAME_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_FAULT_RESETS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_headers(MAX_HEADERS)
        .header_read_timeout(HEAD_TIMEOUT);
    builder
}

/// Counts a connection as open until it is dropped.
struct Open(Gauge);

impl Open {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Open(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
