//! Requests in gzip, as clients send them that are set to compress everything.

use std::io::Write;
use std::task::{Context, Poll};

use axum::body::to_bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::{BoxFuture, FutureExt};
use samegate::proto::v1;
use samegate::proto::v1::add_images_request::Payload;
use samegate::proto::v1::add_images_response::Event;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::{Service, ServiceExt};

use super::{add, reason, search};
use crate::support::gateway::Gateway;
use crate::support::images::png;
use crate::support::probe::until_metric;

/// A channel that compresses every message, and asserts that no response is compressed.
#[derive(Clone)]
struct Compressing {
    channel: Channel,
    encoding: &'static str,
}

impl Compressing {
    async fn connect(gateway: &Gateway, encoding: &'static str) -> Self {
        let endpoint = format!("http://{}", gateway.addresses.grpc);
        let endpoint = Endpoint::try_from(endpoint).unwrap();
        Compressing {
            channel: endpoint.connect().await.unwrap(),
            encoding,
        }
    }

    async fn client(gateway: &Gateway) -> SameImageServiceClient<Self> {
        SameImageServiceClient::new(Compressing::connect(gateway, "gzip").await)
    }
}

impl Service<http::Request<Body>> for Compressing {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = BoxFuture<'static, Result<http::Response<Body>, tonic::transport::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Compressing { channel, encoding } = self.clone();
        async move {
            let (mut head, body) = request.into_parts();
            head.headers
                .insert("grpc-encoding", encoding.parse().unwrap());
            let sent = to_bytes(axum::body::Body::new(body), usize::MAX);
            let mut messages = &sent.await.unwrap()[..];
            let mut compressed = Vec::new();
            while let Some((prefix, rest)) = messages.split_at_checked(5) {
                let length = u32::from_be_bytes(prefix[1..].try_into().unwrap());
                let (message, rest) = rest.split_at(length as usize);
                compressed.extend(frame(1, &gzip(message)));
                messages = rest;
            }
            let body = Body::new(axum::body::Body::from(compressed));
            let request = http::Request::from_parts(head, body);
            let response = channel.oneshot(request).await?;
            assert!(response.headers().get("grpc-encoding").is_none());
            Ok(response)
        }
        .boxed()
    }
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag], &length[..], message].concat()
}

fn item(key: &str, content: Vec<u8>) -> v1::AddImagesRequest {
    message(Payload::Item(v1::AddImagesItem {
        key: key.to_owned(),
        source: Some(v1::add_images_item::Source::Content(content.into())),
        ..Default::default()
    }))
}

fn message(payload: Payload) -> v1::AddImagesRequest {
    v1::AddImagesRequest {
        payload: Some(payload),
    }
}

#[tokio::test]
async fn compressed_requests_are_served_and_responses_are_plain() {
    let gateway = Gateway::start().await;
    let mut client = Compressing::client(&gateway).await;

    let added = client.add_image(add(png(1))).await.unwrap().into_inner();
    let found = client.search_images(search(png(1))).await.unwrap();

    assert_eq!(found.into_inner().matches[0].cont_sign, added.cont_sign);
    let rejected = client.add_image(add(png(1))).await.unwrap_err();
    assert_eq!(reason(&rejected), "IMAGE_ALREADY_EXISTS");
    let mut health = HealthClient::new(Compressing::connect(&gateway, "gzip").await);
    let checked = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(checked.into_inner().status(), ServingStatus::Serving);
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn a_compressed_bulk_load_has_results_and_its_bomb_fails_alone() {
    let gateway = Gateway::start().await;
    let mut client = Compressing::client(&gateway).await;
    let messages = [
        message(Payload::Options(v1::AddImagesOptions::default())),
        item("first", png(1).to_vec()),
        item("bomb", vec![0; 40 << 20]),
        item("broken", vec![0; 100]),
        item("last", png(2).to_vec()),
    ];

    let load = client.add_images(tokio_stream::iter(messages)).await;

    let mut events = load.unwrap().into_inner();
    let mut outcomes = std::collections::BTreeMap::new();
    while let Some(response) = events.message().await.unwrap() {
        if let Some(Event::Result(result)) = response.event {
            outcomes.insert(result.key, result.status.unwrap_or_default().reason);
        }
    }
    let expected = [
        ("first", ""),
        ("bomb", "MESSAGE_TOO_LARGE"),
        ("broken", "IMAGE_FORMAT"),
        ("last", ""),
    ];
    let expected = expected.map(|(key, reason)| (key.to_owned(), reason.to_owned()));
    assert_eq!(outcomes, expected.into());
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn a_bomb_is_too_large_and_one_beyond_the_free_memory_is_shed() {
    let small = "[limits]\nmax_message_bytes = \"4MiB\"\nmax_bytes_in_flight = \"8MiB\"\n";
    let gateway = Gateway::with_config(small).await;
    let mut client = Compressing::client(&gateway).await;
    let bomb = || add(vec![0; 100 << 20]);

    let rejected = client.add_image(bomb()).await.unwrap_err();
    assert_eq!(reason(&rejected), "MESSAGE_TOO_LARGE");

    let calls = (0..8).map(|_| {
        let mut client = client.clone();
        async move { client.add_image(bomb()).await.unwrap_err() }
    });
    for rejected in futures_util::future::join_all(calls).await {
        let reason = reason(&rejected);
        assert!(
            ["MESSAGE_TOO_LARGE", "OVERLOADED"].contains(&reason.as_str()),
            "{reason}"
        );
    }
    client.add_image(add(png(1))).await.unwrap();
    until_metric(gateway.addresses.admin, "samegate_admission_bytes", 0.0).await;
}

#[tokio::test]
async fn what_is_no_gzip_is_invalid_and_other_encodings_are_named_unsupported() {
    let gateway = Gateway::start().await;
    let unsupported = Compressing::connect(&gateway, "zstd").await;

    let status = call(unsupported, add(png(1))).await;

    assert_eq!(
        (status.code(), reason(&status)),
        (Code::Unimplemented, "OPERATION_UNSUPPORTED".to_owned())
    );
    assert_eq!(
        status.metadata().get("grpc-accept-encoding").unwrap(),
        "gzip,identity"
    );

    let mut channel = Compressing::connect(&gateway, "gzip").await.channel;
    let request = http::Request::post(format!(
        "http://{}/samegate.v1.SameImageService/AddImage",
        gateway.addresses.grpc
    ));
    let request = request
        .header("content-type", "application/grpc")
        .header("grpc-encoding", "gzip")
        .body(Body::new(axum::body::Body::from(frame(1, b"no gzip"))));
    let response = channel.ready().await.unwrap().call(request.unwrap()).await;
    let status = Status::from_header_map(response.unwrap().headers()).unwrap();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(reason(&status), "INVALID_PARAMETER");
}

async fn call(channel: Compressing, request: v1::AddImageRequest) -> Status {
    let mut client = SameImageServiceClient::new(channel);
    client.add_image(request).await.unwrap_err()
}
