//! gRPC-Web on the gRPC port, as browsers use it.

use bytes::{Buf, Bytes};
use prost::Message;
use samegate::proto::v1;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::search;
use crate::support::gateway::Gateway;
use crate::support::images::png;

const PROTO: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text+proto";
/// Flag of the frame with the trailers.
const TRAILERS: u8 = 0x80;

pub(super) fn frame(message: &impl Message) -> Vec<u8> {
    let mut frame = vec![0];
    let length = u32::try_from(message.encoded_len()).unwrap();
    frame.extend_from_slice(&length.to_be_bytes());
    message.encode(&mut frame).unwrap();
    frame
}

/// Returns the next frame, once it is complete.
fn next_frame(bytes: &mut Bytes) -> Option<(u8, Bytes)> {
    let length = bytes.get(1..5)?.try_into().unwrap();
    let length = u32::from_be_bytes(length) as usize;
    if bytes.len() < 5 + length {
        return None;
    }
    let kind = bytes.get_u8();
    bytes.advance(4);
    Some((kind, bytes.split_to(length)))
}

async fn post(gateway: &Gateway, path: &str, kind: &str, body: Vec<u8>) -> reqwest::Response {
    // HTTP/1.1, as through most proxies.
    let client = reqwest::Client::builder().http1_only().build().unwrap();
    let url = format!("http://{}/{path}", gateway.addresses.grpc);
    let request = client.post(url).header("content-type", kind);
    let response = request
        .header("accept", kind)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], kind);
    response
}

/// Returns message, if any, and trailers of a unary response.
async fn unary(gateway: &Gateway, request: &impl Message, method: &str) -> (Option<Bytes>, String) {
    let path = format!("samegate.v1.SameImageService/{method}");
    let response = post(gateway, &path, PROTO, frame(request)).await;
    let mut body = response.bytes().await.unwrap();
    let mut message = None;
    while let Some((kind, content)) = next_frame(&mut body) {
        if kind == TRAILERS {
            assert!(body.is_empty());
            return (message, String::from_utf8(content.to_vec()).unwrap());
        }
        message = Some(content);
    }
    panic!("no trailers");
}

#[tokio::test]
async fn a_browser_adds_and_finds_an_image() {
    let gateway = Gateway::start().await;
    let add = v1::AddImageRequest {
        source: Some(v1::add_image_request::Source::Content(png(1))),
        ..Default::default()
    };

    let (added, trailers) = unary(&gateway, &add, "AddImage").await;
    let (found, _) = unary(&gateway, &search(png(1)), "SearchImages").await;

    assert!(trailers.contains("grpc-status:0"), "{trailers:?}");
    let added = v1::AddImageResponse::decode(added.unwrap()).unwrap();
    let found = v1::SearchImagesResponse::decode(found.unwrap()).unwrap();
    assert_eq!(found.matches[0].cont_sign, added.cont_sign);
}

#[tokio::test]
async fn a_rejection_reaches_a_browser_with_its_details() {
    let gateway = Gateway::start().await;
    let response = post(
        &gateway,
        "samegate.v1.SameImageService/SearchImages",
        PROTO,
        frame(&v1::SearchImagesRequest::default()),
    )
    .await;

    // A response without a message may have its trailers in the head.
    let headers = response.headers().clone();
    let mut body = response.bytes().await.unwrap();
    let status = match next_frame(&mut body) {
        Some((TRAILERS, content)) => String::from_utf8(content.to_vec()).unwrap(),
        _ => format!("{headers:?}"),
    };
    assert!(status.contains("grpc-status"), "{status}");
    assert!(status.contains("grpc-status-details-bin"), "{status}");
}

#[tokio::test]
async fn a_browser_reads_a_stream_while_it_runs() {
    let gateway = Gateway::start().await;
    let path = "grpc.health.v1.Health/Watch";
    let mut response = post(&gateway, path, PROTO, frame(&HealthCheckRequest::default())).await;
    let mut read = Bytes::new();
    let mut next = async || {
        loop {
            if let Some((kind, content)) = next_frame(&mut read) {
                return (kind, content);
            }
            let more = response
                .chunk()
                .await
                .unwrap()
                .expect("the stream continues");
            read = [read.clone(), more].concat().into();
        }
    };
    let status = |frame: Bytes| HealthCheckResponse::decode(frame).unwrap().status();

    let (_, first) = next().await;
    assert_eq!(status(first), ServingStatus::Serving);
    let stopped = gateway.begin_to_stop();
    let (_, second) = next().await;
    assert_eq!(status(second), ServingStatus::NotServing);
    let (kind, trailers) = next().await;

    assert_eq!(kind, TRAILERS);
    assert!(trailers.starts_with(b"grpc-status:0"), "{trailers:?}");
    drop(response);
    stopped.await.unwrap();
}

#[tokio::test]
async fn the_text_form_works_too() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let gateway = Gateway::start().await;
    let body = STANDARD.encode(frame(&v1::GetLibraryRequest::default()));

    let path = "samegate.v1.SameImageService/GetLibrary";
    let response = post(&gateway, path, TEXT, body.into_bytes()).await;

    // Each part is base64 of its own.
    let response = response.text().await.unwrap();
    let parts = response.split_inclusive('=').collect::<String>();
    let first = STANDARD.decode(&parts[..4]).unwrap();
    assert_eq!(first[0], 0, "the first frame is a message");
}
