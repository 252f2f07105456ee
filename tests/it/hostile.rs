//! Callers that break rules: each is rejected or disconnected, holds nothing for long, and affects
//! no other caller.

mod connections;
mod expensive_images;
mod floods;
mod guesses;
mod neighbours;
mod slow;
mod unread;

use std::net::SocketAddr;

use samegate::proto::v1;
use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, Http2, REFUSED_STREAM,
    RST_STREAM, field, frame, head,
};

/// Frame of a gRPC message without fields.
const EMPTY: [u8; 5] = [0; 5];

async fn assert_serves(gateway: &Gateway) {
    let request = v1::GetLibraryRequest::default();
    let response = gateway.client().await.get_library(request).await;
    assert_eq!(response.unwrap().into_inner().library, "default");
}

/// Sends any body as a gRPC call; returns status and message.
async fn grpc(address: SocketAddr, encoding: &str, body: Vec<u8>) -> (String, String) {
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let address = format!("http://{address}/samegate.v1.SameImageService/AddImage");
    let call = client
        .post(address)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", encoding)
        .body(body);
    let response = call.send().await.unwrap();
    let header = |name| {
        let value = response.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap()).to_owned()
    };
    (header("grpc-status"), header("grpc-message"))
}

fn message(flag: u8, length: usize, content: &[u8]) -> Vec<u8> {
    let mut message = vec![flag];
    message.extend(u32::try_from(length).unwrap().to_be_bytes());
    message.extend(content);
    message
}

