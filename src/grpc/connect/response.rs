//! Translates the responses of gRPC to Connect.
//!
//! A unary response is collected, because its status of HTTP comes from the trailers. The body of
//! gRPC is kept until the last byte is sent, and with it what the call is charged for. Messages of
//! a stream have the same prefix in both protocols; only the trailers become a message.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use super::error::{ConnectError, EndOfStream, http_status};
use crate::grpc::contract::Contract;
use crate::grpc::inflate;
use crate::grpc::prefix::{PREFIX_BYTES, prefix};
use crate::grpc::status::PUSHBACK;

/// Flag of the last message of a stream (Connect protocol, Enveloped-Message).
const END_OF_STREAM: u8 = 2;
/// Length below which compression saves no packet.
const MIN_COMPRESSED_BYTES: usize = 1024;
/// Bytes that are compressed or given out at once. Other calls run between steps of compression; and
/// HTTP/1 takes 16 parts of a body before it sends one, which are not charged once it has the last.
const STEP_BYTES: usize = 16 * 1024;
/// What a stream accepts, where a unary call has `accept-encoding`.
const STREAM_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");

/// How the response of one call is translated.
pub(super) struct Translation {
    pub(super) contract: Arc<Contract>,
    /// That of the request.
    pub(super) content_type: HeaderValue,
    /// Whether the request had the form of unary calls.
    pub(super) is_bare: bool,
    /// Whether that is the form of its method.
    pub(super) is_suitable: bool,
    pub(super) may_compress: bool,
}

/// The body of a unary response.
struct UnaryBody {
    parts: VecDeque<Bytes>,
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// Keeps what the call is charged for.
    _kept: Body,
}

/// The body of a stream.
struct StreamBody {
    inner: Body,
    contract: Arc<Contract>,
    /// The status of a response without trailers.
    status: Option<Status>,
    has_ended: bool,
}

// === impl Translation ===

impl Translation {
    pub(super) async fn translate(self, response: Response<Body>) -> Response<Body> {
        if self.is_bare || !self.is_suitable {
            return self.unary(response).await;
        }
        let (mut head, inner) = response.into_parts();
        let status = Status::from_header_map(&head.headers);
        strip(&mut head.headers, STREAM_ACCEPT_ENCODING);
        head.headers.insert(CONTENT_TYPE, self.content_type);
        let body = StreamBody {
            inner,
            contract: self.contract,
            status,
            has_ended: false,
        };
        Response::from_parts(head, Body::new(body))
    }

    async fn unary(self, response: Response<Body>) -> Response<Body> {
        let (mut head, mut body) = response.into_parts();
        let mut parts = VecDeque::new();
        let mut status = Status::from_header_map(&head.headers);
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => parts.push_back(data),
                Ok(Err(frame)) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    status = Status::from_header_map(&trailers);
                }
                Err(error) => status = Some(error),
            }
        }
        let status = status.unwrap_or_else(|| Status::unknown("the response has no status"));
        let headers = &mut head.headers;
        let content_type = if status.code() == Code::Ok {
            without_prefix(&mut parts);
            self.content_type
        } else {
            // Other errors come first, such as that of a missing credential.
            let is_mismatch = !self.is_suitable && status.code() == Code::Unimplemented;
            head.status = if is_mismatch {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            } else {
                http_status(&status)
            };
            retry_after(headers);
            let error = ConnectError::new(&status, &self.contract);
            let json = serde_json::to_vec(&error).unwrap_or_default();
            parts = VecDeque::from([json.into()]);
            HeaderValue::from_static("application/json")
        };
        strip(headers, ACCEPT_ENCODING);
        headers.insert(CONTENT_TYPE, content_type);
        let length = parts.iter().map(Bytes::len).sum::<usize>();
        let encoder = (self.may_compress && length >= MIN_COMPRESSED_BYTES).then(|| {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            GzEncoder::new(Vec::new(), Compression::fast())
        });
        let body = UnaryBody {
            parts,
            encoder,
            _kept: body,
        };
        Response::from_parts(head, Body::new(body))
    }
}

/// Removes the prefix of the only message.
fn without_prefix(parts: &mut VecDeque<Bytes>) {
    let mut left = PREFIX_BYTES;
    while left > 0
        && let Some(first) = parts.front_mut()
    {
        let cut = left.min(first.len());
        first.advance(cut);
        left -= cut;
        if first.is_empty() {
            parts.pop_front();
        }
    }
}

/// Writes the time to wait as HTTP has it (RFC 9110 section 10.2.3), in whole seconds.
fn retry_after(headers: &mut HeaderMap) {
    let wait = headers
        .get(PUSHBACK)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(milliseconds) = wait {
        headers.insert(RETRY_AFTER, milliseconds.div_ceil(1000).into());
    }
}

/// Removes the headers of gRPC; that with the encodings of requests gets another name.
fn strip(headers: &mut HeaderMap, accept_encoding: HeaderName) {
    if let Some(accepted) = headers.remove(inflate::ACCEPT_ENCODING) {
        headers.insert(accept_encoding, accepted);
    }
    let names = headers
        .keys()
        .filter(|name| name.as_str().starts_with("grpc-"));
    let names: Vec<HeaderName> = names.cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

// === impl UnaryBody ===

impl UnaryBody {
    /// Takes what is given out or compressed next.
    fn step(&mut self) -> Option<Bytes> {
        let part = self.parts.front_mut()?;
        let step = part.split_to(STEP_BYTES.min(part.len()));
        if part.is_empty() {
            self.parts.pop_front();
        }
        Some(step)
    }
}

/// Never says that it has ended: HTTP/1 drops such a body at its last part, before it sends one.
impl http_body::Body for UnaryBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let step = self.step();
        let Some(encoder) = &mut self.encoder else {
            return Poll::Ready(step.map(|step| Ok(Frame::data(step))));
        };
        let compressed = match step {
            Some(step) => {
                let written = encoder.write_all(&step);
                written.map(|()| std::mem::take(encoder.get_mut()))
            }
            None => {
                let encoder = self.encoder.take();
                encoder.map_or(Ok(Vec::new()), GzEncoder::finish)
            }
        };
        match compressed {
            Ok(compressed) if compressed.is_empty() => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(compressed) => Poll::Ready(Some(Ok(Frame::data(compressed.into())))),
            Err(error) => Poll::Ready(Some(Err(Status::internal(error.to_string())))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.encoder.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.parts.iter().map(|part| part.len() as u64).sum())
    }
}

// === impl StreamBody ===

impl StreamBody {
    /// Writes the last message.
    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        self.has_ended = true;
        let end = EndOfStream::new(status, &self.contract);
        let json = serde_json::to_vec(&end).unwrap_or_default();
        let prefix = prefix(END_OF_STREAM, json.len());
        Frame::data([&prefix[..], &json].concat().into())
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let status = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    Status::from_header_map(&trailers)
                }
            },
            Some(Err(error)) => Some(error),
            None => self.status.take(),
        };
        let status = status.unwrap_or_else(|| Status::unknown("the response has no status"));
        Poll::Ready(Some(Ok(self.end(&status))))
    }
}

#[cfg(test)]
mod tests;
