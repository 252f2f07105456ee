//! Rejects what web pages of other origins cause, before anything else is done for a request.
//!
//! A browser sends requests to this machine and its network for every page that it shows. Two kinds
//! of attack follow, and credentials do not help where a listener needs none:
//!
//! - DNS rebinding: the name of a page's own host resolves to the address of the gateway, so the
//!   page is of the same origin and reads every response. Such a request names the foreign host:
//!   only hosts that cannot be rebound, or that are configured, are served.
//! - Cross-site request forgery: a form or a fetch of another page. Browsers say so in `Origin` and
//!   `Sec-Fetch-Site`, which no page can change. Only configured origins are served, with CORS.
//!
//! Clients that are no browsers send neither header; for them this is one comparison of the host.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::{FutureExt, ready};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    CONTENT_TYPE, HOST, ORIGIN, VARY,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use super::around::{Around, Middleware, ResponseFuture};
use crate::config::Listen;
use crate::http_service::HttpService;

/// How the page that causes a request relates to its target (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Methods that pages of listed origins may use: those of gRPC-Web and the REST API. The log level
/// is set with PUT, so it is not theirs.
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET");
/// Request headers that pages of listed origins may set: those that gRPC-Web, Connect and JSON
/// clients send, and those that the gateway reads.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, connect-protocol-version, connect-timeout-ms, content-type, grpc-timeout, \
     traceparent, tracestate, x-api-key, x-grpc-web, x-request-id, x-user-agent",
);
/// Response headers that pages of listed origins may read.
const RESPONSE_HEADERS: HeaderValue =
    HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin, x-request-id");
/// Time in seconds for which a browser keeps the response to a preflight: the maximum of Chromium.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Middleware that rejects requests to foreign hosts and of foreign origins, and adds CORS.
#[derive(Clone, Debug)]
pub struct SameOrigin(Arc<Policy>);

