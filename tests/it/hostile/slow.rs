//! Callers that stop halfway. The clock is paused, so it jumps to the next timer whenever every
//! task waits.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::assert_serves;
use crate::support::gateway::Gateway;
use crate::support::http2::{END_HEADERS, HEADERS, Http2, frame, head};

/// Far below the default deadline.
const BODY_TIMEOUT: &str = "limits.body_timeout = \"5s\"";

/// Sends some bytes and no more; returns what the server sends before it closes the connection, and
/// when it closes.
async fn send_only(address: SocketAddr, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut response = Vec::new();
    // A reset closes the connection too.
    let _ = stream.read_to_end(&mut response).await;
    (response, begin.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_first_bytes_is_disconnected() {
    let gateway = Gateway::start().await;
    let (grpc, rest) = (gateway.addresses.grpc, gateway.addresses.rest);

    for (case, address, bytes) in [
        ("nothing", grpc, &b""[..]),
        ("a letter", grpc, b"P"),
        ("half a preface", grpc, b"PRI * HTTP/2.0\r\n\r\nSM\r\n"),
        ("nothing over REST", rest, b""),
        ("half a line", rest, b"POST /rest/2.0/real"),
        (
            "half a head",
            rest,
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n",
        ),
    ] {
        let (_, time) = send_only(address, bytes).await;

        assert!(time <= Duration::from_secs(15), "{case}: {time:?}");
        assert!(time >= Duration::from_secs(5), "{case}: {time:?}");
    }
    assert_serves(&gateway).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_acknowledges_no_ping_is_disconnected() {
    let gateway = Gateway::start().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    let (response, time) = send_only(gateway.addresses.grpc, preface).await;

    assert!(!response.is_empty(), "the server shook hands");
    assert!(time <= Duration::from_secs(100), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_http_1_connection_is_closed() {
    let gateway = Gateway::start().await;
    let request = b"GET /unknown HTTP/1.1\r\nHost: localhost\r\n\r\n";

    let (response, time) = send_only(gateway.addresses.rest, request).await;

    assert!(response.starts_with(b"HTTP/1.1 200"), "it was kept alive");
    assert!(time >= Duration::from_secs(5), "{time:?}");
    assert!(time <= Duration::from_secs(15), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_rejected_long_before_the_deadline() {
    let gateway = Gateway::with_config(BODY_TIMEOUT).await;
    let token = gateway.rest_token().await;
    let path = "/rest/2.0/realtime_search/same_hq/search";
    let half = format!(
        "POST {path}?access_token={token} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: 1000000\r\n\r\nimage=AAAA"
    );

    let (response, time) = send_only(gateway.addresses.rest, half.as_bytes()).await;

    let response = String::from_utf8(response).unwrap();
    assert!(response.contains("\"error_code\":2,"), "{response}");
    // And up to 30 s in which the rest of the body is discarded.
    assert!(time >= Duration::from_secs(5), "{time:?}");
    assert!(time <= Duration::from_secs(36), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_its_body_is_rejected_long_before_the_deadline() {
    let gateway = Gateway::with_config(BODY_TIMEOUT).await;
    for method in ["AddImage", "AddImages"] {
        let begin = Instant::now();
        let mut client = Http2::connect(gateway.addresses.grpc, &[]).await;
        client
            .send(&frame(HEADERS, END_HEADERS, 1, &head(method)))
            .await;

        let response = client.until(|frame| frame.kind == HEADERS).await;

        let time = begin.elapsed();
        assert!(response.is_some(), "{method} gets a status");
        assert!(time >= Duration::from_secs(5), "{method}: {time:?}");
        assert!(time <= Duration::from_secs(6), "{method}: {time:?}");
    }
}
