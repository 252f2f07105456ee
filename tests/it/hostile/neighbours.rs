//! Callers that try to take what belongs to all: each gets its share and no more.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use samegate::proto::v1;
use samegate::proto::v1::add_images_request::Payload;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::assert_serves;
use crate::support::gateway::Gateway;
use crate::support::http2::{END_HEADERS, HEADERS, Http2, field, frame, head};
use crate::support::images::png;
use crate::support::probe::{metric, until};

const ADMITTED: &str = "samegate_admission_requests";
const ADMITTED_BYTES: &str = "samegate_admission_bytes";

/// Starts a gateway with the tenants `a` and `b`, whose libraries fetch from this machine.
async fn gateway(limits: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let part = |tenant: &str| {
        let hash: String = Sha256::digest(tenant)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let data = folder.path().join(tenant);
        format!(
            "[libraries.{tenant}]\nbackend = \"embedded\"\ndata_dir = {data:?}\n\
             allow_private_addresses = true\n\
             [tenants.{tenant}]\nlibraries = [\"{tenant}\"]\napi_keys = [\"sha256:{hash}\"]\n"
        )
    };
    let config = format!("[limits]\n{limits}\n{}{}", part("a"), part("b"));
    Gateway::in_folder(folder, &config).await
}

fn by<T>(tenant: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let key = format!("Bearer {tenant}").parse().unwrap();
    request.metadata_mut().insert("authorization", key);
    request
}

fn assert_overloaded(status: &Status) {
    let details = status.get_error_details();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
    assert!(details.retry_info().is_some());
}

/// Starts a host that responds with `head` and `body`, and no more.
async fn host(head: String, body: Bytes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let (head, body) = (head.clone(), body.clone());
            open.push(tokio::spawn(async move {
                let mut request = [0; 1024];
                // The second time, until the gateway closes the connection.
                while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(&body).await;
                }
            }));
        }
    });
    address
}

async fn search(gateway: &Gateway, tenant: &str, host: SocketAddr) -> Result<(), Status> {
    let request = v1::SearchImagesRequest {
        source: Some(v1::search_images_request::Source::Url(format!(
            "http://{host}/a.png"
        ))),
        ..Default::default()
    };
    let mut client = gateway.client().await;
    client.search_images(by(tenant, request)).await.map(drop)
}

async fn until_admitted(gateway: &Gateway, requests: f64) {
    let admin = gateway.addresses.admin;
    until("requests are admitted", async || {
        metric(admin, ADMITTED).await == Some(requests)
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_announced_and_never_sent_cost_the_others_nothing() {
    let gateway = Gateway::start().await;
    let mut client = Http2::connect(gateway.addresses.grpc, &[]).await;
    let mut head = head("AddImage");
    head.extend(field("content-length", "8388608"));

    // Together, 32 of them announce all bytes that may be in flight.
    for number in 0..64 {
        let call = frame(HEADERS, END_HEADERS, 2 * number + 1, &head);
        assert!(client.send(&call).await);
    }
    until_admitted(&gateway, 64.0).await;

    let request = v1::AddImageRequest {
        source: Some(v1::add_image_request::Source::Content(png(1))),
        ..Default::default()
    };
    gateway.client().await.add_image(request).await.unwrap();
    assert_eq!(
        metric(gateway.addresses.admin, ADMITTED_BYTES).await,
        Some(0.0)
    );
}

#[tokio::test]
async fn a_tenant_that_holds_all_it_can_leaves_half_to_the_other() {
    let gateway = gateway("max_requests_in_flight = 8").await;
    let silent = host(String::new(), Bytes::new()).await;
    let mut held: FuturesUnordered<_> = (0..20).map(|_| search(&gateway, "a", silent)).collect();

    for _ in 0..16 {
        assert_overloaded(&held.next().await.unwrap().unwrap_err());
    }
    let request = v1::GetLibraryRequest::default();
    let response = gateway.client().await.get_library(by("b", request)).await;

    assert_eq!(response.unwrap().into_inner().library, "b");
    until_admitted(&gateway, 4.0).await;
}

#[tokio::test]
async fn a_tenant_whose_loads_are_idle_leaves_loads_to_the_other() {
    let gateway = gateway("max_requests_in_flight = 32").await;
    let mut open = Vec::new();

    let rejected = loop {
        match load(&gateway, "a").await {
            Ok(stream) => open.push(stream),
            Err(status) => break status,
        }
    };

    assert_overloaded(&rejected);
    assert_eq!(open.len(), 6, "half of three eighths");
    let (items, mut events) = load(&gateway, "b").await.unwrap();
    drop(items);
    assert!(events.message().await.unwrap().is_some(), "its summary");
}

type Load = (
    mpsc::Sender<v1::AddImagesRequest>,
    tonic::Streaming<v1::AddImagesResponse>,
);

/// Opens a bulk load.
async fn load(gateway: &Gateway, tenant: &str) -> Result<Load, Status> {
    let (items, messages) = mpsc::channel(1);
    let payload = Some(Payload::Options(v1::AddImagesOptions::default()));
    items.send(v1::AddImagesRequest { payload }).await.unwrap();
    let request = by(tenant, ReceiverStream::new(messages));
    let response = gateway.client().await.add_images(request).await?;
    Ok((items, response.into_inner()))
}

#[tokio::test]
async fn fetched_images_are_in_the_budget() {
    let gateway = gateway("max_bytes_in_flight = \"16MiB\"\nmax_tenant_percent = 100").await;
    let mut image = png(1).to_vec();
    image.resize(3_000_000, 0);
    // The last byte is missing.
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 3000001\r\n\r\n".to_owned();
    let host = host(head, image.into()).await;
    let mut calls: FuturesUnordered<_> = (0..20).map(|_| search(&gateway, "a", host)).collect();

    // Five images fit.
    for _ in 0..15 {
        assert_overloaded(&calls.next().await.unwrap().unwrap_err());
    }

    let admin = gateway.addresses.admin;
    until("five images are held", async || {
        metric(admin, ADMITTED_BYTES).await >= Some(15_000_000.0)
    })
    .await;
    drop(calls);
    until_admitted(&gateway, 0.0).await;
    assert_eq!(metric(admin, ADMITTED_BYTES).await, Some(0.0));
}

#[tokio::test]
async fn a_load_that_receives_an_item_is_charged_for_it() {
    let gateway = Gateway::start().await;
    let mut client = Http2::connect(gateway.addresses.grpc, &[]).await;
    client
        .send(&frame(HEADERS, END_HEADERS, 1, &head("AddImages")))
        .await;
    // Options without a field; then an item of 1 MB, of which as much arrives as fits into the
    // first window.
    let options = [0, 0, 0, 0, 2, 0x0a, 0];
    let mut item = vec![0, 0, 0x0f, 0x42, 0x40];
    item.resize(60_000, 0);
    client.send(&frame(0, 0, 1, &options)).await;
    for part in item.chunks(16_000) {
        client.send(&frame(0, 0, 1, part)).await;
    }

    let admin = gateway.addresses.admin;
    until("a part of an item is charged", async || {
        metric(admin, ADMITTED_BYTES).await >= Some(60_000.0)
    })
    .await;
    drop(client);
    until_admitted(&gateway, 0.0).await;
    assert_eq!(metric(admin, ADMITTED_BYTES).await, Some(0.0));
    assert_serves(&gateway).await;
}
