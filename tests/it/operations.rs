//! Operation of a gateway: certificates, connections, graceful shutdown, probes, telemetry, reload.
//! What only a whole process has is tested on the real binary.

mod access_log;
mod admin;
mod connections;
mod console;
mod drain;
mod grpc_web;
mod memory;
mod reload;
mod rest_keys;
mod secrets;
mod storage;
mod terminal;
mod tls;
mod traces;
mod web_origins;

use bytes::Bytes;
use samegate::proto::v1;
use samegate::proto::v1::add_images_request::Payload;
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::support::vendor::{API_KEY, SECRET_KEY, Vendor};

/// Reads the size of the library: the cheapest call.
async fn get_library(mut client: SameImageServiceClient<Channel>) -> Result<(), Status> {
    let request = v1::GetLibraryRequest::default();
    client.get_library(request).await.map(drop)
}

/// Returns the configuration of a library at the vendor, and of a tenant that uses it.
fn vendor_library(vendor: &Vendor) -> String {
    format!(
        "[libraries.cloud]\nbackend = \"rest\"\nbase_url = \"{}\"\nqps = 1000\n\
         credentials = [{{ api_key = \"{API_KEY}\", secret_key = \"{SECRET_KEY}\" }}]\n\
         [tenants.local]\nlibraries = [\"cloud\"]\n",
        vendor.url()
    )
}

fn search(image: Bytes) -> v1::SearchImagesRequest {
    v1::SearchImagesRequest {
        source: Some(v1::search_images_request::Source::Content(image)),
        ..Default::default()
    }
}

type Items = mpsc::Sender<v1::AddImagesRequest>;
type Requests = ReceiverStream<v1::AddImagesRequest>;

/// Starts a bulk load whose items are sent one by one.
async fn bulk(
    client: &mut SameImageServiceClient<Channel>,
) -> (Items, Streaming<v1::AddImagesResponse>) {
    bulk_within(client, Request::new).await
}

/// Starts a bulk load with a request of its own, for its headers.
async fn bulk_within(
    client: &mut SameImageServiceClient<Channel>,
    request: impl FnOnce(Requests) -> Request<Requests>,
) -> (Items, Streaming<v1::AddImagesResponse>) {
    let (items, requests) = mpsc::channel(4);
    let options = Payload::Options(v1::AddImagesOptions::default());
    items.send(message(options)).await.unwrap();
    let requests = request(ReceiverStream::new(requests));
    let events = client.add_images(requests).await;
    (items, events.unwrap().into_inner())
}

fn item(key: &str, image: Bytes) -> v1::AddImagesRequest {
    message(Payload::Item(v1::AddImagesItem {
        key: key.to_owned(),
        source: Some(v1::add_images_item::Source::Content(image)),
        brief: key.to_owned(),
        ..Default::default()
    }))
}

fn message(payload: Payload) -> v1::AddImagesRequest {
    v1::AddImagesRequest {
        payload: Some(payload),
    }
}

fn is_ok(result: &v1::AddImagesResult) -> bool {
    result
        .status
        .as_ref()
        .is_some_and(|status| status.code == 0)
}
