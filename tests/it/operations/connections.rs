//! The life of connections: age, grace, and clients that never finish their handshake.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use samegate::proto::v1;
use samegate::proto::v1::add_images_response::Event;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

use super::{bulk, search, vendor_library};
use crate::support::gateway::Gateway;
use crate::support::images::png;
use crate::support::probe::{until, until_metric};
use crate::support::vendor::{Fault, Gate, Operation, Vendor};

/// Timeout of a client's first bytes.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

fn with_age(age: &str, vendor: &Vendor) -> String {
    format!(
        "[limits]\nmax_connection_age = \"1s\"\n{age}\n{}",
        vendor_library(vendor)
    )
}

/// Makes a client that counts its connections.
async fn counting(address: SocketAddr) -> (SameImageServiceClient<Channel>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let connections = count.clone();
    let connector = tower::service_fn(move |_| {
        connections.fetch_add(1, Ordering::SeqCst);
        async move { TcpStream::connect(address).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    (SameImageServiceClient::new(channel), count)
}

/// Opens a connection without calls, and returns how long it was open when the gateway closed it.
async fn time_open(gateway: &Gateway) -> Duration {
    let begin = Instant::now();
    let stream = TcpStream::connect(gateway.addresses.grpc).await.unwrap();
    let http2 = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (requests, connection) = http2
        .handshake::<_, axum::body::Body>(TokioIo::new(stream))
        .await
        .unwrap();
    connection.await.unwrap();
    assert!(requests.is_closed());
    begin.elapsed()
}

#[tokio::test]
async fn a_connection_gets_goaway_at_its_age_and_closes_cleanly() {
    let gateway = Gateway::with_config("[limits]\nmax_connection_age = \"1s\"").await;

    // The jitter shortens the age by up to a tenth.
    assert!(time_open(&gateway).await >= Duration::from_millis(900));
    until_metric(
        gateway.addresses.admin,
        "samegate_connections{listener=\"grpc\"}",
        0.0,
    )
    .await;
}

#[tokio::test]
async fn a_connection_without_calls_gets_goaway_and_closes_cleanly() {
    let gateway = Gateway::with_config("[limits]\nmax_connection_idle = \"1s\"").await;

    assert!(time_open(&gateway).await >= Duration::from_secs(1));
    let closed = "samegate_connections_closed_total{listener=\"grpc\",reason=\"idle\"}";
    until_metric(gateway.addresses.admin, closed, 1.0).await;
}

#[tokio::test]
async fn a_connection_with_a_call_is_never_idle() {
    let vendor = Vendor::start().await;
    let limit = "[limits]\nmax_connection_idle = \"1s\"\n";
    let gateway = Gateway::with_config(&format!("{limit}{}", vendor_library(&vendor))).await;
    let gate = Gate::closed();
    vendor.script(Operation::Search, Fault::Head(gate.clone()));
    let (mut client, connections) = counting(gateway.addresses.grpc).await;
    let call = tokio::spawn(async move { client.search_images(search(png(1))).await });
    vendor.until("the call is held", || gate.held() == 1).await;
    let _idle = gateway.client().await;
    let closed = "samegate_connections_closed_total{listener=\"grpc\",reason=\"idle\"}";
    until_metric(gateway.addresses.admin, closed, 1.0).await;

    gate.open();

    call.await.unwrap().unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_outlives_the_age_of_its_connection_while_calls_use_a_new_one() {
    let vendor = Vendor::start().await;
    let gateway = Gateway::with_config(&with_age("", &vendor)).await;
    let (mut client, connections) = counting(gateway.addresses.grpc).await;
    let gate = Gate::closed();
    vendor.script(Operation::Add, Fault::Head(gate.clone()));
    let (items, mut events) = bulk(&mut client).await;
    items.send(super::item("held", png(1))).await.unwrap();
    vendor.until("the item is held", || gate.held() == 1).await;

    let mut next = async || events.message().await.unwrap().unwrap().event.unwrap();
    assert!(matches!(next().await, Event::Drain(_)));
    until("calls go over another connection", async || {
        // A call that is sent on the old connection may fail.
        let _ = client.search_images(search(png(2))).await;
        connections.load(Ordering::SeqCst) >= 2
    })
    .await;
    client.search_images(search(png(2))).await.unwrap();
    gate.open();

    assert!(matches!(next().await, Event::Result(result) if super::is_ok(&result)));
    assert!(matches!(next().await, Event::Summary(counts) if counts.added == 1));
    assert!(events.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_call_that_runs_longer_than_the_grace_of_its_connection_is_aborted() {
    let vendor = Vendor::start().await;
    let gateway =
        Gateway::with_config(&with_age("max_connection_age_grace = \"0s\"", &vendor)).await;
    vendor.always(Operation::Search, Fault::Head(Gate::closed()));

    let cut = gateway.client().await.search_images(search(png(1))).await;

    assert!(cut.is_err(), "{cut:?}");
    vendor
        .until("the vendor's call is aborted", || vendor.aborted() == 1)
        .await;
}

/// Sends the first bytes of a connection, then nothing; returns the time until the server closes
/// it.
async fn time_until_close(address: SocketAddr, first: &[u8]) -> Duration {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(first).await.unwrap();
    let mut rest = Vec::new();
    // A reset closes the connection too.
    let _ = stream.read_to_end(&mut rest).await;
    begin.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stops_halfway_times_out_and_is_counted() {
    let files = tempfile::tempdir().unwrap();
    let served = crate::support::certificates::Authority::new("one").server();
    let at = |name: &str| files.path().join(name);
    std::fs::write(at("tls.crt"), &served.cert).unwrap();
    std::fs::write(at("tls.key"), &served.key).unwrap();
    let folder = files.path().display();
    let config =
        format!("[listen]\ntls = {{ cert = \"{folder}/tls.crt\", key = \"{folder}/tls.key\" }}");
    let gateway = Gateway::with_config(&config).await;

    // The head of a record (RFC 8446, 5.1) that announces 512 bytes.
    let took = time_until_close(gateway.addresses.grpc, &[22, 3, 1, 2, 0]).await;

    assert!(took >= HEAD_TIMEOUT, "{took:?}");
    tokio::time::resume();
    let failures = "samegate_tls_handshake_failures_total{listener=\"grpc\"}";
    until_metric(gateway.addresses.admin, failures, 1.0).await;
}

#[tokio::test]
async fn a_message_that_never_ends_delays_no_other_call() {
    let gateway = Gateway::start().await;
    let mut half = TcpStream::connect(gateway.addresses.rest).await.unwrap();
    half.write_all(
        b"POST /oauth/2.0/token HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\ngrant",
    )
    .await
    .unwrap();

    let request = v1::GetLibraryRequest::default();
    gateway.client().await.get_library(request).await.unwrap();
}