/// Which hosts and origins a listener serves.
#[derive(Debug)]
struct Policy {
    /// Whether only this machine can connect.
    is_loopback: bool,
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// What happens with a request.
#[derive(Debug, PartialEq)]
enum Verdict {
    Serve,
    /// Serve it with the headers of CORS for this origin.
    ServeListed(HeaderValue),
    /// Respond to a preflight of this origin.
    Preflight(HeaderValue),
    Reject(StatusCode, &'static str),
}

/// Wraps everything that the listener at `address` serves.
pub fn same_origin(listen: &Listen, address: SocketAddr) -> Around<SameOrigin> {
    Around(SameOrigin(Arc::new(Policy {
        is_loopback: address.ip().is_loopback(),
        hosts: listen.hosts.clone(),
        origins: listen.cors_origins.clone(),
    })))
}

impl<S, A> Middleware<S, A> for SameOrigin
where
    S: HttpService<A>,
    S::ResponseBody: From<&'static str>,
{
    type RequestBody = A;
    type ResponseBody = S::ResponseBody;

    fn call(&self, inner: &mut S, request: Request<A>) -> ResponseFuture<S::ResponseBody> {
        match self.0.judge(&request) {
            Verdict::Serve => inner.call(request).boxed(),
            Verdict::ServeListed(origin) => {
                let response = inner.call(request);
                async move {
                    let mut response = response.await?;
                    allow(response.headers_mut(), origin);
                    Ok(response)
                }
                .boxed()
            }
            Verdict::Preflight(origin) => ready(Ok(preflight(origin))).boxed(),
            Verdict::Reject(status, message) => {
                tracing::debug!(
                    http_status = status.as_u16(),
                    error = message.trim_end(),
                    "request of a foreign host or origin rejected"
                );
                ready(Ok(rejection(status, message))).boxed()
            }
        }
    }
}

fn rejection<B: From<&'static str>>(status: StatusCode, message: &'static str) -> Response<B> {
    let mut response = Response::new(B::from(message));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

fn preflight<B: From<&'static str>>(origin: HeaderValue) -> Response<B> {
    let mut response = Response::new(B::from(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    allow(headers, origin);
    response
}

/// Lets a page of a listed origin read a response. Without `Access-Control-Allow-Credentials`: a
/// page presents keys or tokens of its own, never the client certificate of a browser.
fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    headers.append(VARY, HeaderValue::from_static("origin"));
}

// === impl Policy ===

impl Policy {
    fn judge<A>(&self, request: &Request<A>) -> Verdict {
        let Some(authority) = authority(request) else {
            let message = "the request must have one valid Host\n";
            return Verdict::Reject(StatusCode::BAD_REQUEST, message);
        };
        if !self.serves(authority.host()) {
            // RFC 9110 sections 7.4 and 15.5.20: the target is none that this server is configured
            // for. Not 403, which would say that the resource exists and is forbidden to the
            // caller.
            let message = "this host is not served here; listen.hosts lists more hosts\n";
            return Verdict::Reject(StatusCode::MISDIRECTED_REQUEST, message);
        }
        let headers = request.headers();
        if let Some(origin) = headers.get(ORIGIN) {
            if self.origins.iter().any(|listed| origin == listed.as_str()) {
                let asks = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
                return if asks && request.method() == Method::OPTIONS {
                    Verdict::Preflight(origin.clone())
                } else {
                    Verdict::ServeListed(origin.clone())
                };
            }
            if !is_origin_of(origin, &authority) {
                return FOREIGN_ORIGIN;
            }
        }
        match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            Some(b"cross-site" | b"same-site") => FOREIGN_ORIGIN,
            Some(_) | None => Verdict::Serve,
        }
    }

    /// Returns whether a host is served: one that no name server can point elsewhere, or a
    /// configured one.
    fn serves(&self, host: &str) -> bool {
        // A name may end with the root of the DNS.
        let host = host.strip_suffix('.').unwrap_or(host);
        let literal = host.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
        if let Ok(ip) = literal.unwrap_or(host).parse::<IpAddr>()
            && (ip.is_loopback() || !self.is_loopback)
        {
            return true;
        }
        // Other machines call this one by names that it does not know.
        let any = !self.is_loopback && self.hosts.is_empty();
        any || host.eq_ignore_ascii_case("localhost")
            || self
                .hosts
                .iter()
                .any(|name| name.eq_ignore_ascii_case(host))
    }
}

const FOREIGN_ORIGIN: Verdict = Verdict::Reject(
    StatusCode::FORBIDDEN,
    "requests of web pages of other origins are rejected; listen.cors_origins lists exceptions\n",
);

/// Returns host and port that a request is for; none if it does not name exactly one.
fn authority<A>(request: &Request<A>) -> Option<Cow<'_, Authority>> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return None,
        (host, None) => host,
    };
    let authority = match (request.uri().authority(), host) {
        // HTTP/2 has `:authority` instead of Host (RFC 9113 section 8.3.1).
        (Some(authority), None) if request.version() >= Version::HTTP_2 => Cow::Borrowed(authority),
        // What comes after this would not know which of two names counts.
        (Some(authority), Some(host)) => {
            let same = authority
                .as_str()
                .as_bytes()
                .eq_ignore_ascii_case(host.as_bytes());
            same.then_some(Cow::Borrowed(authority))?
        }
        (None, Some(host)) => Cow::Owned(Authority::try_from(host.as_bytes()).ok()?),
        // HTTP/1 needs it (RFC 9112 section 3.2).
        (_, None) => return None,
    };
    // No user information (RFC 9110 section 4.2.4).
    let is_valid = !authority.host().is_empty() && !authority.as_str().contains('@');
    is_valid.then_some(authority)
}

/// Returns whether an origin has the host and the port of a request. The scheme is not compared: a
/// proxy may end TLS.
fn is_origin_of(origin: &HeaderValue, authority: &Authority) -> bool {
    let parts = origin.to_str().ok().and_then(|text| text.split_once("://"));
    let Some((scheme, origin)) = parts else {
        // `null`: a sandboxed frame, a file.
        return false;
    };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Ok(origin) = Authority::try_from(origin) else {
        return false;
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    origin.host().eq_ignore_ascii_case(authority.host()) && port(&origin) == port(authority)
}

#[cfg(test)]
mod tests;
