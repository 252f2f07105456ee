//! Clients that wait for a 100 before they send their body (RFC 9110 section 10.1.1), as .NET and
//! libcurl do with large ones.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::CALLS;
use crate::support::gateway::Gateway;

/// Far below the 30 s for which a body is waited for.
const SOON: Duration = Duration::from_secs(10);
const BODY: &[u8] = b"cont_sign=1,1";

async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.addresses.rest).await.unwrap()
}

/// Sends the head of a deletion that announces a body.
async fn send_head(stream: &mut TcpStream, token: &str) {
    let head = format!(
        "POST {CALLS}/delete?access_token={token} HTTP/1.1\r\nHost: localhost\r\n\
         Content-Length: {}\r\nExpect: 100-Continue\r\n\r\n",
        BODY.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// Reads until a text has arrived.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(end) {
            read.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(SOON, reading).await.unwrap();
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_rejected_client_gets_its_error_at_once_and_the_end_of_the_connection() {
    let gateway = Gateway::start().await;
    let mut stream = connect(&gateway).await;

    send_head(&mut stream, "wrong").await;

    let mut response = String::new();
    let read = timeout(SOON, stream.read_to_string(&mut response)).await;
    read.expect("the connection is closed").unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
    assert!(response.contains("\"error_code\":110"), "{response}");
}

#[tokio::test]
async fn an_accepted_client_is_asked_for_its_body_and_keeps_its_connection() {
    let gateway = Gateway::start().await;
    let token = gateway.rest_token().await;
    let mut stream = connect(&gateway).await;

    for _ in 0..2 {
        send_head(&mut stream, &token).await;
        let asked = read_until(&mut stream, "\r\n\r\n").await;
        assert_eq!(asked, "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(BODY).await.unwrap();

        let response = read_until(&mut stream, "}").await;
        assert!(response.contains("\"error_code\":216680"), "{response}");
        assert!(!response.contains("connection: close"), "{response}");
    }
}
