//! Graceful shutdown: announced first, bounded in time, and no call is lost.

use std::net::SocketAddr;
use std::time::Duration;

use samegate::proto::v1::add_images_response::Event;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{bulk, get_library, item, search, vendor_library};
use crate::support::gateway::Gateway;
use crate::support::images::png;
use crate::support::probe::{get, metric, until};
use crate::support::process::Process;
use crate::support::vendor::{Fault, Gate, Operation, Vendor};

async fn health(grpc: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{grpc}")).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

fn of_service() -> HealthCheckRequest {
    HealthCheckRequest {
        service: "samegate.v1.SameImageService".to_owned(),
    }
}

#[tokio::test]
async fn a_lame_duck_fails_its_probes_and_still_accepts_calls() {
    let vendor = Vendor::start().await;
    let gateway = Gateway::with_config(&vendor_library(&vendor)).await;
    let (addresses, mut client) = (gateway.addresses, gateway.client().await);
    let ready = async || get(addresses.admin, "/readyz").await.0 == 200;
    until("the gateway is ready", ready).await;
    let mut watch = health(addresses.grpc)
        .await
        .watch(of_service())
        .await
        .unwrap()
        .into_inner();
    let mut next_status = async || watch.message().await.unwrap().unwrap().status();
    assert_eq!(next_status().await, ServingStatus::Serving);

    let stopping = gateway.begin_to_stop_after(Duration::from_hours(1));

    assert_eq!(next_status().await, ServingStatus::NotServing);
    let ready = get(addresses.admin, "/readyz").await;
    assert_eq!(ready, (503, "draining\n".to_owned()));
    assert_eq!(get(addresses.admin, "/livez").await.0, 200);
    assert_eq!(metric(addresses.admin, "samegate_ready").await, Some(0.0));
    let check = health(addresses.grpc).await.check(of_service()).await;
    assert_eq!(
        check.unwrap().into_inner().status(),
        ServingStatus::NotServing
    );
    // On the existing connection, and on a new one.
    client.search_images(search(png(1))).await.unwrap();
    let anew = SameImageServiceClient::connect(format!("http://{}", addresses.grpc));
    let response = anew.await.unwrap().search_images(search(png(1))).await;
    response.unwrap();
    stopping.abort();
}

#[tokio::test]
async fn running_calls_finish_and_no_new_ones_are_accepted() {
    let vendor = Vendor::start().await;
    let gateway = Gateway::with_config(&vendor_library(&vendor)).await;
    let addresses = gateway.addresses;
    let gate = Gate::closed();
    for operation in [Operation::Add, Operation::Search] {
        vendor.always(operation, Fault::Head(gate.clone()));
    }
    let mut client = gateway.client().await;
    let mut caller = gateway.client().await;
    let call = tokio::spawn(async move { caller.search_images(search(png(1))).await });
    let (items, mut events) = bulk(&mut client).await;
    items.send(item("held", png(2))).await.unwrap();
    vendor.until("both are held", || gate.held() == 2).await;

    let stopped = gateway.begin_to_stop();

    let mut next = async || events.message().await.unwrap().unwrap().event.unwrap();
    assert!(matches!(next().await, Event::Drain(_)));
    until("no connection is accepted", async || {
        tokio::net::TcpStream::connect(addresses.grpc)
            .await
            .is_err()
    })
    .await;
    // The admin port serves probes to the very end.
    assert_eq!(get(addresses.admin, "/livez").await.0, 200);
    assert!(!stopped.is_finished());
    gate.open();

    call.await.unwrap().unwrap();
    assert!(matches!(next().await, Event::Result(result) if super::is_ok(&result)));
    assert!(matches!(next().await, Event::Summary(counts) if counts.added == 1));
    assert!(events.message().await.unwrap().is_none());
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_call_that_runs_longer_than_the_drain_is_aborted_and_the_gateway_ends() {
    let vendor = Vendor::start().await;
    let config = format!(
        "[limits]\ndrain_timeout = \"0s\"\n{}",
        vendor_library(&vendor)
    );
    let gateway = Gateway::with_config(&config).await;
    let gate = Gate::closed();
    vendor.always(Operation::Search, Fault::Head(gate.clone()));
    let mut client = gateway.client().await;
    let call = tokio::spawn(async move { client.search_images(search(png(1))).await });
    vendor.until("the call is held", || gate.held() == 1).await;

    gateway.begin_to_stop().await.unwrap();

    assert!(call.await.unwrap().is_err());
    vendor
        .until("the vendor's call is aborted", || vendor.aborted() == 1)
        .await;
}

#[tokio::test]
async fn a_signal_ends_the_process_gracefully_and_with_success() {
    let process = Process::start("[limits]\nlame_duck = \"0s\"")
        .await
        .ready()
        .await;
    get_library(process.client().await).await.unwrap();

    let ended = process.end().await;

    assert!(ended.status.success(), "{}", ended.err);
    assert!(
        ended.err.contains("graceful shutdown started"),
        "{}",
        ended.err
    );
}
