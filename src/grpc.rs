//! The gRPC API: messages in, checked requests through, messages out.
//!
//! No rule about requests lives here; [`convert`] hands everything to
//! `domain`, and [`status`] gives every error its gRPC face. Authentication,
//! deadlines and logging are layers around this door, not part of it.

mod bulk;
mod convert;
mod service;
mod status;

use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::body::Body;
use tonic::service::LayerExt;
use tonic::service::Layered;
use tonic::{Code, Status};
use tonic_health::server::HealthReporter;
use tower::util::{MapResponse, MapResponseLayer};

pub use service::Service;
pub use status::reject;

use crate::error::{Error, Kind};
use crate::proto::DESCRIPTORS;
use crate::proto::v1::same_image_service_server::{SERVICE_NAME, SameImageServiceServer};

/// Name under which health checks ask for the service.
pub const NAME: &str = SERVICE_NAME;

/// The service on the wire, before any layer of ours.
pub type Server = Layered<
    MapResponse<SameImageServiceServer<Service>, fn(Response) -> Response>,
    SameImageServiceServer<Service>,
>;

type Response = http::Response<Body>;

/// Puts the service on the wire; a message over `max_message_bytes` answers
/// `RESOURCE_EXHAUSTED`.
pub fn server(service: Service, max_message_bytes: usize) -> Server {
    let service = SameImageServiceServer::new(service).max_decoding_message_size(max_message_bytes);
    MapResponseLayer::new(too_large as fn(Response) -> Response).named_layer(service)
}

/// Corrects tonic's response to a message over the limit, `OUT_OF_RANGE`, which
/// this API gives to nothing else.
fn too_large(response: Response) -> Response {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() == Code::OutOfRange => {
            reject(&Error::new(Kind::MessageTooLarge, status.message()))
        }
        Some(_) | None => response,
    }
}

/// Every method of the gRPC API, as `package.Service/Method`.
///
/// # Errors
///
/// When a compiled-in descriptor set cannot be read: a violation of the build.
pub fn methods() -> Result<Vec<String>, prost::DecodeError> {
    let sets = [
        DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut methods = Vec::new();
    for set in sets {
        for file in FileDescriptorSet::decode(set)?.file {
            for service in &file.service {
                let (package, name) = (file.package(), service.name());
                let all = service.method.iter();
                methods.extend(all.map(|method| format!("{package}.{name}/{}", method.name())));
            }
        }
    }
    Ok(methods)
}

/// Puts the (layered) service beside health checks and reflection.
///
/// # Errors
///
/// When the compiled-in descriptor set cannot be read: a violation of the build.
pub fn routes<S>(
    service: S,
    health: HealthReporter,
) -> Result<tonic::service::Routes, tonic_reflection::server::Error>
where
    S: tower::Service<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error = std::convert::Infallible,
        > + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let health = tonic_health::pb::health_server::HealthServer::new(
        tonic_health::server::HealthService::from_health_reporter(health),
    );
    let mut routes = tonic::service::Routes::builder();
    routes.add_service(service).add_service(health);
    // Older tools (grpcurl before 1.9) know the alpha protocol only.
    routes
        .add_service(reflection().build_v1alpha()?)
        .add_service(reflection().build_v1()?);
    Ok(routes.routes().prepare())
}
