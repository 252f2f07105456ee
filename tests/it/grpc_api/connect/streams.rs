//! Streams of the Connect protocol: prefixed messages, and one at the end with the status.

use std::time::Duration;

use bytes::{Buf, Bytes};
use prost::Message;
use samegate::proto::v1;
use samegate::proto::v1::find_duplicates_response::Event;
use serde_json::{Value, json};

use super::{call, in_base64, post, post_to};
use crate::support::gateway::Gateway;
use crate::support::images::{jpeg, png};
use crate::support::probe::until_metric;

const JSON: &str = "application/connect+json";
const PROTO: &str = "application/connect+proto";
/// Flag of the last message.
const END: u8 = 2;

pub(super) fn framed(message: impl AsRef<[u8]>) -> Vec<u8> {
    let message = message.as_ref();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// Splits a response into its messages and the last one.
fn split(mut body: Bytes) -> (Vec<Bytes>, Value) {
    let mut messages = Vec::new();
    loop {
        let flags = body.get_u8();
        let length = body.get_u32() as usize;
        let message = body.split_to(length);
        if flags == END {
            assert!(body.is_empty(), "{body:?}");
            return (messages, serde_json::from_slice(&message).unwrap());
        }
        assert_eq!(flags, 0);
        messages.push(message);
    }
}

async fn received(request: reqwest::RequestBuilder, content_type: &str) -> (Vec<Bytes>, Value) {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], content_type);
    split(response.bytes().await.unwrap())
}

fn value(message: &Bytes) -> Value {
    serde_json::from_slice(message).unwrap()
}

#[tokio::test]
async fn a_stream_of_the_server_ends_with_its_status() {
    let gateway = Gateway::start().await;
    for image in [png(1), png(2), jpeg(1)] {
        let add = json!({"content": in_base64(image)});
        assert_eq!(call(&gateway, "AddImage", add).await.0, 200);
    }

    let request = post(&gateway, "FindDuplicates", JSON).body(framed(b"{}"));
    let (messages, end) = received(request, JSON).await;
    assert_eq!(end, json!({}));
    let messages: Vec<Value> = messages.iter().map(value).collect();
    assert_eq!(messages[0]["group"]["images"].as_array().unwrap().len(), 2);
    assert_eq!(messages.last().unwrap()["progress"]["compared"], "3");

    let request = post(&gateway, "FindDuplicates", PROTO).body(framed(b""));
    let (messages, end) = received(request, PROTO).await;
    assert_eq!(end, json!({}));
    let first = v1::FindDuplicatesResponse::decode(messages[0].clone()).unwrap();
    assert!(matches!(first.event, Some(Event::Group(_))), "{first:?}");
}

