//! Invalid requests, limits and deadlines, and the details of their errors.

use samegate::proto::v1;
use tonic::Code;
use tonic_types::StatusExt;

use super::{add, reason};
use crate::support::gateway::Gateway;
use crate::support::images::png;

#[tokio::test]
async fn three_invalid_fields_are_reported_together() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;

    let request = v1::AddImageRequest {
        brief: "x".repeat(257),
        tags: vec![1, 2, 3],
        ..add("not an image")
    };
    let rejected = client.add_image(request).await.unwrap_err();

    assert_eq!(rejected.code(), Code::InvalidArgument);
    let violations = rejected.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["content", "brief", "tags"]);
}

#[tokio::test]
async fn each_invalid_image_has_its_own_reason() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let truncated = png(1).slice(..400);
    let bomb = decompression_bomb();

    for (image, expected) in [
        (bytes::Bytes::new(), "IMAGE_EMPTY"),
        ("just a text".into(), "IMAGE_FORMAT"),
        (truncated, "IMAGE_MALFORMED"),
        (bomb, "IMAGE_SIZE"),
        (vec![0xff; 7 * 1024 * 1024 + 1].into(), "IMAGE_SIZE"),
    ] {
        let rejected = client.add_image(add(image)).await.unwrap_err();
        assert_eq!(
            (rejected.code(), reason(&rejected).as_str()),
            (Code::InvalidArgument, expected)
        );
    }
    client
        .add_image(add(png(1)))
        .await
        .expect("the gateway is still running");
}

/// A PNG whose header declares 60,000 x 60,000 pixels.
fn decompression_bomb() -> bytes::Bytes {
    let mut file = png(1).to_vec();
    file[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    file.into()
}

#[tokio::test]
async fn a_message_is_accepted_up_to_the_limit_and_rejected_above_it() {
    let gateway = Gateway::with_config("limits.max_message_bytes = 65536").await;
    let mut client = gateway.client().await;
    // Field number and length are 4 bytes.
    let of_size = |bytes: usize| add(vec![0; bytes - 4]);

    let at_limit = client.add_image(of_size(65_536)).await.unwrap_err();
    assert_eq!(reason(&at_limit), "IMAGE_SIZE", "it was parsed");

    let over = client.add_image(of_size(65_537)).await.unwrap_err();
    assert_eq!(
        (over.code(), reason(&over).as_str()),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
    );
}

#[tokio::test]
async fn an_unknown_library_and_another_tenants_library_are_not_found() {
    let config = r#"
        [libraries.mine]
        backend = "embedded"
        data_dir = "DIR/mine"
        [libraries.theirs]
        backend = "embedded"
        data_dir = "DIR/theirs"
        [tenants.me]
        libraries = ["mine"]
        [tenants.them]
        libraries = ["theirs"]
    "#;
    let folder = tempfile::tempdir().unwrap();
    let config = config.replace("DIR", folder.path().to_str().unwrap());
    let gateway = Gateway::in_folder(folder, &config).await;
    let mut client = gateway.client().await;

    let mut messages = Vec::new();
    for library in ["theirs", "unknown"] {
        let request = v1::AddImageRequest {
            library: library.to_owned(),
            ..add(png(1))
        };
        let rejected = client.add_image(request).await.unwrap_err();
        assert_eq!(
            (rejected.code(), reason(&rejected).as_str()),
            (Code::NotFound, "LIBRARY_NOT_FOUND")
        );
        messages.push(rejected.message().replace(library, ""));
    }
    assert_eq!(
        messages[0], messages[1],
        "the response does not reveal which libraries exist"
    );
}

#[tokio::test]
async fn a_deadline_that_has_passed_fails_with_deadline_exceeded() {
    let gateway = Gateway::start().await;
    // A plain HTTP/2 client: the one of tonic would end the call by its own timer.
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!(
        "http://{}/samegate.v1.SameImageService/GetLibrary",
        gateway.addresses.grpc
    );
    let call = client
        .post(url)
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "0n");

    let response = call.body(vec![0; 5]).send().await.unwrap();

    assert_eq!(response.headers()["grpc-status"], "4");
}

#[tokio::test]
async fn metadata_is_accepted_up_to_the_limit_and_rejected_above_it() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client().await;
    let mut with_metadata = async |bytes: usize| {
        let mut request = tonic::Request::new(v1::GetLibraryRequest::default());
        let value = "v".repeat(bytes).parse().unwrap();
        request.metadata_mut().insert("x-large", value);
        client.get_library(request).await
    };

    with_metadata(15 * 1024).await.unwrap();
    for bytes in [16 * 1024, 30 * 1024] {
        let rejected = with_metadata(bytes).await.unwrap_err();
        assert_eq!(
            (rejected.code(), reason(&rejected).as_str()),
            (Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
        );
    }
}

#[tokio::test]
async fn a_form_at_a_grpc_path_is_an_unsupported_media_type() {
    let gateway = Gateway::start().await;
    let path = "samegate.v1.SameImageService/GetLibrary";
    let url = format!("http://{}/{path}", gateway.addresses.grpc);

    for http2 in [true, false] {
        let client = reqwest::Client::builder();
        let client = match http2 {
            true => client.http2_prior_knowledge(),
            false => client.http1_only(),
        };
        let call = client.build().unwrap().post(&url).body("{}");
        let response = call
            .header("content-type", "application/x-www-form-urlencoded")
            .send();
        let response = response.await.unwrap();

        assert_eq!(response.status(), 415, "HTTP/2: {http2}");
        let text = response.text().await.unwrap();
        assert!(text.contains("application/json"), "{text}");
    }
}
