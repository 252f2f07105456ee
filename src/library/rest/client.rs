//! One HTTP client: a form goes out, status and bounded body come back.
//!
//! It knows the network's failures and classifies them; it does not know what
//! is in the bodies. The address of a call holds the access token, so no error
//! of the HTTP library leaves here with its address in it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::error::{Error, Kind, Result};

/// Longest answer that is read: the vendor's longest, 1000 matches with full
/// briefs, has under 0.5 MiB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Longest wait for a connection; ours: 3 SYNs (RFC 6298: 1 s, then 2 s, 4 s).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(7);

/// Sends calls to one server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    longest: Duration,
}

/// What a server answered.
pub(super) struct Answer {
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
    /// configured; `VendorProtocol` for an answer past 4 MiB.
    pub(super) async fn post(&self, url: Url, form: Bytes, deadline: Instant) -> Result<Answer> {
        let now = Instant::now();
        if deadline <= now {
            return Err(deadline_passed());
        }
        let longest = now + self.longest;
        match timeout_at(deadline.min(longest), self.exchange(url, form)).await {
            Ok(answer) => answer,
            Err(_) if deadline <= longest => Err(deadline_passed()),
            Err(_) => {
                let message = format!("the vendor did not answer within {:?}", self.longest);
                Err(Error::new(Kind::VendorUnavailable, message))
            }
        }
    }

    async fn exchange(&self, url: Url, form: Bytes) -> Result<Answer> {
        const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = self.http.post(url).header(CONTENT_TYPE, FORM).body(form);
        let mut response = request.send().await.map_err(unavailable)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let message =
                    format!("the vendor's answer is longer than {MAX_ANSWER_BYTES} bytes");
                return Err(Error::new(Kind::VendorProtocol, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            body: body.freeze(),
        })
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

fn deadline_passed() -> Error {
    let message = "the deadline passed before the vendor answered";
    Error::new(Kind::DeadlineExceeded, message)
}
