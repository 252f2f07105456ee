//! Accepts requests whose messages are compressed with gzip (gRPC over HTTP/2, Message-Encoding).
//!
//! Everything behind this sees plain messages, with the limits and errors of those. tonic would
//! inflate a message in one step, once all of it has arrived, without a charge. This body
//! inflates what arrives, in small steps between which other calls run, charges the inflated bytes
//! instead of the compressed ones, and stops one byte beyond the limit of a message: the rest is
//! dropped as it is. So a gzip bomb costs as much as a plain message of that length. Responses stay
//! plain: images do not shrink, and what the gateway sends is short.

use std::io::{self, Write};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::write::GzDecoder;
use futures_util::future::{Either, Ready, ready as done};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tonic::server::NamedService;
use tower::Service;

use super::bulk;
use super::json;
use super::prefix::{PREFIX_BYTES, message_length, plain_prefix};
use super::status::reject;
use super::translated::{Queue, Step, TranslatedBody, Translator};
use crate::admission::CallPermit;
use crate::call::Call;
use crate::error::{Error, Kind, Result};

/// How the messages of a request are compressed.
pub(super) const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GZIP: &[u8] = b"gzip";
pub(super) const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// Length of the parts in which an inflated message is kept, and freed as it is read.
const PART_BYTES: usize = 64 * 1024;

/// Service around a gRPC service that inflates its requests.
#[derive(Clone, Debug)]
pub struct Inflate<S> {
    inner: S,
    max_message_bytes: usize,
}

/// Inflates the messages of a body, and passes plain ones.
pub(super) struct Inflater {
    max_message_bytes: usize,
    /// What the call is charged to.
    permit: CallPermit,
    /// Whether the body must have one message: tonic reads and drops others, which stay charged.
    is_unary: bool,
    has_begun: bool,
    part: Part,
}

/// What the next byte of the body belongs to.
enum Part {
    /// A prefix, of which these bytes have arrived.
    Prefix(BytesMut),
    /// A plain message; so many bytes are left.
    Plain(usize),
    /// A compressed message; so many bytes are left.
    Compressed(usize, Box<GzDecoder<Inflated>>),
    /// A message beyond the limit; so many bytes are left.
    Dropped(usize),
}

/// An inflated message, up to one byte beyond the limit.
struct Inflated {
    parts: Vec<Bytes>,
    last: BytesMut,
    length: usize,
    max_length: usize,
}

/// Returns whether the messages of a request may be compressed with gzip.
pub(super) fn is_compressed(headers: &HeaderMap) -> bool {
    headers
        .get(ENCODING)
        .is_some_and(|encoding| encoding.as_bytes() == GZIP)
}

// === impl Inflate ===

impl<S> Inflate<S> {
    /// Inflates messages up to `max_message_bytes`; the service must reject longer ones.
    pub(super) fn new(inner: S, max_message_bytes: usize) -> Self {
        Inflate {
            inner,
            max_message_bytes,
        }
    }
}

impl<S: NamedService> NamedService for Inflate<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<Request<B>> for Inflate<S>
where
    S: Service<Request<TranslatedBody<B>>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<std::result::Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let encoding = request.headers().get(ENCODING);
        let inflater = match encoding.map(HeaderValue::as_bytes) {
            None | Some(b"identity") => None,
            Some(GZIP) => {
                request.headers_mut().remove(ENCODING);
                let call = request.extensions().get::<Call>();
                let permit = call.map(|call| call.permit.clone()).unwrap_or_default();
                let max_bytes = json::max_bytes(request.headers(), self.max_message_bytes);
                let mut inflater = Inflater::new(max_bytes, permit);
                // Of the calls that are charged only a bulk load has a stream of messages.
                inflater.is_unary = call.is_some() && !bulk::is_bulk(request.uri().path());
                let inflater: Box<dyn Translator> = Box::new(inflater);
                Some(inflater)
            }
            Some(_) => return Either::Right(done(Ok(unsupported()))),
        };
        let request = request.map(|body| TranslatedBody::new(body, inflater));
        Either::Left(self.inner.call(request))
    }
}

fn unsupported<R: Default>() -> Response<R> {
    let message = "the encoding of messages must be gzip or identity";
    let mut response = reject(&Error::new(Kind::OperationUnsupported, message));
    let accepted = HeaderValue::from_static("gzip,identity");
    response.headers_mut().insert(ACCEPT_ENCODING, accepted);
    response
}

// === impl Inflater ===

impl Inflater {
    fn new(max_message_bytes: usize, permit: CallPermit) -> Self {
        Inflater {
            max_message_bytes,
            permit,
            is_unary: false,
            has_begun: false,
            part: Part::Prefix(BytesMut::new()),
        }
    }

