//! Disks that fail or fill up: what callers, probes and metrics show, on the real binary.

use std::fs;

use bytes::Bytes;
use samegate::proto::v1;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::support::images::png;
use crate::support::probe::{get, metric, until};
use crate::support::process::Process;

fn add(file: Bytes) -> v1::AddImageRequest {
    v1::AddImageRequest {
        source: Some(v1::add_image_request::Source::Content(file)),
        ..Default::default()
    }
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info();
    info.map(|info| info.reason.clone()).unwrap_or_default()
}

async fn health(gateway: &Process) -> ServingStatus {
    let endpoint = Endpoint::from_shared(format!("http://{}", gateway.grpc)).unwrap();
    let mut client = HealthClient::new(endpoint.connect().await.unwrap());
    let request = HealthCheckRequest {
        service: "samegate.v1.SameImageService".to_owned(),
    };
    let response = client.check(request).await.unwrap();
    response.into_inner().status()
}

#[tokio::test]
async fn a_gateway_is_not_ready_while_its_library_file_cannot_be_opened() {
    let gateway = Process::start("").await.ready().await;
    let mut client = gateway.client().await;
    let added = client.add_image(add(png(1))).await.unwrap().into_inner();
    let get_image = v1::GetImageRequest {
        cont_sign: added.cont_sign,
        ..Default::default()
    };
    let library = gateway.path("samegate-data/library.redb");
    let elsewhere = gateway.path("elsewhere");

    // The failed write makes the engine reopen the file, which is gone.
    fs::rename(&library, &elsewhere).unwrap();
    gateway.reject_writes(true).await;
    let full = client.add_image(add(png(2))).await.unwrap_err();
    let failed = client.get_image(get_image.clone()).await.unwrap_err();

    assert_eq!(reason(&full), "DISK_FULL");
    assert_eq!(reason(&failed), "STORAGE_FAILED");
    let failing = async || get(gateway.admin, "/readyz").await == (503, "storage failing\n".into());
    until("the gateway is not ready", failing).await;
    assert_eq!(health(&gateway).await, ServingStatus::NotServing);
    assert_eq!(get(gateway.admin, "/livez").await.0, 200);
    let name = "samegate_library_storage_failing{library=\"default\"}";
    assert_eq!(metric(gateway.admin, name).await, Some(1.0));
    assert_eq!(metric(gateway.admin, "samegate_ready").await, Some(0.0));
    let name = "samegate_library_storage_failures_total{library=\"default\"}";
    assert!(metric(gateway.admin, name).await.unwrap() >= 1.0);

    gateway.reject_writes(false).await;
    fs::rename(&elsewhere, &library).unwrap();

    let gateway = gateway.ready().await;
    assert_eq!(health(&gateway).await, ServingStatus::Serving);
    client.get_image(get_image).await.unwrap();
    client.add_image(add(png(2))).await.unwrap();
}

#[tokio::test]
async fn adds_stop_below_the_disk_reserve_and_deletes_and_updates_go_on() {
    let config = |reserve: &str| {
        format!(
            "[libraries.default]\nbackend = \"embedded\"\ndata_dir = \"./samegate-data\"\n\
             min_free_disk = \"{reserve}\"\n"
        )
    };
    let mut gateway = Process::start(&config("0")).await.ready().await;
    let mut client = gateway.client().await;
    let added = client.add_image(add(png(1))).await.unwrap().into_inner();
    gateway.kill().await;
    gateway.configure(&config("1000000GiB"));
    gateway.restart().await;
    let gateway = gateway.ready().await;
    let mut client = gateway.client().await;

    let rejected = client.add_image(add(png(2))).await.unwrap_err();
    let duplicate = client.add_image(add(png(1))).await.unwrap_err();
    let update = v1::UpdateImageRequest {
        target: Some(v1::update_image_request::Target::ContSign(added.cont_sign)),
        brief: Some("updated".to_owned()),
        ..Default::default()
    };
    client.update_image(update).await.unwrap();
    let delete = v1::DeleteImagesRequest {
        target: Some(v1::delete_images_request::Target::Content(png(1))),
        ..Default::default()
    };
    let deleted = client.delete_images(delete).await.unwrap().into_inner();

    assert_eq!(rejected.code(), Code::ResourceExhausted);
    assert_eq!(reason(&rejected), "DISK_FULL");
    let details = rejected.get_error_details();
    let wait = details.retry_info().unwrap().retry_delay;
    assert_eq!(wait.map(|wait| wait.as_secs()), Some(30));
    assert_eq!(reason(&duplicate), "IMAGE_ALREADY_EXISTS");
    assert_eq!(deleted.results[0].status.as_ref().unwrap().code, 0);
    let free = "samegate_library_free_disk_bytes{library=\"default\"}";
    assert!(metric(gateway.admin, free).await.unwrap() > 0.0);
}