#[tokio::test]
async fn malformed_grpc_messages_are_rejected_one_by_one() {
    let gateway = Gateway::start().await;
    let address = gateway.addresses.grpc;
    let [invalid, exhausted, unimplemented, internal] = ["3", "8", "12", "13"];
    // Nested groups of an unknown field.
    let nested = [0xfb, 0x07].repeat(10_000);
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";

    for (case, encoding, body, expected) in [
        ("nothing", "identity", vec![], invalid),
        ("half a prefix", "identity", vec![0, 0, 0], invalid),
        (
            "half a message",
            "identity",
            message(0, 9, b"\x0a"),
            invalid,
        ),
        ("unknown flag", "identity", message(2, 0, b""), internal),
        (
            "flag without encoding",
            "identity",
            message(1, 10, gzip),
            internal,
        ),
        ("half of gzip", "gzip", message(1, 10, gzip), invalid),
        (
            "unknown encoding",
            "snappy",
            message(1, 10, gzip),
            unimplemented,
        ),
        (
            "promise of 4 GiB",
            "identity",
            message(0, 0xffff_ffff, b""),
            exhausted,
        ),
        (
            "no protobuf",
            "identity",
            message(0, 3, b"\xff\xff\xff"),
            invalid,
        ),
        (
            "length past the end",
            "identity",
            message(0, 2, b"\x0a\x7f"),
            invalid,
        ),
        (
            "deep nesting",
            "identity",
            message(0, 20_000, &nested),
            invalid,
        ),
    ] {
        let (status, text) = grpc(address, encoding, body).await;

        assert_eq!(status, expected, "{case}: {text}");
    }
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn a_compressed_form_is_not_decompressed() {
    let gateway = Gateway::start().await;
    let token = gateway.rest_token().await;

    let response = rest(
        &gateway,
        &token,
        "content-encoding",
        "gzip",
        b"\x1f\x8b\x08\0",
    )
    .await;

    assert_eq!(response["error_code"], 216_100, "{response}");
}

#[tokio::test]
async fn forms_of_very_many_fields_are_read_to_their_end() {
    let gateway = Gateway::start().await;
    let token = gateway.rest_token().await;
    let pairs = "a=b&".repeat(1_000_000) + "url=http://127.0.0.1/a";
    let parts = "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nb\r\n".repeat(50_000);
    let parts = parts + "--x--\r\n";
    let nested = "[".repeat(1_000_000);

    for (kind, body, code) in [
        ("application/x-www-form-urlencoded", pairs, 282_113),
        ("multipart/form-data; boundary=x", parts, 216_101),
        ("application/json", nested, 216_100),
    ] {
        let response = rest(&gateway, &token, "content-type", kind, body.as_bytes()).await;

        assert_eq!(response["error_code"], code, "{kind}: {response}");
    }
}

async fn rest(gateway: &Gateway, token: &str, name: &str, value: &str, body: &[u8]) -> Value {
    let path = "rest/2.0/realtime_search/same_hq/search";
    let address = format!("{}/{path}?access_token={token}", gateway.rest_url());
    let call = reqwest::Client::new().post(address).header(name, value);
    let response = call.body(body.to_vec()).send().await.unwrap();
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_rejected() {
    let gateway = Gateway::start().await;
    let client = |http2: bool| {
        let builder = reqwest::Client::builder();
        let builder = if http2 {
            builder.http2_prior_knowledge()
        } else {
            builder
        };
        builder.build().unwrap()
    };

    for http2 in [true, false] {
        let mut many = client(http2).get(gateway.rest_url());
        for number in 0..400 {
            many = many.header(format!("x-{number}"), "v".repeat(60));
        }
        let response = many.send().await.unwrap();

        assert_eq!(response.status(), 431, "HTTP/2: {http2}");
    }
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn rapid_resets_end_their_connection() {
    let gateway = Gateway::start().await;
    let mut client = Http2::connect(gateway.addresses.grpc, &[]).await;
    let head = head("GetLibrary");
    let mut frames = Vec::new();
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        frames.extend(frame(HEADERS, END_HEADERS, stream, &head));
        frames.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }

    if client.send(&frames).await {
        let last = client.until(|frame| frame.kind == GOAWAY).await;
        assert!(last.is_none_or(|frame| frame.kind == GOAWAY));
    }

    assert_serves(&gateway).await;
}

#[tokio::test]
async fn headers_without_an_end_end_their_connection() {
    let gateway = Gateway::start().await;
    let mut client = Http2::connect(gateway.addresses.grpc, &[]).await;
    let junk = field("x-junk", &"v".repeat(100)).repeat(100);
    client
        .send(&frame(HEADERS, 0, 1, &head("GetLibrary")))
        .await;

    let mut sent = 0;
    // A server without a limit would buffer a gigabyte.
    while sent < 1 << 30 && client.send(&frame(CONTINUATION, 0, 1, &junk)).await {
        sent += junk.len();
    }

    assert!(sent < 64 << 20, "{sent} bytes of headers were accepted");
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn streams_past_the_limit_are_rejected_and_affect_no_other_connection() {
    let gateway = Gateway::with_config("limits.max_requests_in_flight = 4000").await;
    let mut client = Http2::connect(gateway.addresses.grpc, &[]).await;
    let head = head("AddImage");
    let open = |number: u32| frame(HEADERS, END_HEADERS, 2 * number + 1, &head);
    let frames: Vec<u8> = (0..1025).flat_map(open).collect();

    assert!(client.send(&frames).await);

    let rejected = client
        .until(|frame| frame.kind == RST_STREAM)
        .await
        .unwrap();
    assert_eq!(rejected.stream, 2 * 1024 + 1);
    assert_eq!(rejected.payload, REFUSED_STREAM.to_be_bytes());
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn short_responses_that_are_not_read_hold_no_permit() {
    let gateway = Gateway::with_config("limits.max_requests_in_flight = 4").await;
    let window = (4, 1);
    let mut client = Http2::connect(gateway.addresses.grpc, &[window]).await;

    for number in 0..20 {
        let stream = 2 * number + 1;
        let mut call = frame(HEADERS, END_HEADERS, stream, &head("GetLibrary"));
        call.extend(frame(DATA, END_STREAM, stream, &EMPTY));
        assert!(client.send(&call).await);
        // One byte of the response arrives; the rest waits for flow control.
        let first = |frame: &Frame| frame.kind == DATA && frame.stream == stream;
        let data = client.until(first).await.unwrap();
        assert_eq!(data.payload.len(), 1, "stream {stream} was served");
    }

    assert_serves(&gateway).await;
}
