//! Drops the items of a bulk load that are longer than a message may be, so that each fails alone.
//!
//! tonic ends a stream at such a message. This body in front of it drops the message while it
//! arrives, whatever its length, and puts an item with the same key and no image in its place;
//! [`BodyReport`] tells the load which items these are. All other messages pass as they are.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::Request;
use http_body::{Body, Frame, SizeHint};
use prost::Message;
use tonic::server::NamedService;
use tower::Service;

use super::item::MAX_KEY_BYTES;
use crate::admission::CallPermit;
use crate::call::Call;
use crate::grpc::prefix::{PREFIX_BYTES, message_length, plain_prefix};
use crate::proto::v1;
use crate::proto::v1::add_images_request::Payload;

/// Paths of the bulk methods. Options, item and key have the same field numbers in both.
const PATHS: [&str; 2] = [
    "/samegate.v1.SameImageService/AddImages",
    "/samegate.v1.SameImageService/BulkSearchImages",
];
/// First byte of a message with an item: field 2, length-delimited.
const ITEM_TAG: u8 = 0x12;
/// Bytes of a dropped message that are kept: its key, and the lengths before it.
const KEPT_BYTES: usize = MAX_KEY_BYTES + 32;

/// Service around the gRPC service that drops oversized items of bulk loads.
#[derive(Clone, Debug)]
pub struct DropOversizedItems<S> {
    inner: S,
    max_message_bytes: usize,
}

/// What the body tells its load: position and length of each dropped item that the load has not
/// received yet. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyReport(Arc<Mutex<VecDeque<(u64, usize)>>>);

/// A request body without oversized items; the body of another method passes as it is.
#[derive(Debug)]
pub struct ItemBody<B> {
    inner: B,
    filter: Option<Box<Filter>>,
}

#[derive(Debug)]
struct Filter {
    max_message_bytes: usize,
    report: BodyReport,
    /// What the load is charged to: dropped bytes are not charged.
    permit: CallPermit,
    /// Messages that have begun.
    messages: u64,
    part: Part,
    ready: VecDeque<Bytes>,
}

/// What the next byte of the body belongs to.
#[derive(Debug)]
enum Part {
    /// A prefix, of which these bytes have arrived.
    Prefix(BytesMut),
    /// A message that passes; so many bytes are left.
    Passed(usize),
    /// A message that is dropped; so many bytes are left, and these are kept.
    Dropped(usize, BytesMut),
}

// === impl DropOversizedItems ===

impl<S> DropOversizedItems<S> {
    pub(crate) fn new(inner: S, max_message_bytes: usize) -> Self {
        DropOversizedItems {
            inner,
            max_message_bytes,
        }
    }
}

impl<S: NamedService> NamedService for DropOversizedItems<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for DropOversizedItems<S>
where
    S: Service<Request<ItemBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let filter = is_bulk(request.uri().path()).then(|| {
            let report = BodyReport::default();
            let call = request.extensions().get::<Call>();
            let permit = call.map(|call| call.permit.clone()).unwrap_or_default();
            request.extensions_mut().insert(report.clone());
            Box::new(Filter::new(self.max_message_bytes, report, permit))
        });
        let request = request.map(|inner| ItemBody { inner, filter });
        self.inner.call(request)
    }
}

// === impl BodyReport ===

impl BodyReport {
    /// Returns the length of the item with this position, from 1, if it was dropped. Positions are
    /// asked for in order.
    pub(super) fn take_dropped(&self, position: u64) -> Option<usize> {
        let mut dropped = self.dropped();
        let first = dropped.pop_front_if(|(first, _)| *first == position);
        first.map(|(_, length)| length)
    }

