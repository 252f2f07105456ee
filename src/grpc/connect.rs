//! The Connect protocol: translates its calls to gRPC, and their responses back
//! (connectrpc.com/docs/protocol).
//!
//! Only heads, prefixes and statuses are translated, so no method is written twice and every layer
//! behind this sees a call of gRPC. What needs the body of the request is done behind the layers
//! that charge it: [`BareMessages`](super::bare::BareMessages) and [`Json`](super::json::Json).

mod error;
mod response;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either, FutureExt};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use tonic::body::Body;
use tower::{Layer, Service};

use self::response::Translation;
use super::bare::ConnectCall;
use super::contract::Contract;
use super::inflate;
use super::json::GRPC_JSON;
use crate::media_type::media_type;

const GRPC_PROTO: HeaderValue = HeaderValue::from_static("application/grpc+proto");
const STREAM_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

/// Layer that accepts calls of Connect besides those of gRPC.
#[derive(Clone, Debug)]
pub struct ConnectLayer(Arc<Contract>);

/// Service that accepts calls of Connect.
#[derive(Clone, Debug)]
pub struct Connect<S> {
    inner: S,
    contract: Arc<Contract>,
}

/// A content type of Connect.
#[derive(Clone, Copy, Debug)]
struct Format {
    name: &'static str,
    is_json: bool,
    /// Whether the body is one message without a prefix: the form of unary calls.
    is_bare: bool,
}

const FORMATS: [Format; 4] = [
    format("application/json", true, true),
    format("application/proto", false, true),
    format("application/connect+json", true, false),
    format("application/connect+proto", false, false),
];

const fn format(name: &'static str, is_json: bool, is_bare: bool) -> Format {
    Format {
        name,
        is_json,
        is_bare,
    }
}

// === impl ConnectLayer ===

impl ConnectLayer {
    /// Translates calls of the methods of `contract`.
    pub fn new(contract: Arc<Contract>) -> Self {
        ConnectLayer(contract)
    }
}

impl<S> Layer<S> for ConnectLayer {
    type Service = Connect<S>;

    fn layer(&self, inner: S) -> Connect<S> {
        let contract = self.0.clone();
        Connect { inner, contract }
    }
}

// === impl Connect ===

impl<S, B> Service<Request<B>> for Connect<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(format) = Format::of(request.headers()) else {
            return Either::Left(self.inner.call(request));
        };
        let translation = Translation {
            contract: self.contract.clone(),
            content_type: HeaderValue::from_static(format.name),
            is_bare: format.is_bare,
            is_suitable: self.contract.suits(request.uri().path(), format.is_bare),
            // Messages of streams are sent plain.
            may_compress: format.is_bare && accepts_gzip(request.headers()),
        };
        format.translate_head(&mut request);
        let response = self.inner.call(request);
        async move { Ok(translation.translate(response.await?).await) }
            .boxed()
            .right_future()
    }
}

/// Returns whether a client lists gzip. Weights are not compared: few clients list gzip and mean
/// another encoding, and none that is listed may be wrong.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let mut listed = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    listed.any(|encoding| {
        let (name, weight) = encoding.split_once(';').unwrap_or((encoding, ""));
        // Behind `q=`.
        let weight = weight
            .trim()
            .get(2..)
            .and_then(|text| text.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight != Some(0.0)
    })
}

/// Returns gRPC's name of an encoding of HTTP (RFC 9110 section 8.4.1); one that it does not know
/// stays.
fn grpc_encoding(encoding: HeaderValue) -> HeaderValue {
    let name = encoding.as_bytes().trim_ascii().to_ascii_lowercase();
    match name.as_slice() {
        b"gzip" | b"x-gzip" => HeaderValue::from_static("gzip"),
        b"identity" | b"" => HeaderValue::from_static("identity"),
        _ => encoding,
    }
}

// === impl Format ===

impl Format {
    fn of(headers: &HeaderMap) -> Option<Format> {
        let kind = media_type(headers)?;
        let mut formats = FORMATS.into_iter();
        formats.find(|format| format.name.as_bytes().eq_ignore_ascii_case(kind))
    }

    /// Makes the head of a call of gRPC. Its timeout stays: the deadline reads both protocols'.
    fn translate_head<B>(self, request: &mut Request<B>) {
        // gRPC-Web, behind this, passes HTTP/2 only.
        *request.version_mut() = Version::HTTP_2;
        let is_bare = self.is_bare;
        request.extensions_mut().insert(ConnectCall { is_bare });
        let headers = request.headers_mut();
        let kind = if self.is_json { GRPC_JSON } else { GRPC_PROTO };
        headers.insert(CONTENT_TYPE, kind);
        headers.remove(inflate::ENCODING);
        let encoding = if is_bare {
            CONTENT_ENCODING
        } else {
            STREAM_ENCODING
        };
        if let Some(encoding) = headers.remove(encoding) {
            headers.insert(inflate::ENCODING, grpc_encoding(encoding));
        }
    }
}
