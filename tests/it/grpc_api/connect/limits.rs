//! Calls of Connect pass the same layers as those of gRPC: credentials, deadlines, quotas, memory.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{JSON, PROTO, call, in_base64, post, reason, received};
use crate::support::gateway::Gateway;
use crate::support::images::png;
use crate::support::probe::{metric, until_metric};

#[tokio::test]
async fn a_timeout_in_milliseconds_is_the_deadline() {
    let gateway = Gateway::start().await;
    let with =
        |timeout: &str| post(&gateway, "GetLibrary", JSON).header("connect-timeout-ms", timeout);

    assert_eq!(received(with("5000")).await.0, 200);
    assert_eq!(received(with("9999999999")).await.0, 200);
    let (status, error) = received(with("0")).await;
    assert_eq!((status, &error["code"]), (504, &"deadline_exceeded".into()));
    for invalid in ["", "-1", "+1", "1S", "12345678901"] {
        let (status, error) = received(with(invalid)).await;

        assert_eq!(status, 400, "{invalid} {error}");
        let violation = &error["details"][1]["debug"]["fieldViolations"][0];
        assert_eq!(violation["field"], "connect-timeout-ms");
    }
}

#[tokio::test]
async fn credentials_and_quotas_are_those_of_grpc() {
    let hash: String = Sha256::digest("key")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let config = format!(
        "[tenants.local]\nlibraries = [\"default\"]\napi_keys = [\"sha256:{hash}\"]\n\
         [tenants.local.quota]\nrequests_per_second = 1\n"
    );
    let gateway = Gateway::with_config(&config).await;

    let (status, error) = call(&gateway, "GetLibrary", json!({})).await;
    assert_eq!((status, &error["code"]), (401, &"unauthenticated".into()));
    assert_eq!(reason(&error), "CREDENTIALS_MISSING");
    // Also where the content type does not suit the method.
    let (status, _) = call(&gateway, "AddImages", json!({})).await;
    assert_eq!(status, 401);
    let mut rejected = None;
    for _ in 0..10 {
        let response = post(&gateway, "GetLibrary", JSON).header("x-api-key", "key");
        let response = response.send().await.unwrap();
        if response.status() == 429 {
            rejected = Some(response);
            break;
        }
        assert_eq!(response.status(), 200);
    }
    let rejected = rejected.expect("ten calls at once are over one in a second");
    assert_eq!(rejected.headers()["retry-after"], "1");
}

#[tokio::test]
async fn a_rejected_call_leaves_its_connection_usable() {
    let gateway = Gateway::start().await;
    let client = reqwest::Client::builder().http1_only().build().unwrap();
    let url = format!(
        "http://{}/samegate.v1.SameImageService/GetLibrary",
        gateway.addresses.grpc
    );
    let call = |library: &str, timeout: &str| {
        let request = client.post(&url).header("content-type", JSON);
        let body = json!({"library": library}).to_string();
        received(request.header("connect-timeout-ms", timeout).body(body))
    };
    for _ in 0..20 {
        // The body of a rejected call is longer than what arrives with its head.
        assert_eq!(call(&"x".repeat(1 << 20), "0").await.0, 504);
        assert_eq!(call("", "5000").await.0, 200);
    }
    let connections = "samegate_connections{listener=\"grpc\"}";
    assert_eq!(
        metric(gateway.addresses.admin, connections).await,
        Some(1.0)
    );
}

#[tokio::test]
async fn the_longest_image_fits_in_base64_and_a_longer_body_does_not() {
    let gateway = Gateway::with_config("[limits]\nmax_message_bytes = \"64KiB\"\n").await;
    let mut image = png(1).to_vec();
    assert!(image.len() < 56 << 10, "{}", image.len());
    // What is behind the end of a PNG file is ignored.
    image.resize(56 << 10, 0);

    let (status, added) = call(&gateway, "AddImage", json!({"content": in_base64(&image)})).await;
    assert_eq!(status, 200, "{added}");

    image.resize(64 << 10, 0);
    let decoded = json!({"content": in_base64(&image)}).to_string();
    for (content_type, body) in [
        (JSON, decoded),
        (JSON, " ".repeat(90 << 10)),
        (PROTO, " ".repeat(65 << 10)),
    ] {
        let (status, error) = received(post(&gateway, "AddImage", content_type).body(body)).await;

        assert_eq!(
            (status, &error["code"]),
            (429, &"resource_exhausted".into())
        );
        assert_eq!(reason(&error), "MESSAGE_TOO_LARGE");
    }
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn bytes_are_charged_as_they_arrive() {
    let config = "[limits]\nmax_message_bytes = \"512KiB\"\nmax_bytes_in_flight = \"1MiB\"\n";
    let gateway = Gateway::with_config(config).await;
    let mut bodies = Vec::new();
    let mut calls = Vec::new();
    for _ in 0..2 {
        let (body, chunks) = tokio::sync::mpsc::channel(4);
        let most = vec![b' '; 480 << 10];
        body.send(Ok::<_, std::io::Error>(most)).await.unwrap();
        bodies.push(body);
        let chunks = tokio_stream::wrappers::ReceiverStream::new(chunks);
        let request = post(&gateway, "GetLibrary", JSON);
        let request = request.body(reqwest::Body::wrap_stream(chunks));
        calls.push(tokio::spawn(received(request)));
    }
    until_metric(
        gateway.addresses.admin,
        "samegate_admission_bytes",
        983_040.0,
    )
    .await;

    let third = post(&gateway, "GetLibrary", JSON).body(" ".repeat(480 << 10));
    let (status, error) = received(third).await;

    assert_eq!(
        (status, &error["code"]),
        (429, &"resource_exhausted".into())
    );
    assert_eq!(reason(&error), "OVERLOADED");
    drop(bodies);
    for call in calls {
        // White space is no JSON.
        assert_eq!(call.await.unwrap().0, 400);
    }
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn calls_are_counted_under_the_names_of_their_methods() {
    let gateway = Gateway::start().await;
    call(&gateway, "GetLibrary", json!({})).await;
    call(&gateway, "GetLibrary", json!({"library": "none"})).await;

    for (code, error) in [("OK", ""), ("NOT_FOUND", "LIBRARY_NOT_FOUND")] {
        let labels = format!(
            "{{rpc_system_name=\"grpc\",rpc_method=\"samegate.v1.SameImageService/GetLibrary\",\
             rpc_response_status_code=\"{code}\",error_type=\"{error}\",tenant=\"local\"}}"
        );
        let name = format!("rpc_server_call_duration_seconds_count{labels}");
        assert_eq!(
            metric(gateway.addresses.admin, &name).await,
            Some(1.0),
            "{name}"
        );
    }
}
