//! Puts a prefix before a body that is one message without one, as Connect's unary calls send it.
//!
//! The prefix has the length, so the body is collected first; it was charged as it arrived. Before
//! that, calls in the other form than that of their method are rejected.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, Ready, ready as done};
use http::{Request, Response};
use tonic::server::NamedService;
use tower::Service;

use super::contract::Contract;
use super::inflate::is_compressed;
use super::json;
use super::prefix::prefix;
use super::status::reject;
use super::translated::{Queue, Step, TranslatedBody, Translator};
use crate::error::{Error, Kind};

/// Length below which a part is copied: kept as it is, it would keep all of the buffer that it was
/// read into, which nothing is charged for.
const MIN_PART_BYTES: usize = 16 * 1024;
/// Length up to which copied parts become one.
const MAX_COPIED_BYTES: usize = 64 * 1024;

/// Extension of the requests that were Connect's.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectCall {
    /// Whether the body is one message without a prefix: the form of unary calls.
    pub(super) is_bare: bool,
}

/// Service around a gRPC service that adds prefixes.
#[derive(Clone, Debug)]
pub struct BareMessages<S> {
    inner: S,
    contract: Arc<Contract>,
    max_message_bytes: usize,
}

/// A message that gets its prefix when it is complete.
pub(super) struct Collected {
    is_compressed: bool,
    max_bytes: usize,
    parts: VecDeque<Bytes>,
    /// Short parts behind those, copied.
    copied: BytesMut,
    length: usize,
}

// === impl BareMessages ===

impl<S> BareMessages<S> {
    /// Adds prefixes to messages up to `max_message_bytes`.
    pub(super) fn new(inner: S, contract: Arc<Contract>, max_message_bytes: usize) -> Self {
        BareMessages {
            inner,
            contract,
            max_message_bytes,
        }
    }
}

impl<S: NamedService> NamedService for BareMessages<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<Request<B>> for BareMessages<S>
where
    S: Service<Request<TranslatedBody<B>>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = request.extensions().get::<ConnectCall>();
        let is_bare = call.is_some_and(|call| call.is_bare);
        if call.is_some() && !self.contract.suits(request.uri().path(), is_bare) {
            return Either::Right(done(Ok(reject(&unsuitable(is_bare)))));
        }
        let collected = is_bare.then(|| {
            let headers = request.headers();
            let max_bytes = json::max_bytes(headers, self.max_message_bytes);
            let collected = Collected::new(is_compressed(headers), max_bytes);
            Box::new(collected) as Box<dyn Translator>
        });
        let request = request.map(|body| TranslatedBody::new(body, collected));
        Either::Left(self.inner.call(request))
    }
}

fn unsuitable(is_bare: bool) -> Error {
    let message = if is_bare {
        "this method has streams: its content type is application/connect+json or \
         application/connect+proto"
    } else {
        "this method is unary: its content type is application/json or application/proto"
    };
    Error::new(Kind::OperationUnsupported, message)
}

// === impl Collected ===

impl Collected {
    fn new(is_compressed: bool, max_bytes: usize) -> Self {
        Collected {
            is_compressed,
            max_bytes,
            parts: VecDeque::new(),
            copied: BytesMut::new(),
            length: 0,
        }
    }

    fn push(&mut self, part: Bytes) -> Result<(), Error> {
        self.length += part.len();
        if self.length > self.max_bytes {
            let message = format!("the body has more than {} bytes", self.max_bytes);
            (self.parts, self.copied) = Default::default();
            return Err(Error::new(Kind::MessageTooLarge, message));
        }
        let is_long = part.len() >= MIN_PART_BYTES;
        if is_long || self.copied.len() + part.len() > MAX_COPIED_BYTES {
            self.keep_copied();
        }
        if is_long {
            self.parts.push_back(part);
        } else {
            self.copied.extend_from_slice(&part);
        }
        Ok(())
    }

    fn keep_copied(&mut self) {
        if !self.copied.is_empty() {
            let copied = std::mem::take(&mut self.copied);
            self.parts.push_back(copied.freeze());
        }
    }

    fn complete(&mut self) {
        self.keep_copied();
        // An empty body is never compressed (Connect, Unary-Request).
        let flags = u8::from(self.is_compressed && self.length > 0);
        self.parts.push_front(prefix(flags, self.length));
    }
}

impl Translator for Collected {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, Error> {
        self.push(std::mem::take(&mut queue.input))?;
        Ok(Step::Passed)
    }

    fn end(&mut self, queue: &mut Queue) -> Result<(), Error> {
        self.complete();
        queue.ready = std::mem::take(&mut self.parts);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_tiny_parts_is_kept_in_long_ones() {
        let tiny: Vec<u8> = (0..=255).cycle().take(150_000).collect();
        let long = Bytes::from(vec![7; MIN_PART_BYTES]);
        let mut collected = Collected::new(false, 1 << 20);

        for byte in tiny.chunks(1) {
            collected.push(Bytes::copy_from_slice(byte)).unwrap();
            collected.push(Bytes::new()).unwrap();
        }
        collected.push(long.clone()).unwrap();
        collected.push(Bytes::from_static(b"end")).unwrap();
        collected.complete();

        let lengths = collected.parts.iter().map(Bytes::len);
        let rest = 150_000 - 2 * MAX_COPIED_BYTES;
        let expected = [5, MAX_COPIED_BYTES, MAX_COPIED_BYTES, rest, long.len(), 3];
        assert_eq!(lengths.collect::<Vec<_>>(), expected);
        let body: Vec<Bytes> = collected.parts.drain(1..).collect();
        assert_eq!(body.concat(), [&tiny[..], &long, b"end"].concat());
    }

    #[test]
    fn nothing_is_kept_of_a_body_that_is_too_long() {
        let mut collected = Collected::new(false, MIN_PART_BYTES + 1);
        collected.push(vec![7; MIN_PART_BYTES].into()).unwrap();
        collected.push(Bytes::from_static(b"7")).unwrap();

        let error = collected.push(Bytes::from_static(b"7")).unwrap_err();

        assert_eq!(error.kind(), Kind::MessageTooLarge);
        assert!(collected.parts.is_empty() && collected.copied.is_empty());
    }
}
