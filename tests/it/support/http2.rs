//! An HTTP/2 client that sends any frames, valid or not (RFC 9113).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Error code of RFC 9113.
pub const REFUSED_STREAM: u32 = 7;

/// A connection after the preface.
pub struct Http2(TcpStream);

/// One frame of the server.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Http2 {
    /// Connects and sends these settings only.
    pub async fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        begin.extend(frame(SETTINGS, 0, 0, &payload));
        stream.write_all(&begin).await.unwrap();
        Http2(stream)
    }

    /// Sends bytes; returns `false` when the connection is closed.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Reads until a frame matches; returns `None` when the connection ends before.
    pub async fn until(&mut self, matches: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let search = async {
            loop {
                let frame = self.read().await?;
                if matches(&frame) {
                    return Some(frame);
                }
            }
        };
        let limit = Duration::from_secs(60);
        let found = tokio::time::timeout(limit, search).await;
        found.expect("the server responds or closes the connection")
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }
}

/// Encodes a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Encodes the headers of a gRPC call without compression (RFC 7541).
pub fn head(method: &str) -> Vec<u8> {
    let path = format!("/samegate.v1.SameImageService/{method}");
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.extend(field(name, value));
    }
    block
}

/// Encodes one header, without indexing.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        // A longer one would need more than one byte for its length.
        field.push(u8::try_from(text.len()).ok().filter(|n| *n < 127).unwrap());
        field.extend(text.as_bytes());
    }
    field
}
