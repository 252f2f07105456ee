//! Rejects what web pages of other origins cause, before anything else is done for a request; and at
//! the gRPC port, what is no call.
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
//! A link from another site opens the console: at the gRPC port a GET into a window of its own is
//! served, since nothing there is done by GET, and the page that opened it reads nothing of it.
//!
//! Clients that are no browsers send neither header; for them this is one comparison of the host.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::{FutureExt, ready};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST,
    ORIGIN, VARY,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use super::around::{Around, Middleware, ResponseFuture};
use super::web_rejection::{WebRejection, WebRejections};
use crate::config::Listen;
use crate::http_service::HttpService;
use crate::media_type::media_type;
use crate::telemetry::Metrics;

/// How the page that causes a request relates to its target (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What a browser does with the response (W3C Fetch Metadata).
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// Where a browser puts the response (W3C Fetch Metadata).
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// Methods that pages of listed origins may use at the APIs: those of gRPC-Web and of forms.
const API_METHODS: &str = "POST, GET";
/// Methods that they may use at the admin port, which changes nothing by them.
const ADMIN_METHODS: &str = "GET";
/// Begin of the content types of gRPC and gRPC-Web.
const GRPC: &[u8] = b"application/grpc";
/// Content types of the Connect protocol.
const CONNECT: [&str; 4] = [
    "application/json",
    "application/proto",
    "application/connect+json",
    "application/connect+proto",
];
/// Request headers that pages of listed origins may set: those that gRPC-Web, Connect and JSON
/// clients send, and those that the gateway reads.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, connect-content-encoding, connect-protocol-version, connect-timeout-ms, \
     content-encoding, content-type, grpc-timeout, traceparent, tracestate, x-api-key, \
     x-grpc-web, x-request-id, x-user-agent",
);
/// Response headers that pages of listed origins may read.
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "grpc-status, grpc-message, grpc-status-details-bin, retry-after, x-request-id",
);
/// Time in seconds for which a browser keeps the response to a preflight: the maximum of Chromium.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Middleware that rejects requests to foreign hosts and of foreign origins, and adds CORS.
#[derive(Clone, Debug)]
pub struct SameOrigin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: Policy,
    rejections: WebRejections,
}

/// The listeners of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The gRPC API.
    Grpc,
    /// The REST API.
    Rest,
    /// Probes, metrics, state.
    Admin,
}

/// Which requests a listener serves.
#[derive(Debug)]
struct Policy {
    port: Port,
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
    Reject(WebRejection),
}

/// Wraps everything that the listener at `address` serves.
pub fn same_origin(
    listen: &Listen,
    port: Port,
    address: SocketAddr,
    metrics: &Metrics,
) -> Around<SameOrigin> {
    Around(SameOrigin(Arc::new(Inner {
        policy: Policy {
            port,
            is_loopback: address.ip().is_loopback(),
            hosts: listen.hosts.clone(),
            origins: listen.cors_origins.clone(),
        },
        rejections: WebRejections::new(port.name(), metrics),
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
        let Inner { policy, rejections } = &*self.0;
        match policy.judge(&request) {
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
            Verdict::Preflight(origin) => {
                let methods = policy.port.listed_methods();
                ready(Ok(preflight(origin, methods))).boxed()
            }
            Verdict::Reject(rejection) => ready(Ok(rejections.reject(&request, rejection))).boxed(),
        }
    }
}

fn preflight<B: From<&'static str>>(origin: HeaderValue, methods: &'static str) -> Response<B> {
    let mut response = Response::new(B::from(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(methods),
    );
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

// === impl Port ===

impl Port {
    /// Returns its key in `[listen]`.
    pub fn name(self) -> &'static str {
        match self {
            Port::Grpc => "grpc",
            Port::Rest => "rest",
            Port::Admin => "admin",
        }
    }

    /// Returns the methods that pages of listed origins may use.
    fn listed_methods(self) -> &'static str {
        match self {
            Port::Grpc | Port::Rest => API_METHODS,
            Port::Admin => ADMIN_METHODS,
        }
    }
}

// === impl Policy ===

impl Policy {
    fn judge<A>(&self, request: &Request<A>) -> Verdict {
        let Some(authority) = authority(request) else {
            return Verdict::Reject(WebRejection::InvalidHost);
        };
        if !self.serves(authority.host()) {
            return Verdict::Reject(WebRejection::ForeignHost);
        }
        let verdict = self.judge_origin(request, &authority);
        let is_served = matches!(verdict, Verdict::Serve | Verdict::ServeListed(_));
        if !is_served || self.port != Port::Grpc {
            return verdict;
        }
        if request.method() != Method::POST && is_of_method(request.uri().path()) {
            return Verdict::Reject(WebRejection::Method);
        }
        if !may_be_call(request) {
            return Verdict::Reject(WebRejection::ContentType);
        }
        verdict
    }

    fn judge_origin<A>(&self, request: &Request<A>, authority: &Authority) -> Verdict {
        let headers = request.headers();
        if let Some(origin) = headers.get(ORIGIN) {
            if self.origins.iter().any(|listed| origin == listed.as_str()) {
                let asks = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
                if asks && request.method() == Method::OPTIONS {
                    return Verdict::Preflight(origin.clone());
                }
                let mut methods = self.port.listed_methods().split(", ");
                if methods.any(|method| method == request.method().as_str()) {
                    return Verdict::ServeListed(origin.clone());
                }
            }
            if !is_origin_of(origin, authority) {
                return Verdict::Reject(WebRejection::ForeignOrigin);
            }
        }
        match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            Some(b"cross-site" | b"same-site") if !self.is_followed_link(request) => {
                Verdict::Reject(WebRejection::CrossSite)
            }
            Some(_) | None => Verdict::Serve,
        }
    }

    /// Returns whether a user, or a page, opens an address of the gRPC port in a window: not in a
    /// frame, and not by a form.
    fn is_followed_link<A>(&self, request: &Request<A>) -> bool {
        let is = |name, value| {
            request
                .headers()
                .get(name)
                .is_some_and(|found| found == value)
        };
        self.port == Port::Grpc
            && request.method() == Method::GET
            && is(SEC_FETCH_MODE, "navigate")
            && is(SEC_FETCH_DEST, "document")
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

/// Returns whether a path is that of a method: `/package.Service/Method`.
fn is_of_method(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let service = parts.next().unwrap_or_default();
    service.contains('.') && parts.next().is_some()
}

/// Returns whether a request is one of gRPC or Connect by its content type, or no request of a
/// client that means to call: one with another method than POST has none.
fn may_be_call<A>(request: &Request<A>) -> bool {
    let Some(kind) = media_type(request.headers()) else {
        return request.method() != Method::POST;
    };
    let begin = kind.get(..GRPC.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(GRPC))
        || CONNECT
            .iter()
            .any(|name| kind.eq_ignore_ascii_case(name.as_bytes()))
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
