//! The gRPC API: reads messages, calls the library, writes messages.
//!
//! No rule about requests is here: [`convert`] passes every field to `domain`, and [`status`]
//! writes every error as a gRPC status. Authentication, deadlines and logs are middleware around
//! this API. Calls of the Connect protocol, also in JSON, are translated to gRPC around them
//! ([`ConnectLayer`]) and in front of the service ([`Messages`]).

#[cfg(fuzzing)]
pub mod fuzzing;

mod bare;
mod bulk;
mod connect;
mod contract;
mod convert;
mod duplicates;
mod health;
mod inflate;
mod json;
mod openapi;
mod prefix;
mod service;
mod state;
mod status;
mod translated;

use std::sync::Arc;

use bytes::Bytes;
use tonic::Status;
use tonic::body::Body;
use tonic::service::{LayerExt, Layered};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthReporter;
use tower::util::{MapResponse, MapResponseLayer};

use self::bare::BareMessages;
use self::bulk::DropOversizedItems;
use self::health::HealthChecks;
use self::inflate::Inflate;
use self::json::Json;
use crate::proto::DESCRIPTORS;
use crate::proto::v1::same_image_service_server::{SERVICE_NAME, SameImageServiceServer};

pub use self::connect::ConnectLayer;
pub use self::contract::Contract;
pub use self::service::Service;
pub use self::state::StateSources;
pub use self::status::reject;

/// Maximum of a message to the services for health checks and reflection, which contain names.
const MAX_NAMES_BYTES: usize = 16 * 1024;

/// Full name of the service, which health checks use.
pub const NAME: &str = SERVICE_NAME;

/// The service as a tower service, before our middleware.
pub type Server =
    Layered<MapResponse<Messages<PlainServer>, fn(Response) -> Response>, Messages<PlainServer>>;

/// A service for messages of every form: bare, compressed, in JSON.
type Messages<S> = BareMessages<Inflate<Json<S>>>;

/// The service for plain messages in protobuf.
type PlainServer = DropOversizedItems<SameImageServiceServer<Service>>;

type Response = http::Response<Body>;

/// Makes the tower service; it rejects a message over `max_message_bytes` with
/// `RESOURCE_EXHAUSTED`, and of a bulk load that item alone.
pub fn server(service: Service, max_message_bytes: usize, contract: &Arc<Contract>) -> Server {
    let service = SameImageServiceServer::new(service).max_decoding_message_size(max_message_bytes);
    let service = DropOversizedItems::new(service, max_message_bytes);
    let service = messages(service, max_message_bytes, contract);
    MapResponseLayer::new(reject_unreadable as fn(Response) -> Response).named_layer(service)
}

/// Replaces tonic's errors about messages that it cannot read by ours.
fn reject_unreadable(response: Response) -> Response {
    let status = Status::from_header_map(response.headers());
    let error = status.as_ref().and_then(status::unreadable);
    error.map_or(response, |error| reject(&error))
}

/// Writes the OpenAPI document of the unary methods in JSON.
pub fn openapi(contract: &Contract) -> Bytes {
    openapi::document(contract).to_string().into()
}

/// Makes a service for plain messages in protobuf one for messages of every form.
fn messages<S>(service: S, max_bytes: usize, contract: &Arc<Contract>) -> Messages<S> {
    let service = Json::new(service, contract.clone(), max_bytes);
    let service = Inflate::new(service, max_bytes);
    BareMessages::new(service, contract.clone(), max_bytes)
}

/// Routes to the service with its middleware, to health checks and to reflection.
///
/// # Errors
///
/// When the compiled-in descriptor set cannot be decoded, which is a bug of the build.
pub fn routes<S, B>(
    service: S,
    health: HealthReporter,
    contract: &Arc<Contract>,
) -> Result<tonic::service::Routes, tonic_reflection::server::Error>
where
    S: tower::Service<
            http::Request<Body>,
            Response = http::Response<B>,
            Error = std::convert::Infallible,
        > + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // Tools need the types of error details to show them.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let health =
        HealthServer::new(HealthChecks::new(health)).max_decoding_message_size(MAX_NAMES_BYTES);
    let [alpha, current] = [reflection(), reflection()];
    let alpha = alpha
        .build_v1alpha()?
        .max_decoding_message_size(MAX_NAMES_BYTES);
    let current = current
        .build_v1()?
        .max_decoding_message_size(MAX_NAMES_BYTES);
    let mut routes = tonic::service::Routes::builder();
    routes
        .add_service(service)
        .add_service(messages(health, MAX_NAMES_BYTES, contract))
        // Older tools (grpcurl before 1.9) support the alpha protocol only.
        .add_service(messages(alpha, MAX_NAMES_BYTES, contract))
        .add_service(messages(current, MAX_NAMES_BYTES, contract));
    Ok(routes.routes().prepare())
}
