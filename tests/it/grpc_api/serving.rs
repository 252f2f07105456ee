//! Credentials, health, reflection, start and drain.

use std::time::Duration;

use prost::Message;
use prost_types::FileDescriptorProto;
use samegate::proto::v1;
use tonic::Request;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::{add, reason};
use crate::support::gateway::Gateway;
use crate::support::images::png;

#[tokio::test]
async fn valid_api_keys_are_accepted_and_wrong_ones_are_rejected() {
    // printf %s letmein | sha256sum
    let config = r#"
        tenants.app.libraries = ["default"]
        tenants.app.api_keys = ["sha256:1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032"]
    "#;
    let gateway = Gateway::with_config(config).await;
    let mut client = gateway.client().await;
    let mut status = async |header: Option<(&'static str, &str)>| {
        let mut request = Request::new(v1::GetLibraryRequest::default());
        if let Some((name, value)) = header {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        client
            .get_library(request)
            .await
            .map_or_else(|status| reason(&status), |_| "OK".to_owned())
    };

    assert_eq!(
        status(Some(("authorization", "Bearer letmein"))).await,
        "OK"
    );
    assert_eq!(status(Some(("x-api-key", "letmein"))).await, "OK");
    assert_eq!(
        status(Some(("x-api-key", "letmeout"))).await,
        "CREDENTIALS_INVALID"
    );
    assert_eq!(status(None).await, "CREDENTIALS_MISSING");
}

#[tokio::test]
async fn health_and_reflection_are_served_without_credentials() {
    let config = r#"
        tenants.app.libraries = ["default"]
        tenants.app.api_keys = ["sha256:1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032"]
    "#;
    let gateway = Gateway::with_config(config).await;
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let channel = tonic::transport::Endpoint::try_from(endpoint)
        .unwrap()
        .connect()
        .await
        .unwrap();

    let mut health = HealthClient::new(channel.clone());
    for service in ["", "samegate.v1.SameImageService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    }

    let mut reflection = ServerReflectionClient::new(channel);
    let list = Some(MessageRequest::ListServices(String::new()));
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: list,
    };
    let mut responses = reflection
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(services)) =
        responses.message().await.unwrap().unwrap().message_response
    else {
        panic!("not a list of services");
    };
    assert!(
        services
            .service
            .iter()
            .any(|service| service.name == "samegate.v1.SameImageService")
    );
}

#[tokio::test]
async fn reflection_serves_the_types_of_error_details_and_what_they_import() {
    let gateway = Gateway::start().await;
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let endpoint = tonic::transport::Endpoint::try_from(endpoint).unwrap();
    let mut reflection = ServerReflectionClient::new(endpoint.connect().await.unwrap());

    for name in [
        "ErrorInfo",
        "BadRequest",
        "RetryInfo",
        "QuotaFailure",
        "Status",
    ] {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::FileContainingSymbol(format!(
                "google.rpc.{name}"
            ))),
        };
        let mut files = descriptors(&mut reflection, request).await;
        while let Some(file) = files.pop() {
            for import in file.dependency {
                let request = ServerReflectionRequest {
                    host: String::new(),
                    message_request: Some(MessageRequest::FileByFilename(import)),
                };
                files.extend(descriptors(&mut reflection, request).await);
            }
        }
    }
}

/// Asks for files that must exist.
async fn descriptors(
    reflection: &mut ServerReflectionClient<tonic::transport::Channel>,
    request: ServerReflectionRequest,
) -> Vec<FileDescriptorProto> {
    let requests = tokio_stream::once(request.clone());
    let responses = reflection.server_reflection_info(requests).await;
    let response = responses.unwrap().into_inner().message().await;
    let Some(MessageResponse::FileDescriptorResponse(files)) =
        response.unwrap().unwrap().message_response
    else {
        panic!("no file for {request:?}");
    };
    let files = files.file_descriptor_proto.iter();
    files
        .map(|file| FileDescriptorProto::decode(&file[..]).unwrap())
        .collect()
}

#[tokio::test]
async fn health_watchers_see_not_serving_at_the_start_of_the_drain() {
    let gateway = Gateway::start().await;
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let channel = tonic::transport::Endpoint::try_from(endpoint)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut health = HealthClient::new(channel);
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );

    let stopped = gateway.begin_to_stop();

    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert!(
        watch.message().await.unwrap().is_none(),
        "the server ends the watch"
    );
    drop((watch, health));
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_watch_of_an_unknown_service_stays_open_until_the_drain() {
    let gateway = Gateway::start().await;
    let endpoint = format!("http://{}", gateway.addresses.grpc);
    let endpoint = tonic::transport::Endpoint::try_from(endpoint).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let request = HealthCheckRequest {
        service: "example.v1.Other".to_owned(),
    };
    let checked = health.check(request.clone()).await.unwrap_err();
    assert_eq!(checked.code(), tonic::Code::NotFound);

    let mut watch = health.watch(request).await.unwrap().into_inner();

    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);

    let stopped = gateway.begin_to_stop();

    let next = watch.message().await.unwrap();
    assert!(next.is_none(), "the server ends the watch");
    drop((watch, health));
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_client_that_disconnects_within_a_message_does_not_delay_the_drain() {
    use tokio::io::AsyncWriteExt;
    let gateway = Gateway::start().await;
    let mut half = tokio::net::TcpStream::connect(gateway.addresses.grpc)
        .await
        .unwrap();
    half.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x01")
        .await
        .unwrap();
    half.shutdown().await.unwrap();

    let mut client = gateway.client().await;
    client.add_image(add(png(1))).await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(20), gateway.stop()).await;
    assert!(
        stopped.is_ok(),
        "the half-open connection does not delay the drain"
    );
}

#[tokio::test]
async fn a_port_in_use_is_reported_with_the_option_to_change_it() {
    let gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let overrides = samegate::config::Overrides {
        data: Some(folder.path().join("data")),
        grpc: Some(gateway.addresses.grpc),
        ..Default::default()
    };
    let config =
        samegate::config::load(None, &std::collections::BTreeMap::new(), &overrides).unwrap();

    let rejected = samegate::app::App::bind(&config)
        .await
        .unwrap_err()
        .to_string();

    assert!(
        rejected.contains(&gateway.addresses.grpc.to_string()),
        "{rejected}"
    );
    assert!(rejected.contains("--grpc"), "{rejected}");
}
