//! Callers that do not read their responses.

use std::time::Duration;

use prost::Message;
use samegate::proto::v1;
use tonic::Code;

use super::{EMPTY, assert_serves};
use crate::support::gateway::Gateway;
use crate::support::http2::{
    DATA, END_HEADERS, END_STREAM, Frame, HEADERS, Http2, RST_STREAM, frame, head,
};
use crate::support::images::small_png;
use crate::support::probe::until_metric;

/// The setting of HTTP/2 with the window of each stream.
const INITIAL_WINDOW_SIZE: u16 = 4;

/// Starts a gateway that holds four calls at once, with a library whose list has more than 4 KiB.
async fn gateway() -> Gateway {
    let limits = "[limits]\nmax_requests_in_flight = 4\nsend_timeout = \"30s\"";
    let gateway = Gateway::with_config(limits).await;
    let mut client = gateway.client().await;
    for number in 0..25 {
        let request = v1::AddImageRequest {
            source: Some(v1::add_image_request::Source::Content(small_png(number))),
            brief: "b".repeat(256),
            ..Default::default()
        };
        client.add_image(request).await.unwrap();
    }
    gateway
}

/// Sends a list call on each of four streams.
async fn list_four_times(client: &mut Http2) {
    let message = v1::ListImagesRequest {
        page_size: 25,
        ..Default::default()
    };
    let message = message.encode_to_vec();
    let mut body = EMPTY.to_vec();
    body[4] = u8::try_from(message.len()).unwrap();
    body.extend(message);
    for stream in [1, 3, 5, 7] {
        let mut call = frame(HEADERS, END_HEADERS, stream, &head("ListImages"));
        call.extend(frame(DATA, END_STREAM, stream, &body));
        assert!(client.send(&call).await);
    }
}

async fn assert_rejects(gateway: &Gateway) {
    let request = v1::GetLibraryRequest::default();
    let rejected = gateway.client().await.get_library(request).await;
    assert_eq!(rejected.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn responses_that_are_not_read_hold_their_permits_until_their_streams_are_reset() {
    let gateway = gateway().await;
    // The engine writes outside of the runtime, so the clock may jump only from here on.
    tokio::time::pause();
    for window in [0, 1] {
        let mut client =
            Http2::connect(gateway.addresses.grpc, &[(INITIAL_WINDOW_SIZE, window)]).await;
        let begin = tokio::time::Instant::now();

        list_four_times(&mut client).await;
        for _ in 0..4 {
            let head = client.until(|frame| frame.kind == HEADERS).await;
            assert!(head.is_some(), "the call has a response");
        }
        assert_rejects(&gateway).await;
        for _ in 0..4 {
            let reset = |frame: &Frame| frame.kind == RST_STREAM;
            assert!(client.until(reset).await.is_some());
        }

        let time = begin.elapsed();
        assert!(time >= Duration::from_secs(30), "{time:?}");
        assert!(time <= Duration::from_secs(31), "{time:?}");
        assert_serves(&gateway).await;
    }
}

#[tokio::test]
async fn a_response_that_is_read_frees_its_permit() {
    let gateway = gateway().await;
    let mut client = gateway.client().await;

    for _ in 0..20 {
        let request = v1::ListImagesRequest::default();
        let page = client.list_images(request).await.unwrap().into_inner();
        assert_eq!(page.images.len(), 25);
    }

    until_metric(gateway.addresses.admin, "samegate_admission_requests", 0.0).await;
}
