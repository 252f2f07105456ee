//! Bodies of compressed messages, in frames of any size.

use std::convert::Infallible;
use std::pin::Pin;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::poll_fn;
use http_body::{Body, Frame};
use tonic::Status;

use super::*;
use crate::admission::{Class, InFlightBudget};

const MAX: usize = 200_000;

/// A body that has arrived: its frames in reverse order.
struct Arrived(Vec<Bytes>);

impl Body for Arrived {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop().map(|data| Ok(Frame::data(data))))
    }
}

fn message(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

fn plain(message: &[u8]) -> Vec<u8> {
    [&plain_prefix(message.len()), message].concat()
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

/// Marks bytes as a compressed message.
fn compressed(message: &[u8]) -> Vec<u8> {
    let mut framed = plain(message);
    framed[0] = 1;
    framed
}

/// Reads a body that arrives in frames of `size` bytes.
async fn read(body: &[u8], size: usize, permit: &CallPermit) -> Result<Vec<u8>, Status> {
    let frames = body.chunks(size).rev().map(Bytes::copy_from_slice);
    let inflater = Inflater::new(MAX, permit.clone());
    let mut body = TranslatedBody::new(Arrived(frames.collect()), Some(Box::new(inflater)));
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| *error.downcast::<Status>().unwrap())?;
        read.extend(frame.into_data().unwrap());
    }
    Ok(read)
}

fn permit(budget: &InFlightBudget) -> CallPermit {
    CallPermit::new(budget.try_acquire(Class::Single, "t", 0).unwrap())
}

#[tokio::test]
async fn compressed_messages_become_plain_ones_among_their_neighbours() {
    let messages = [0, 1, 50, 70_000, MAX].map(message);
    let sent = messages
        .iter()
        .flat_map(|message| [plain(message), compressed(&gzip(message))].concat());
    let sent: Vec<u8> = sent.collect();
    let expected = messages.iter().flat_map(|message| plain(message).repeat(2));
    let expected: Vec<u8> = expected.collect();

    for size in [1, 4, 5, 6, 7, 1000, 1 << 20] {
        let read = read(&sent, size, &CallPermit::default()).await.unwrap();

        assert!(read == expected, "{size}");
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_cut_behind_it_and_its_neighbours_pass() {
    let bomb = compressed(&gzip(&vec![0; 50 << 20]));
    assert!(bomb.len() < 60_000);
    let sent = [
        compressed(&gzip(&message(9))),
        bomb,
        compressed(&gzip(&message(MAX + 1))),
        compressed(&gzip(&message(10))),
    ];
    let expected = [
        plain(&message(9)),
        plain(&vec![0; MAX + 1]),
        plain(&message(MAX + 1)),
        plain(&message(10)),
    ];
    for size in [5, 1000, 1 << 20] {
        let read = read(&sent.concat(), size, &CallPermit::default()).await;

        assert!(read.unwrap() == expected.concat(), "{size}");
    }
}

#[tokio::test]
async fn inflated_bytes_are_charged_and_compressed_ones_are_not() {
    let budget = InFlightBudget::new(1, 1 << 20);
    let permit = permit(&budget);
    let sent = compressed(&gzip(&message(MAX)));
    // As the middleware charges what arrives.
    permit.charge_arrived(sent.len()).unwrap();

    read(&sent, 1000, &permit).await.unwrap();

    assert_eq!(budget.bytes(), MAX + PREFIX_BYTES);
}

#[tokio::test]
async fn a_message_for_which_there_is_no_memory_ends_the_call() {
    let budget = InFlightBudget::new(1, 100_000);
    let permit = permit(&budget);

    let rejected = read(&compressed(&gzip(&message(MAX))), 1000, &permit).await;

    assert_eq!(rejected.unwrap_err().code(), tonic::Code::ResourceExhausted);
    assert!(budget.bytes() <= 100_000);
}

#[tokio::test]
async fn what_is_not_gzip_or_not_complete_is_an_error() {
    let whole = gzip(&message(1000));
    let mut corrupt = whole.clone();
    *corrupt.last_mut().unwrap() ^= 1;
    for (case, body) in [
        ("no gzip", compressed(&message(100))),
        ("nothing", compressed(&[])),
        ("a part of the header", compressed(&whole[..5])),
        ("a part of the data", compressed(&whole[..whole.len() - 9])),
        ("no checksum", compressed(&whole[..whole.len() - 8])),
        ("another length", compressed(&corrupt)),
        ("more behind it", compressed(&[&whole[..], b"x"].concat())),
        ("two in one", compressed(&whole.repeat(2))),
        ("the body ends", compressed(&whole)[..100].to_vec()),
    ] {
        for size in [1, 1 << 20] {
            let error = read(&body, size, &CallPermit::default()).await.unwrap_err();

            assert_eq!(error.code(), tonic::Code::InvalidArgument, "{case}");
        }
    }
}

#[tokio::test]
async fn the_begin_of_a_prefix_is_left_to_the_reader() {
    let body = [plain(&message(3)), vec![1, 0]].concat();

    let read = read(&body, 1000, &CallPermit::default()).await.unwrap();

    assert_eq!(read, body);
}

#[tokio::test]
async fn a_unary_call_with_a_second_message_ends_before_that_is_inflated() {
    let budget = InFlightBudget::new(1, 1 << 20);
    let body = compressed(&gzip(&message(100_000))).repeat(2);
    let mut inflater = Inflater::new(MAX, permit(&budget));
    inflater.is_unary = true;
    let mut body = TranslatedBody::new(Arrived(vec![body.into()]), Some(Box::new(inflater)));

    let error = loop {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        if let Err(error) = frame.unwrap() {
            break error.downcast::<Status>().unwrap();
        }
    };

    assert_eq!(error.code(), tonic::Code::InvalidArgument);
    assert!(budget.bytes() < 150_000, "{}", budget.bytes());
}
