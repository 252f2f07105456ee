//! Messages in JSON instead of protobuf (content type `application/grpc+json`).
//!
//! Everything behind this sees protobuf, and everything before it frames, whatever is in them. A
//! message is collected, converted and passed on; what it is charged for is replaced by what is kept
//! of it. JSON has the limit of a message in base64, and the message behind it has its own limit.

pub(super) mod read;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::{BoxFuture, Either, FutureExt};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::contract::{Contract, is_unary};
use super::prefix::{PREFIX_BYTES, message_length, plain_prefix};
use super::translated::{BoxError, Queue, Step, TranslatedBody, Translator};
use crate::admission::CallPermit;
use crate::call::Call;
use crate::error::{Error, Kind, Result};

/// Content type of gRPC with messages in JSON.
pub(super) const GRPC_JSON: HeaderValue = HeaderValue::from_static("application/grpc+json");

/// Service around a gRPC service that converts JSON.
#[derive(Clone, Debug)]
pub struct Json<S> {
    inner: S,
    contract: Arc<Contract>,
    max_message_bytes: usize,
}

/// Converts the messages of a body.
pub(super) struct Converter {
    conversion: Conversion,
    max_bytes: usize,
    /// What the call is charged to.
    permit: CallPermit,
    part: Part,
}

enum Conversion {
    /// Reads JSON of this type.
    Read(MessageDescriptor),
    /// Writes JSON of this type; the call of a unary method is charged for it.
    Write(MessageDescriptor, bool),
}

/// What the next byte of the body belongs to.
enum Part {
    /// A prefix, of which these bytes have arrived.
    Prefix(BytesMut),
    /// A message, of which these bytes have arrived, and so many have not.
    Message(Vec<u8>, usize),
}

/// Returns the maximum length of a message as its call sends it: in JSON, that of the longest
/// protobuf in base64.
pub(super) fn max_bytes(headers: &HeaderMap, max_message_bytes: usize) -> usize {
    if is_json(headers) {
        max_message_bytes.div_ceil(3).saturating_mul(4)
    } else {
        max_message_bytes
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE) == Some(&GRPC_JSON)
}

// === impl Json ===

impl<S> Json<S> {
    /// Converts JSON of messages up to `max_message_bytes`.
    pub(super) fn new(inner: S, contract: Arc<Contract>, max_message_bytes: usize) -> Self {
        Json {
            inner,
            contract,
            max_message_bytes,
        }
    }
}

impl<S: NamedService> NamedService for Json<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for Json<S>
where
    S: Service<Request<TranslatedBody<B>>, Response = Response<Body>, Future: Send + 'static>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future =
        Either<S::Future, BoxFuture<'static, std::result::Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = is_json(request.headers())
            // The service responds to an unknown method without reading its body.
            .then(|| self.contract.method(request.uri().path()).cloned());
        let Some(method) = method.flatten() else {
            return Either::Left(
                self.inner
                    .call(request.map(|body| TranslatedBody::new(body, None))),
            );
        };
        let call = request.extensions().get::<Call>();
        let permit = call.map(|call| call.permit.clone()).unwrap_or_default();
        let max_bytes = max_bytes(request.headers(), self.max_message_bytes);
        let read = Conversion::Read(method.input());
        let read = Converter::new(read, max_bytes, permit.clone());
        let response = self
            .inner
            .call(request.map(|body| TranslatedBody::new(body, Some(Box::new(read)))));
        async move {
            let mut response = response.await?;
            response.headers_mut().insert(CONTENT_TYPE, GRPC_JSON);
            let write = Conversion::Write(method.output(), is_unary(&method));
            let write = Converter::new(write, usize::MAX, permit);
            Ok(response.map(|body| Body::new(TranslatedBody::new(body, Some(Box::new(write))))))
        }
        .boxed()
        .right_future()
    }
}

// === impl Converter ===

impl Converter {
    fn new(conversion: Conversion, max_bytes: usize, permit: CallPermit) -> Self {
        Converter {
            conversion,
            max_bytes,
            permit,
            part: Part::Prefix(BytesMut::new()),
        }
    }

    fn convert(&mut self, message: Vec<u8>, queue: &mut Queue) -> Result<()> {
        // One frame with its prefix, not two.
        let mut framed = vec![0; PREFIX_BYTES];
        match &self.conversion {
            Conversion::Read(kind) => {
                framed = read::message(&message, kind, framed)?;
                self.permit.discard(message.len());
                queue.charge(&self.permit, framed.len())?;
            }
            Conversion::Write(kind, is_unary) => {
                write(message, kind, &mut framed)?;
                if *is_unary {
                    self.permit.respond(framed.len());
                }
            }
        }
        let prefix = plain_prefix(framed.len() - PREFIX_BYTES);
        framed[..PREFIX_BYTES].copy_from_slice(&prefix);
        queue.ready.push_back(framed.into());
        Ok(())
    }
}

impl Translator for Converter {
    fn step(&mut self, queue: &mut Queue) -> Result<Step> {
        match &mut self.part {
            Part::Prefix(arrived) => {
                let missing = PREFIX_BYTES - arrived.len();
                arrived.put(queue.input.split_to(missing.min(queue.input.len())));
                if arrived.len() < PREFIX_BYTES {
                    return Ok(Step::Passed);
                }
                let length = message_length(arrived);
                if arrived[0] != 0 {
                    let message = format!("a message has the flags {}, must be 0", arrived[0]);
                    return Err(Error::new(Kind::InvalidParameter, message));
                }
                if length > self.max_bytes {
                    let max = self.max_bytes;
                    let message = format!("a message in JSON has more than {max} bytes");
                    return Err(Error::new(Kind::MessageTooLarge, message));
                }
                self.part = Part::Message(Vec::new(), length);
            }
            Part::Message(message, left) => {
                let part = queue.input.split_to((*left).min(queue.input.len()));
                // Doubled, but for no more than is announced.
                message.reserve_exact(part.len().max(message.len()).min(*left));
                message.extend_from_slice(&part);
                *left -= part.len();
            }
        }
        if let Part::Message(message, 0) = &mut self.part {
            let message = std::mem::take(message);
            self.part = Part::Prefix(BytesMut::new());
            self.convert(message, queue)?;
        }
        Ok(Step::Passed)
    }

    fn end(&mut self, _: &mut Queue) -> Result<()> {
        match &self.part {
            Part::Prefix(begin) if begin.is_empty() => Ok(()),
            Part::Prefix(_) | Part::Message(..) => {
                let message = "the body ends within a message";
                Err(Error::new(Kind::InvalidParameter, message))
            }
        }
    }
}

/// Appends a message in JSON.
fn write(message: Vec<u8>, kind: &MessageDescriptor, json: &mut Vec<u8>) -> Result<()> {
    let internal = |error: BoxError| {
        Error::new(Kind::Internal, "the response cannot be written as JSON").with_source(error)
    };
    let message = DynamicMessage::decode(kind.clone(), Bytes::from(message));
    let message = message.map_err(|error| internal(error.into()))?;
    serde_json::to_writer(json, &message).map_err(|error| internal(error.into()))
}