    /// Begins a message.
    fn begin(&mut self, prefix: Bytes, queue: &mut Queue) -> Result<()> {
        if self.is_unary && self.has_begun {
            let message = "the body of a unary call has more than one message";
            return Err(Error::new(Kind::InvalidParameter, message));
        }
        self.has_begun = true;
        match (prefix[0], message_length(&prefix)) {
            (1, 0) => return Err(malformed()),
            (1, length) => {
                let inflated = Inflated::new(self.max_message_bytes.saturating_add(1));
                self.part = Part::Compressed(length, Box::new(GzDecoder::new(inflated)));
            }
            (_, 0) => queue.ready.push_back(prefix),
            // Whether the flag is valid is not decided here.
            (_, length) => {
                queue.ready.push_back(prefix);
                self.part = Part::Plain(length);
            }
        }
        Ok(())
    }

    /// Inflates up to about 32 KiB, which the decoder keeps at once.
    fn inflate(&mut self, queue: &mut Queue) -> Result<()> {
        let Part::Compressed(left, decoder) = &mut self.part else {
            return Ok(());
        };
        let before = decoder.get_ref().length;
        let input = &queue.input[..(*left).min(queue.input.len())];
        let mut result = decoder.write(input);
        let read = *result.as_ref().unwrap_or(&0);
        *left -= read;
        if *left == 0 && result.is_ok() {
            result = decoder.try_finish().map(|()| read);
        }
        let inflated = decoder.get_mut();
        let (more, is_too_long) = (inflated.length - before, inflated.is_full());
        queue.charge(&self.permit, more)?;
        self.permit.discard(read);
        match result {
            _ if is_too_long => {
                let left = *left;
                queue.ready.extend(inflated.framed());
                queue.input.advance(read);
                self.part = Part::Dropped(left);
            }
            // Nothing is read behind the end of the compressed data.
            Err(_) | Ok(0) => return Err(malformed()),
            Ok(_) if *left == 0 => {
                queue.ready.extend(inflated.framed());
                queue.input.advance(read);
                self.part = Part::Prefix(BytesMut::new());
            }
            Ok(_) => queue.input.advance(read),
        }
        Ok(())
    }
}

impl Translator for Inflater {
    fn step(&mut self, queue: &mut Queue) -> Result<Step> {
        let mut step = Step::Passed;
        match &mut self.part {
            Part::Prefix(arrived) => {
                let missing = PREFIX_BYTES - arrived.len();
                arrived.put(queue.input.split_to(missing.min(queue.input.len())));
                if arrived.len() == PREFIX_BYTES {
                    let prefix = std::mem::take(arrived).freeze();
                    self.begin(prefix, queue)?;
                }
            }
            Part::Plain(left) => {
                let passed = queue.input.split_to((*left).min(queue.input.len()));
                *left -= passed.len();
                queue.ready.push_back(passed);
            }
            Part::Dropped(left) => {
                let dropped = (*left).min(queue.input.len());
                *left -= dropped;
                queue.input.advance(dropped);
                self.permit.discard(dropped);
            }
            Part::Compressed(..) => {
                self.inflate(queue)?;
                step = Step::Computed;
            }
        }
        if matches!(self.part, Part::Plain(0) | Part::Dropped(0)) {
            self.part = Part::Prefix(BytesMut::new());
        }
        Ok(step)
    }

    fn end(&mut self, queue: &mut Queue) -> Result<()> {
        match std::mem::replace(&mut self.part, Part::Prefix(BytesMut::new())) {
            // An error of the reader, as in a plain body.
            Part::Prefix(begin) if !begin.is_empty() => queue.ready.push_back(begin.freeze()),
            Part::Prefix(_) | Part::Plain(_) => {}
            Part::Compressed(..) | Part::Dropped(_) => {
                let message = "the body ends within a compressed message";
                return Err(Error::new(Kind::InvalidParameter, message));
            }
        }
        Ok(())
    }
}

fn malformed() -> Error {
    let message = "a message is marked as compressed and is not gzip";
    Error::new(Kind::InvalidParameter, message)
}

// === impl Inflated ===

impl Inflated {
    fn new(max_length: usize) -> Self {
        Inflated {
            parts: Vec::new(),
            last: BytesMut::new(),
            length: 0,
            max_length,
        }
    }

    fn is_full(&self) -> bool {
        self.length == self.max_length
    }

    /// Returns the message with its prefix, in parts.
    fn framed(&mut self) -> impl Iterator<Item = Bytes> {
        let prefix = plain_prefix(self.length);
        let parts = std::mem::take(&mut self.parts);
        let last = std::mem::take(&mut self.last).freeze();
        let parts = parts.into_iter().chain([last]);
        std::iter::once(prefix).chain(parts.filter(|part| !part.is_empty()))
    }
}

impl Write for Inflated {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let data = &data[..data.len().min(self.max_length - self.length)];
        self.length += data.len();
        self.last.extend_from_slice(data);
        if self.last.len() >= PART_BYTES {
            let part = std::mem::take(&mut self.last);
            self.parts.push(part.freeze());
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
