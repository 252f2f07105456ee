//! Compressed bodies, in both directions.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{JSON, call, in_base64, post, reason, received};
use crate::support::gateway::Gateway;
use crate::support::images::png;
use crate::support::probe::until_metric;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_compressed_request_is_inflated() {
    let gateway = Gateway::start().await;
    let add = json!({"content": in_base64(png(1))}).to_string();

    let request = post(&gateway, "AddImage", JSON).header("content-encoding", "gzip");
    let (status, added) = received(request.body(gzip(add.as_bytes()))).await;

    assert_eq!(status, 200, "{added}");
    for (encoding, body) in [
        ("GZip", gzip(add.as_bytes())),
        ("x-gzip", gzip(add.as_bytes())),
        ("Identity", add.clone().into_bytes()),
        ("", add.clone().into_bytes()),
    ] {
        let request = post(&gateway, "SearchImages", JSON).header("content-encoding", encoding);
        let (status, found) = received(request.body(body)).await;

        assert_eq!(status, 200, "{encoding} {found}");
    }
    let request = post(&gateway, "AddImage", JSON).header("content-encoding", "gzip");
    let (status, error) = received(request.body("no gzip")).await;
    assert_eq!((status, &error["code"]), (400, &"invalid_argument".into()));
    let request = post(&gateway, "AddImage", JSON).header("content-encoding", "br");
    let response = request.body(add).send().await.unwrap();
    assert_eq!(response.status(), 501);
    assert_eq!(response.headers()["accept-encoding"], "gzip,identity");
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn a_bomb_is_too_large() {
    let gateway = Gateway::start().await;
    let bomb = format!("{{\"brief\": \"{}", "x".repeat(100 << 20));

    let request = post(&gateway, "AddImage", JSON).header("content-encoding", "gzip");
    let (status, error) = received(request.body(gzip(bomb.as_bytes()))).await;

    assert_eq!(
        (status, &error["code"]),
        (429, &"resource_exhausted".into())
    );
    assert_eq!(reason(&error), "MESSAGE_TOO_LARGE");
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn a_long_response_is_compressed_for_a_client_that_accepts_it() {
    let gateway = Gateway::start().await;
    for seed in 0..4 {
        let add = json!({"content": in_base64(png(seed)), "brief": "brief"});
        assert_eq!(call(&gateway, "AddImage", add).await.0, 200);
    }
    let list = |accepted: &'static str| {
        let request = json!({"thumbnails": true}).to_string();
        let post = post(&gateway, "ListImages", JSON).body(request);
        async move {
            post.header("accept-encoding", accepted)
                .send()
                .await
                .unwrap()
        }
    };

    let compressed = list("br, gzip;q=0.8").await;
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    let compressed = compressed.bytes().await.unwrap();
    for refused in ["gzip; Q=0.000", "*;q=0, gzip;q=0.0"] {
        let plain = list(refused).await;
        assert!(!plain.headers().contains_key("content-encoding"));
    }
    let plain = list("gzip;q=0, identity").await;
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain = plain.bytes().await.unwrap();

    assert!(compressed.len() < plain.len());
    let mut inflated = String::new();
    GzDecoder::new(&*compressed)
        .read_to_string(&mut inflated)
        .unwrap();
    let inflated: Value = serde_json::from_str(&inflated).unwrap();
    assert_eq!(inflated, serde_json::from_slice::<Value>(&plain).unwrap());
    assert_eq!(inflated["images"].as_array().unwrap().len(), 4);
    let short = post(&gateway, "GetLibrary", JSON).header("accept-encoding", "gzip");
    assert!(
        !short
            .send()
            .await
            .unwrap()
            .headers()
            .contains_key("content-encoding")
    );
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}
