//! One HTTP client: a form goes out, status and bounded body come back.
//!
//! It knows the network's failures and classifies them; it does not know what
//! is in the bodies. The permit of a call is stamped when its request is being
//! written, on a connection that stands. The address of a call holds the
//! access token, so no error of the HTTP library leaves here with it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::encode::{Form, Pieces};
use super::shaper::Permit;
use crate::error::{Error, Kind, Result};
use crate::telemetry::{self, names::attribute::HTTP_STATUS, trace_headers};

/// Longest answer that is read: the vendor's longest, 1000 matches with full
/// briefs, has under 0.5 MiB.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;
/// Longest wait for a connection; ours: 3 SYNs (RFC 6298: 1 s, then 2 s, 4 s).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(7);

/// Sends calls to one server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    longest: Duration,
}

/// A form on its way out.
struct Sending {
    pieces: Pieces,
    left: usize,
    permit: Arc<Permit>,
}

/// What a server answered.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

// === impl Client ===

impl Client {
    /// Makes a client whose calls take `longest` at most.
    ///
    /// # Errors
    ///
    /// `Internal` when TLS cannot be set up.
    pub(super) fn new(longest: Duration) -> Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("samegate/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            // The token would travel with a redirect, and through a proxy that
            // some variable of the environment names.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| {
                Error::new(Kind::Internal, "the HTTP client could not be set up")
                    .with_source(error.without_url())
            })?;
        Ok(Client { http, longest })
    }

    /// Posts a form; dropping the future aborts the request.
    ///
    /// # Errors
    ///
    /// `DeadlineExceeded` when the deadline ends the call, `VendorUnavailable`
    /// when the server cannot be reached, breaks off, or takes longer than
    /// configured; `VendorProtocol` for a response past 4 MiB.
    pub(super) async fn post(
        &self,
        url: Url,
        form: Form,
        deadline: Instant,
        permit: &Arc<Permit>,
    ) -> Result<Response> {
        let now = Instant::now();
        if deadline <= now {
            return Err(deadline_passed());
        }
        let longest = now + self.longest;
        let form = Sending {
            pieces: form.pieces(),
            left: form.length(),
            permit: permit.clone(),
        };
        match timeout_at(deadline.min(longest), self.exchange(url, form)).await {
            Ok(response) => response,
            Err(_) if deadline <= longest => Err(deadline_passed()),
            Err(_) => {
                let message = format!("the vendor did not answer within {:?}", self.longest);
                Err(Error::new(Kind::VendorUnavailable, message))
            }
        }
    }

    async fn exchange(&self, url: Url, form: Sending) -> Result<Response> {
        const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
        let span = tracing::Span::current();
        let request = self.http.post(url).headers(trace_headers(&span));
        let request = request.header(CONTENT_TYPE, FORM);
        let request = request.body(reqwest::Body::wrap(form));
        let mut response = request.send().await.map_err(unavailable)?;
        let status = i64::from(response.status().as_u16());
        telemetry::attribute(&span, HTTP_STATUS, status);
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                let message =
                    format!("the vendor's response is longer than {MAX_RESPONSE_BYTES} bytes");
                return Err(Error::new(Kind::VendorProtocol, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status: response.status(),
            body: body.freeze(),
        })
    }
}

// === impl Sending ===

impl Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    /// The HTTP library asks for the body once it has written the head.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.permit.stamp();
        let piece = self.pieces.next();
        self.left -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

/// Waits for something that is not a call, as long as the call may last.
///
/// # Errors
///
/// `DeadlineExceeded`.
pub(super) async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let outcome = timeout_at(deadline, work).await;
    outcome.unwrap_or_else(|_| Err(deadline_passed()))
}

fn unavailable(error: reqwest::Error) -> Error {
    let message = if error.is_connect() {
        "the vendor could not be reached"
    } else {
        "the connection to the vendor broke off"
    };
    Error::new(Kind::VendorUnavailable, message).with_source(error.without_url())
}

/// The failure of a call whose time is over.
pub(super) fn deadline_passed() -> Error {
    let message = "the deadline passed before the vendor answered";
    Error::new(Kind::DeadlineExceeded, message)
}
