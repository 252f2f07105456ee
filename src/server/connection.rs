//! One connection from its handshake to its end.
//!
//! In order: the first bytes, within a limit; TLS; HTTP/2 or HTTP/1, as the client speaks. A
//! connection ends when the client closes it, or is asked to end (GOAWAY) when it has reached its
//! age, has been idle for long or the server drains. Calls that run longer than the grace are
//! aborted.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt;

use super::activity::Activity;
use super::close_reason::CloseReason;
use super::inspected::InspectedStream;
use super::options::Options;
use super::tls::{self, Tls};
use super::unread::{SentBody, StreamExecutor};
use super::write_timeout::WriteTimeout;
use crate::call::{Connection, Peer};
use crate::http_service::HttpService;

/// Frames of 64 KiB instead of 16 halve the work for large images (measured: 300 kB calls, 485 →
/// 411 CPU µs).
const MAX_FRAME_BYTES: u32 = 64 * 1024;
/// Flow control window of one stream: hyper's default; a smaller one costs 28 %.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// Flow control window of one connection: 8 MiB are enough for 400 MB/s at 20 ms.
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Maximum of open streams on one connection.
const MAX_STREAMS: u32 = 1024;
/// Maximum of the headers of one request. Bounds CONTINUATION frames too. The middleware rejects
/// calls beyond half of it with an error of the API; beyond all of it, the status is 431.
const MAX_HEADER_BYTES: u32 = 32 * 1024;
/// Maximum number of headers of one HTTP/1 request.
const MAX_HEADERS: usize = 64;
/// Streams that a client may reset before the server has read them, and streams that the server may
/// reset for a client's violations, until the connection is closed (CVE-2023-44487, CVE-2025-8671).
/// They are h2's own defaults, repeated here so that an update of h2 cannot change them.
const MAX_PENDING_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 1024;
/// Timeout for the first bytes of a client, for the handshake, and for the head of an HTTP/1
/// request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of keep-alive pings on a silent HTTP/2 connection, and timeout of their responses.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves one connection.
pub(super) async fn serve(
    stream: TcpStream,
    service: impl HttpService<
        Incoming,
        ResponseBody: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    >,
    options: &Options,
    connection: Connection,
) {
    let _open = OpenConnection::new(options.metrics.connections(options.listener));
    let ended = match &options.tls {
        None => match first_bytes(&stream).await {
            Ok(()) => drive(stream, None, service, options, connection).await,
            Err(error) => Err(error.into()),
        },
        Some(tls) => match handshake(tls, stream).await {
            Ok(stream) => {
                let peer = tls::peer(stream.get_ref().1);
                drive(stream, peer, service, options, connection).await
            }
            Err(error) => {
                options.metrics.handshake_failures(options.listener).inc();
                Err(error.into())
            }
        },
    };
    if let Err(error) = ended {
        // Caused by the client: a reset, a broken frame.
        tracing::debug!(
            error,
            listener = options.listener,
            "connection closed with an error"
        );
    }
}

async fn first_bytes(stream: &TcpStream) -> io::Result<()> {
    timeout(HEAD_TIMEOUT, stream.readable()).await?
}

async fn handshake(
    tls: &Tls,
    stream: TcpStream,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    timeout(HEAD_TIMEOUT, tls.acceptor().accept(stream)).await?
}

async fn drive(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<Peer>,
    service: impl HttpService<
        Incoming,
        ResponseBody: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    >,
    options: &Options,
    details: Connection,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let activity = Activity::new();
    let closing = details.closing.0.clone();
    let service = {
        let activity = activity.clone();
        service_fn(move |mut request: Request<Incoming>| {
            let stream = activity.begin_stream();
            let extensions = request.extensions_mut();
            extensions.insert(details.clone());
            if let Some(peer) = &peer {
                extensions.insert(peer.clone());
            }
            let response = service.clone().oneshot(request);
            async move {
                let response = response.await;
                response.map(|response| response.map(|body| SentBody::new(body, stream)))
            }
        })
    };
    let builder = http_builder(options.send_timeout);
    let stream = WriteTimeout::new(stream, options.send_timeout);
    let (stream, findings) = InspectedStream::new(stream, options.control_frames_per_second);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let closed = |reason: CloseReason| options.closed(reason).inc();
    let grace = tokio::select! {
        ended = connection.as_mut() => {
            if findings.is_flooded() {
                closed(CloseReason::Flood);
            }
            return ended;
        }
        () = findings.late(HEAD_TIMEOUT) => {
            return Err("the client did not finish the HTTP/2 preface".into());
        }
        () = closing.cancelled() => options.drain,
        () = options.age() => options.grace,
        () = activity.idle(options.max_idle) => {
            closed(CloseReason::Idle);
            // A call that the client has sent before it gets the GOAWAY runs to its end.
            options.grace
        }
    };
    // Streams that could run for hours are notified, and end themselves.
    closing.cancel();
    connection.as_mut().graceful_shutdown();
    match timeout(grace, connection).await {
        Ok(ended) => ended,
        Err(_) => Err("the calls that still ran after the grace were aborted".into()),
    }
}

fn http_builder(send_timeout: Duration) -> Builder<StreamExecutor> {
    let mut builder = Builder::new(StreamExecutor {
        timeout: send_timeout,
    });
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_frame_size(MAX_FRAME_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
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
struct OpenConnection(Gauge);

impl OpenConnection {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        OpenConnection(gauge)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
