//! The HTTP client: posts a form, returns status and bounded body.
//!
//! It knows nothing of the bodies. The permit of a call is
//! marked as sent when its request is being written, on an established connection. The URL of a
//! call holds the access token, so no error of the HTTP library leaves this file with its URL.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};
use tracing::Span;
use url::Url;

use super::encode::{Form, Pieces};
use super::rate_limiter::Permit;
use super::transport_failure::unavailable;
use crate::error::{Error, Kind, Result};
use crate::telemetry::{self, CallTrace, names::attribute::HTTP_STATUS};

/// Maximum size of a response; the vendor's largest, 1000 matches with full briefs, has under 0.5
/// MiB.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;
/// Connect timeout: 3 SYNs (RFC 6298: 1 s, then 2 s, 4 s).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(7);

/// Sends calls to one server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    timeout: Duration,
}

/// The body of a request.
struct FormBody {
    pieces: Pieces,
    remaining: usize,
    permit: Arc<Permit>,
}

/// A server's response.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

// === impl Client ===

impl Client {
    /// Creates a client with this timeout of one call.
    ///
    /// # Errors
    ///
    /// `Internal` when TLS cannot be set up.
    pub(super) fn new(timeout: Duration) -> Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("samegate/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect, or a proxy that a variable of the environment names, would get the access
            // token.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| {
                Error::new(Kind::Internal, "the HTTP client could not be set up")
                    .with_source(error.without_url())
            })?;
        Ok(Client { http, timeout })
    }

    /// Posts a form, for a call of `trace` if it is for one; dropping the future aborts the request.
    ///
    /// # Errors
    ///
    /// `DeadlineExceeded` at the deadline, `VendorUnavailable` when the server cannot be reached,
    /// closes the connection, or does not respond within the timeout; `VendorProtocol` for a
    /// response above 4 MiB.
    pub(super) async fn post(
        &self,
        url: Url,
        form: Form,
        trace: Option<&CallTrace>,
        deadline: Instant,
        permit: &Arc<Permit>,
    ) -> Result<Response> {
        let now = Instant::now();
        if deadline <= now {
            return Err(deadline_passed());
        }
        let timeout = now + self.timeout;
        let form = FormBody {
            pieces: form.pieces(),
            remaining: form.length(),
            permit: permit.clone(),
        };
        match timeout_at(deadline.min(timeout), self.exchange(url, form, trace)).await {
            Ok(response) => response,
            Err(_) if deadline <= timeout => Err(deadline_passed()),
            Err(_) => {
                let message = format!(
                    "the vendor did not respond within {:?} (timeout)",
                    self.timeout
                );
                Err(Error::new(Kind::VendorUnavailable, message))
            }
        }
    }

    async fn exchange(
        &self,
        url: Url,
        form: FormBody,
        trace: Option<&CallTrace>,
    ) -> Result<Response> {
        const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
        // Not the builder, which copies the URL and the headers.
        let mut request = reqwest::Request::new(Method::POST, url);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, FORM);
        telemetry::add_trace_headers(headers, trace);
        *request.body_mut() = Some(reqwest::Body::wrap(form));
        let mut response = self.http.execute(request).await.map_err(unavailable)?;
        let status = i64::from(response.status().as_u16());
        telemetry::attribute(&Span::current(), HTTP_STATUS, status);
        let expected = response.content_length().map(usize::try_from);
        let expected = expected.and_then(|length| length.ok()).unwrap_or(0);
        let mut body = BytesMut::with_capacity(expected.min(MAX_RESPONSE_BYTES));
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

// === impl FormBody ===

impl Body for FormBody {
    type Data = Bytes;
    type Error = Infallible;

    /// Returns the next piece. The HTTP library polls the body once it has written the head.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.permit.mark_sent();
        let piece = self.pieces.next();
        self.remaining -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining as u64)
    }
}

/// Waits for `work` until the deadline of the call that needs it.
///
/// # Errors
///
/// `DeadlineExceeded`.
pub(super) async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    timeout_at(deadline, work)
        .await
        .unwrap_or_else(|_| Err(deadline_passed()))
}

/// Returns the URL `path` below `base`.
pub(super) fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// Returns the error of a call whose deadline has passed.
pub(super) fn deadline_passed() -> Error {
    let message = "the deadline passed before the vendor responded";
    Error::new(Kind::DeadlineExceeded, message)
}