    fn dropped(&self) -> MutexGuard<'_, VecDeque<(u64, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ItemBody ===

impl<B: Body<Data = Bytes> + Unpin> Body for ItemBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let ItemBody { inner, filter } = &mut *self;
        let Some(filter) = filter else {
            return Pin::new(inner).poll_frame(context);
        };
        loop {
            if let Some(data) = filter.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            let frame = ready!(Pin::new(&mut *inner).poll_frame(context));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => filter.push(data),
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(filter.rest().map(|rest| Ok(Frame::data(rest)))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.filter.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.filter {
            None => self.inner.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}

// === impl Filter ===

impl Filter {
    fn new(max_message_bytes: usize, report: BodyReport, permit: CallPermit) -> Self {
        Filter {
            max_message_bytes,
            report,
            permit,
            messages: 0,
            part: Part::Prefix(BytesMut::new()),
            ready: VecDeque::new(),
        }
    }

    /// Sorts the bytes of a frame into those that pass and those that are dropped.
    fn push(&mut self, mut data: Bytes) {
        while !data.is_empty() {
            match &mut self.part {
                Part::Prefix(arrived) if arrived.is_empty() && data.len() >= PREFIX_BYTES => {
                    let prefix = data.slice(..PREFIX_BYTES);
                    self.part = self.begin(&prefix);
                    match &mut self.part {
                        // Passed together with the message, without a copy.
                        Part::Passed(left) => *left += PREFIX_BYTES,
                        Part::Prefix(_) | Part::Dropped(..) => data.advance(PREFIX_BYTES),
                    }
                }
                Part::Prefix(arrived) => {
                    let missing = PREFIX_BYTES - arrived.len();
                    arrived.put(data.split_to(missing.min(data.len())));
                    if arrived.len() == PREFIX_BYTES {
                        let prefix = std::mem::take(arrived).freeze();
                        self.part = self.begin(&prefix);
                        if matches!(self.part, Part::Passed(_)) {
                            self.ready.push_back(prefix);
                        }
                    }
                }
                Part::Passed(left) => {
                    let passed = data.split_to((*left).min(data.len()));
                    *left -= passed.len();
                    self.ready.push_back(passed);
                }
                Part::Dropped(left, kept) => {
                    let dropped = data.split_to((*left).min(data.len()));
                    *left -= dropped.len();
                    self.permit.discard(dropped.len());
                    let missing = KEPT_BYTES.saturating_sub(kept.len());
                    kept.put(dropped.slice(..missing.min(dropped.len())));
                }
            }
            self.end();
        }
    }

    /// Begins a message: decides whether it passes.
    fn begin(&mut self, prefix: &[u8]) -> Part {
        let length = message_length(prefix);
        let position = self.messages;
        self.messages += 1;
        // The options come first, and what is still compressed declares no encoding: both are errors
        // of the stream.
        let is_plain_item = position > 0 && prefix[0] == 0;
        if length <= self.max_message_bytes || !is_plain_item {
            return Part::Passed(length);
        }
        self.report.dropped().push_back((position, length));
        Part::Dropped(length, BytesMut::new())
    }

    /// Ends a message of which no byte is left.
    fn end(&mut self) {
        match &self.part {
            Part::Dropped(0, kept) => self.ready.push_back(without_image(kept)),
            Part::Passed(0) => {}
            Part::Prefix(_) | Part::Passed(_) | Part::Dropped(..) => return,
        }
        self.part = Part::Prefix(BytesMut::new());
    }

    /// Returns the begin of a prefix at the end of the body, so that it is an error of the stream.
    fn rest(&mut self) -> Option<Bytes> {
        match &mut self.part {
            Part::Prefix(arrived) => Some(std::mem::take(arrived).freeze()),
            Part::Passed(_) => None,
            Part::Dropped(..) => {
                self.part = Part::Passed(0);
                Some(Bytes::from_static(&[0]))
            }
        }
        .filter(|rest| !rest.is_empty())
    }
}

/// Returns whether a path is that of a bulk method.
pub(in crate::grpc) fn is_bulk(path: &str) -> bool {
    PATHS.contains(&path)
}

/// Returns a message with the key of the item whose first bytes these are; protobuf libraries write
/// the key before the image.
fn without_image(start: &[u8]) -> Bytes {
    let mut item = v1::AddImagesItem::default();
    if let Some((&ITEM_TAG, mut rest)) = start.split_first()
        && prost::decode_length_delimiter(&mut rest).is_ok()
    {
        // Fails in the image, of which the end is missing; the fields before it are read.
        let _ = item.merge(rest);
    }
    let message = v1::AddImagesRequest {
        payload: Some(Payload::Item(v1::AddImagesItem {
            key: item.key,
            ..Default::default()
        })),
    };
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.encoded_len());
    framed.put(plain_prefix(message.encoded_len()));
    framed.put(message.encode_to_vec().as_slice());
    framed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{Class, InFlightBudget};

    const MAX: usize = 100;

    fn framed(payload: Payload) -> Vec<u8> {
        let message = v1::AddImagesRequest {
            payload: Some(payload),
        };
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
        framed.extend(message.encode_to_vec());
        framed
    }

    fn item(key: &str, bytes: usize) -> Vec<u8> {
        let source = v1::add_images_item::Source::Content(vec![7; bytes].into());
        framed(Payload::Item(v1::AddImagesItem {
            key: key.to_owned(),
            source: Some(source),
            ..Default::default()
        }))
    }

    fn bare(key: &str) -> Vec<u8> {
        framed(Payload::Item(v1::AddImagesItem {
            key: key.to_owned(),
            ..Default::default()
        }))
    }

    fn options() -> Vec<u8> {
        framed(Payload::Options(v1::AddImagesOptions::default()))
    }

    /// Returns what passes, with frames of `size` bytes, and the dropped positions.
    fn filtered(body: &[u8], size: usize) -> (Vec<u8>, VecDeque<u64>) {
        let report = BodyReport::default();
        let mut filter = Filter::new(MAX, report.clone(), CallPermit::default());
        let mut passed = Vec::new();
        for frame in body.chunks(size) {
            filter.push(Bytes::copy_from_slice(frame));
            passed.extend(filter.ready.drain(..).flatten());
        }
        let dropped = report.dropped().clone();
        let positions = dropped.into_iter().map(|(position, _)| position);
        (passed, positions.collect())
    }

    #[test]
    fn an_oversized_item_keeps_its_key_alone_and_its_neighbours_pass() {
        let long = "k".repeat(MAX_KEY_BYTES);
        let parts = [
            options(),
            item("a", 50),
            item("b", MAX),
            item("c", 100_000),
            item("d", 50),
            item(&long, 5000),
            item("e", 0),
        ];
        let expected = [
            options(),
            item("a", 50),
            bare("b"),
            bare("c"),
            item("d", 50),
            bare(&long),
            item("e", 0),
        ];

        for size in [1, 2, 3, 4, 5, 6, 7, 1000, 1 << 20] {
            let (passed, dropped) = filtered(&parts.concat(), size);

            assert_eq!(passed, expected.concat(), "{size}");
            assert_eq!(dropped, [2, 3, 5], "{size}");
        }
    }

    #[test]
    fn options_and_compressed_messages_pass_as_they_are() {
        let mut compressed = item("a", 1000);
        compressed[0] = 1;
        let body = [item("first", 1000), compressed].concat();

        let (passed, dropped) = filtered(&body, 64);

        assert_eq!(passed, body);
        assert!(dropped.is_empty());
    }

    #[test]
    fn a_dropped_message_is_not_kept_and_not_charged() {
        let budget = InFlightBudget::new(1, 1 << 20);
        let permit = budget.try_acquire(Class::Single, "t", 0).unwrap();
        let permit = CallPermit::new(permit);
        let mut filter = Filter::new(MAX, BodyReport::default(), permit.clone());
        filter.push(options().into());
        filter.ready.clear();
        filter.push(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]));

        for _ in 0..100 {
            permit.charge_arrived(1 << 20).unwrap();
            filter.push(vec![7; 1 << 20].into());
        }
        assert_eq!(budget.bytes(), 0);

        let Part::Dropped(_, kept) = &filter.part else {
            panic!("{:?}", filter.part);
        };
        assert_eq!(kept.len(), KEPT_BYTES);
        assert!(filter.ready.is_empty());
        // A body that ends here is not a regular end.
        assert!(filter.rest().is_some());
        assert!(filter.rest().is_none());
    }

    #[test]
    fn an_item_of_other_bytes_has_no_key() {
        for start in [&[][..], &[ITEM_TAG], &[0xff; 40], &[ITEM_TAG, 0xff, 0xff]] {
            assert_eq!(without_image(start), bare(""), "{start:?}");
        }
    }
}