#[tokio::test]
async fn an_error_is_the_end_of_a_stream() {
    let gateway = Gateway::start().await;

    for (content_type, body, message) in [
        (JSON, framed(br#"{"minScore": 2}"#), "`min_score`"),
        (JSON, framed(br#"{"tags": 2}"#), "`tags`: must be a list"),
        (JSON, vec![0, 0, 0, 0, 9, b'{'], "within a message"),
        (JSON, vec![2, 0, 0, 0, 2, b'{', b'}'], "flags 2"),
        (JSON, vec![0, 255, 255, 255, 255], "more than"),
        (PROTO, framed(b"no protobuf"), "Protobuf"),
        (
            PROTO,
            framed(
                v1::FindDuplicatesRequest {
                    min_score: 2.0,
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            "`min_score`",
        ),
    ] {
        let request = post(&gateway, "FindDuplicates", content_type).body(body);
        let (messages, end) = received(request, content_type).await;

        assert!(messages.is_empty(), "{messages:?}");
        assert!(
            end["error"]["message"].as_str().unwrap().contains(message),
            "{end}"
        );
        assert!(
            end["error"]["details"][0]["debug"]["reason"].is_string(),
            "{end}"
        );
    }
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn a_bulk_load_takes_its_items_in_json() {
    let gateway = Gateway::start().await;
    let item = |key: &str, image: Bytes| json!({"item": {"key": key, "content": in_base64(image)}});
    let messages = [
        json!({"options": {"maxInFlight": 2}}),
        item("a", png(1)),
        item("broken", Bytes::from_static(b"no image")),
        item("b", png(2)),
    ];
    let body = messages.map(|message| framed(message.to_string())).concat();

    let request = post(&gateway, "AddImages", JSON).body(body);
    let (messages, end) = received(request, JSON).await;

    assert_eq!(end, json!({}));
    let last = value(messages.last().unwrap());
    assert_eq!(last["summary"]["received"], "3", "{last}");
    assert_eq!(last["summary"]["added"], "2", "{last}");
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn an_item_that_cannot_be_read_ends_a_load_with_its_own_error() {
    let gateway = Gateway::with_config("[limits]\nmax_message_bytes = \"64KiB\"\n").await;
    let options = framed(br#"{"options": {}}"#);

    for (content, reason) in [
        ("no base64!".to_owned(), "INVALID_PARAMETER"),
        ("A".repeat(90 << 10), "MESSAGE_TOO_LARGE"),
    ] {
        let item = json!({"item": {"key": "a", "content": content}}).to_string();
        let body = [options.clone(), framed(item)].concat();
        let request = post(&gateway, "AddImages", JSON).body(body);
        let (messages, end) = received(request, JSON).await;

        assert!(messages.is_empty(), "{messages:?}");
        let details = &end["error"]["details"];
        assert_eq!(details[0]["debug"]["reason"], reason, "{end}");
        if reason == "INVALID_PARAMETER" {
            let violation = &details[1]["debug"]["fieldViolations"][0];
            assert_eq!(violation["field"], "item.content", "{end}");
        }
    }
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_load_whose_item_arrives_slowly_is_not_idle() {
    let gateway = Gateway::start().await;
    let (body, chunks) = tokio::sync::mpsc::channel(1);
    let chunks = tokio_stream::wrappers::ReceiverStream::new(chunks);
    let request = post(&gateway, "AddImages", JSON).body(reqwest::Body::wrap_stream(chunks));
    let response = tokio::spawn(received(request, JSON));
    let send = async |part: Vec<u8>| body.send(Ok::<_, std::io::Error>(part)).await.unwrap();

    send(framed(br#"{"options": {}}"#)).await;
    // No image, so that the engine, which works outside of the runtime, is not called.
    let item = json!({"item": {"key": "a", "content": in_base64(vec![7; 600_000])}}).to_string();
    for part in framed(item).chunks(200_000) {
        send(part.to_vec()).await;
        // Idle is a load after 5 min.
        tokio::time::sleep(Duration::from_mins(4)).await;
    }
    drop(body);

    let (messages, end) = response.await.unwrap();
    assert_eq!(end, json!({}));
    let last = value(messages.last().unwrap());
    assert_eq!(last["summary"]["received"], "1", "{last}");
    assert_eq!(last["summary"]["failed"], "1", "{last}");
}

#[tokio::test]
async fn another_encoding_is_rejected_with_those_that_are_accepted() {
    let gateway = Gateway::start().await;
    let request = post(&gateway, "FindDuplicates", JSON).body(framed(b"{}"));
    let request = request.header("connect-content-encoding", "br");

    let response = request.send().await.unwrap();

    assert_eq!(
        response.headers()["connect-accept-encoding"],
        "gzip,identity"
    );
    let (_, end) = split(response.bytes().await.unwrap());
    assert_eq!(end["error"]["code"], "unimplemented", "{end}");
}

#[tokio::test]
async fn a_watch_of_the_health_check_sends_as_it_goes() {
    let gateway = Gateway::start().await;
    let request = post_to(&gateway, "grpc.health.v1.Health/Watch", JSON).body(framed(b"{}"));
    let mut response = request.send().await.unwrap();

    let mut read = Vec::new();
    while read.len() < 5 {
        read.extend(response.chunk().await.unwrap().unwrap());
    }
    assert!(read.ends_with(br#"{"status":"SERVING"}"#), "{read:?}");
    let stopped = gateway.begin_to_stop();
    let rest = response.bytes().await.unwrap();
    let (messages, end) = split(rest);

    assert_eq!(value(&messages[0]), json!({"status": "NOT_SERVING"}));
    assert_eq!(end, json!({}));
    stopped.await.unwrap();
}
