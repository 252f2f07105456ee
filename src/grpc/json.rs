//! Messages in JSON instead of protobuf (content type `application/grpc+json`).
//!
//! Everything behind this sees protobuf, and everything before it frames, whatever is in them. A
//! message is collected, converted and passed on; what it is charged for is replaced by what is kept
//! of it. JSON has the limit of a message in base64, and the message behind it has its own limit.

pub(super) mod read;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::{BoxFuture, Either, FutureExt};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::contract::{Contract, is_unary};
use super::prefix::{PREFIX_BYTES, message_length, plain_prefix};
use crate::admission::CallPermit;
use crate::call::Call;
use crate::error::{Error, Kind, Result};

/// Content type of gRPC with messages in JSON.
pub(super) const GRPC_JSON: HeaderValue = HeaderValue::from_static("application/grpc+json");

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Service around a gRPC service that converts JSON.
#[derive(Clone, Debug)]
pub struct Json<S> {
    inner: S,
    contract: Arc<Contract>,
    max_message_bytes: usize,
}

/// A body with converted messages; the body of another content type passes as it is.
pub struct ConvertedBody<B> {
    inner: B,
    converter: Option<Box<Converter>>,
}

struct Converter {
    conversion: Conversion,
    max_bytes: usize,
    /// What the call is charged to.
    permit: CallPermit,
    part: Part,
    /// What has arrived and is not read yet.
    input: Bytes,
    ready: VecDeque<Bytes>,
    /// Ends when a bulk load may be read on.
    wait: Option<BoxFuture<'static, ()>>,
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
    S: Service<Request<ConvertedBody<B>>, Response = Response<Body>, Future: Send + 'static>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future =
        Either<S::Future, BoxFuture<'static, std::result::Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service responds to an unknown method without reading its body.
        let method = self.contract.method(request.uri().path());
        let method = method.filter(|_| is_json(request.headers()));
        let Some(method) = method.cloned() else {
            return Either::Left(self.inner.call(request.map(ConvertedBody::unchanged)));
        };
        let call = request.extensions().get::<Call>();
        let permit = call.map(|call| call.permit.clone()).unwrap_or_default();
        let max_bytes = max_bytes(request.headers(), self.max_message_bytes);
        let read = Conversion::Read(method.input());
        let read = Converter::new(read, max_bytes, permit.clone());
        let response = self
            .inner
            .call(request.map(|body| ConvertedBody::new(body, read)));
        async move {
            let mut response = response.await?;
            response.headers_mut().insert(CONTENT_TYPE, GRPC_JSON);
            let write = Conversion::Write(method.output(), is_unary(&method));
            let write = Converter::new(write, usize::MAX, permit);
            Ok(response.map(|body| Body::new(ConvertedBody::new(body, write))))
        }
        .boxed()
        .right_future()
    }
}

// === impl ConvertedBody ===

impl<B> ConvertedBody<B> {
    fn new(inner: B, converter: Converter) -> Self {
        ConvertedBody {
            inner,
            converter: Some(Box::new(converter)),
        }
    }

    fn unchanged(inner: B) -> Self {
        ConvertedBody {
            inner,
            converter: None,
        }
    }
}

impl<B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin> http_body::Body
    for ConvertedBody<B>
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, BoxError>>> {
        let ConvertedBody { inner, converter } = &mut *self;
        let Some(converter) = converter else {
            let frame = ready!(Pin::new(inner).poll_frame(context));
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        };
        loop {
            if let Some(data) = converter.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if let Some(wait) = &mut converter.wait {
                ready!(wait.poll_unpin(context));
                converter.wait = None;
            }
            if !converter.input.is_empty() {
                if let Err(error) = converter.step() {
                    return Poll::Ready(Some(Err(converter.fail(error))));
                }
                continue;
            }
            match ready!(Pin::new(&mut *inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => converter.input = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => {
                    let error = converter.end().map(|error| Err(converter.fail(error)));
                    return Poll::Ready(error);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.converter.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.converter {
            None => self.inner.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}

impl<B> std::fmt::Debug for ConvertedBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConvertedBody").finish_non_exhaustive()
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
            input: Bytes::new(),
            ready: VecDeque::new(),
            wait: None,
        }
    }

    /// Reads a part of the input.
    fn step(&mut self) -> Result<()> {
        match &mut self.part {
            Part::Prefix(arrived) => {
                let missing = PREFIX_BYTES - arrived.len();
                arrived.put(self.input.split_to(missing.min(self.input.len())));
                if arrived.len() < PREFIX_BYTES {
                    return Ok(());
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
                let part = self.input.split_to((*left).min(self.input.len()));
                // Doubled, but for no more than is announced.
                message.reserve_exact(part.len().max(message.len()).min(*left));
                message.extend_from_slice(&part);
                *left -= part.len();
            }
        }
        if let Part::Message(message, 0) = &mut self.part {
            let message = std::mem::take(message);
            self.part = Part::Prefix(BytesMut::new());
            self.convert(message)?;
        }
        Ok(())
    }

    fn convert(&mut self, message: Vec<u8>) -> Result<()> {
        // One frame with its prefix, not two.
        let mut framed = vec![0; PREFIX_BYTES];
        match &self.conversion {
            Conversion::Read(kind) => {
                framed = read::message(&message, kind, framed)?;
                self.permit.discard(message.len());
                if !self.permit.charge_arrived(framed.len())? {
                    let permit = self.permit.clone();
                    self.wait = Some(async move { permit.wait_to_read_on().await }.boxed());
                }
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
        self.ready.push_back(framed.into());
        Ok(())
    }

    /// Ends the body; a part of a message at its end is an error.
    fn end(&mut self) -> Option<Error> {
        match std::mem::replace(&mut self.part, Part::Prefix(BytesMut::new())) {
            Part::Prefix(begin) if begin.is_empty() => None,
            Part::Prefix(_) | Part::Message(..) => {
                let message = "the body ends within a message";
                Some(Error::new(Kind::InvalidParameter, message))
            }
        }
    }

    /// Ends the body with an error, which tonic makes the status of the call.
    fn fail(&mut self, error: Error) -> BoxError {
        self.part = Part::Prefix(BytesMut::new());
        self.input.clear();
        Box::new(Status::from(error))
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
