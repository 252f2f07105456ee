//! Rejections before any call: why, with which response, and how operators see them.
//!
//! These requests never become calls of an API, so the layers that count and log calls do not see
//! them. Each is counted by listener and reason, and has one line in the access log.

use http::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderValue, Request, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;

use crate::telemetry::Metrics;

/// Why a request is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WebRejection {
    InvalidHost,
    ForeignHost,
    ForeignOrigin,
    CrossSite,
    ContentType,
    Method,
}

/// Reports the rejections of one listener.
#[derive(Debug)]
pub(super) struct WebRejections {
    listener: &'static str,
    /// In the order of [`WebRejection::ALL`].
    counters: [Counter; WebRejection::ALL.len()],
}

// === impl WebRejection ===

impl WebRejection {
    const ALL: [WebRejection; 6] = [
        WebRejection::InvalidHost,
        WebRejection::ForeignHost,
        WebRejection::ForeignOrigin,
        WebRejection::CrossSite,
        WebRejection::ContentType,
        WebRejection::Method,
    ];

    /// Returns the value of the label and of the log field.
    fn reason(self) -> &'static str {
        match self {
            WebRejection::InvalidHost => "invalid_host",
            WebRejection::ForeignHost => "foreign_host",
            WebRejection::ForeignOrigin => "foreign_origin",
            WebRejection::CrossSite => "cross_site",
            WebRejection::ContentType => "content_type",
            WebRejection::Method => "method",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            WebRejection::InvalidHost => StatusCode::BAD_REQUEST,
            // RFC 9110 sections 7.4 and 15.5.20: the target is none that this server is configured
            // for. Not 403, which would say that the resource exists and is forbidden to the
            // caller.
            WebRejection::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            WebRejection::ForeignOrigin | WebRejection::CrossSite => StatusCode::FORBIDDEN,
            // gRPC over HTTP/2, Requests: "SHOULD respond with HTTP status of 415".
            WebRejection::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            WebRejection::Method => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn message(self) -> &'static str {
        match self {
            WebRejection::InvalidHost => "the request must have one valid Host\n",
            WebRejection::ForeignHost => {
                "this host is not served here; listen.hosts lists more hosts\n"
            }
            WebRejection::ForeignOrigin | WebRejection::CrossSite => {
                "requests of web pages of other origins are rejected; listen.cors_origins lists \
                 exceptions\n"
            }
            WebRejection::ContentType => {
                "this port serves gRPC, gRPC-Web and Connect: the content type must be \
                 application/json, application/proto, or begin with application/connect+ or \
                 application/grpc\n"
            }
            WebRejection::Method => "call methods with POST\n",
        }
    }
}

// === impl WebRejections ===

impl WebRejections {
    pub(super) fn new(listener: &'static str, metrics: &Metrics) -> Self {
        let counter =
            |rejection: WebRejection| metrics.web_rejections(listener, rejection.reason());
        WebRejections {
            listener,
            counters: WebRejection::ALL.map(counter),
        }
    }

    /// Counts and logs a rejection, and makes its response.
    pub(super) fn reject<A, B: From<&'static str>>(
        &self,
        request: &Request<A>,
        rejection: WebRejection,
    ) -> Response<B> {
        self.counters[rejection as usize].inc();
        let header = |name| request.headers().get(name)?.to_str().ok();
        let authority = request.uri().authority();
        let host = authority.map(http::uri::Authority::as_str);
        // An invalid one may hold a password: `user:password@host`.
        let is_valid = rejection != WebRejection::InvalidHost;
        // The path alone: a query can hold an access token.
        tracing::info!(
            listener = self.listener,
            reason = rejection.reason(),
            http_status = rejection.status().as_u16(),
            path = request.uri().path(),
            host = host.or_else(|| header(HOST)).filter(|_| is_valid),
            origin = header(ORIGIN),
            "request rejected before its call"
        );
        let mut response = Response::new(B::from(rejection.message()));
        *response.status_mut() = rejection.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, text);
        if rejection == WebRejection::Method {
            // RFC 9110 section 15.5.6 requires it.
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}
