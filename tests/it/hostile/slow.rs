//! Callers that do not go on: the clock is paused, so it jumps to the next
//! thing that is due whenever everybody waits.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{assert_serves, token};
use crate::support::gateway::Gateway;

/// Sends some bytes and no more; tells what comes back before the server ends
/// the connection, and after what time that is.
async fn leave_after(address: SocketAddr, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut response = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut response).await;
    (response, begin.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_beginning_is_cut_off() {
    let gateway = Gateway::start().await;
    let (grpc, rest) = (gateway.addresses.grpc, gateway.addresses.rest);

    for (what, address, bytes) in [
        ("nothing", grpc, &b""[..]),
        ("a letter", grpc, b"P"),
        ("half a preface", grpc, b"PRI * HTTP/2.0\r\n\r\nSM\r\n"),
        ("nothing over REST", rest, b""),
        ("half a line", rest, b"POST /rest/2.0/real"),
        (
            "half a head",
            rest,
            b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n",
        ),
    ] {
        let (_, time) = leave_after(address, bytes).await;

        assert!(time <= Duration::from_secs(15), "{what}: {time:?}");
        assert!(time >= Duration::from_secs(5), "{what}: {time:?}");
    }
    assert_serves(&gateway).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_cut_off() {
    let gateway = Gateway::start().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    let (response, time) = leave_after(gateway.addresses.grpc, preface).await;

    assert!(!response.is_empty(), "the server shook hands");
    assert!(time <= Duration::from_secs(100), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_answered_at_the_deadline() {
    let gateway = Gateway::start().await;
    let token = token(&gateway).await;
    let path = "/rest/2.0/realtime_search/same_hq/search";
    let half = format!(
        "POST {path}?access_token={token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Content-Length: 1000000\r\n\r\nimage=AAAA"
    );

    let (response, time) = leave_after(gateway.addresses.rest, half.as_bytes()).await;

    let response = String::from_utf8(response).unwrap();
    assert!(response.contains("\"error_code\":2,"), "{response}");
    assert!(time >= Duration::from_secs(29), "{time:?}");
    assert!(time <= Duration::from_secs(60), "{time:?}");
}
