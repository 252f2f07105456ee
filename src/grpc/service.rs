//! The methods of the service: convert the message, call the library, convert the response.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::bulk::{self, BodyReport, BulkLoad, ItemAdmission};
use super::convert;
use super::duplicates::{self, EventStream};
use crate::call::{Call, Connection};
use crate::domain::{ContSign, ImageLimits};
use crate::error::{Error, Kind, Result};
use crate::library::{Libraries, Library};
use crate::proto::v1;
use crate::proto::v1::same_image_service_server::SameImageService;
use crate::quota::Quotas;

/// The implementation of `SameImageService` over the libraries of the gateway.
#[derive(Clone, Debug)]
pub struct Service {
    libraries: Libraries,
    quotas: Quotas,
    bulk_idle_timeout: Duration,
    max_image_bytes: usize,
}

type RpcResult<T> = std::result::Result<Response<T>, Status>;

// === impl Service ===

impl Service {
    /// Serves `libraries`. The items of bulk loads are limited by `quotas`, and a load on which
    /// nothing happens for `bulk_idle_timeout` is ended. Embedded libraries take images of up to
    /// `max_image_bytes`.
    pub fn new(
        libraries: Libraries,
        quotas: Quotas,
        bulk_idle_timeout: Duration,
        max_image_bytes: usize,
    ) -> Self {
        Service {
            libraries,
            quotas,
            bulk_idle_timeout,
            max_image_bytes,
        }
    }

    /// Finds the library that a call names, among those of its tenant.
    fn library(&self, call: &Call, name: &str) -> Result<Arc<dyn Library>> {
        let (_, library) = self.libraries.resolve(&call.tenant, name)?;
        Ok(Arc::clone(library))
    }

    /// Returns the limits of images in a library at this API.
    fn limits(&self, library: &dyn Library) -> ImageLimits {
        library.image_limits(self.max_image_bytes)
    }
}

#[tonic::async_trait]
impl SameImageService for Service {
    async fn add_image(
        &self,
        request: Request<v1::AddImageRequest>,
    ) -> RpcResult<v1::AddImageResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let on_duplicate = message.on_duplicate();
        let request = convert::add(message, self.limits(&*library))?;
        let added = library.add(&call, request).await?;
        let added = convert::apply_on_duplicate(added, on_duplicate)?;
        respond(&call, convert::added(&added))
    }

    type AddImagesStream = bulk::ResponseStream;

    async fn add_images(
        &self,
        request: Request<Streaming<v1::AddImagesRequest>>,
    ) -> RpcResult<Self::AddImagesStream> {
        let closing = closing(&request);
        let body = request.extensions().get::<BodyReport>().cloned();
        let (call, mut messages) = into_call(request)?;
        let options = bulk::read_options(&mut messages).await?;
        let library = self.library(&call, &options.library)?;
        let limiter = self.quotas.limiter(&call.tenant.name);
        call.permit.become_load()?;
        let admission = ItemAdmission::new(limiter, call.timeout, closing);
        let idle_timeout = self.bulk_idle_timeout;
        let messages = (messages, body.unwrap_or_default());
        let limits = self.limits(&*library);
        let library = (library, limits);
        let load = BulkLoad::new(call, library, &options, messages, admission, idle_timeout)?;
        Ok(Response::new(load.start()))
    }

    async fn search_images(
        &self,
        request: Request<v1::SearchImagesRequest>,
    ) -> RpcResult<v1::SearchImagesResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let query = convert::search(message, self.limits(&*library))?;
        let results = library.search(&call, query).await?;
        respond(&call, convert::search_results(results))
    }

    async fn update_image(
        &self,
        request: Request<v1::UpdateImageRequest>,
    ) -> RpcResult<v1::UpdateImageResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let request = convert::update(message, self.limits(&*library))?;
        let updated = library.update(&call, request).await?;
        let log_id = updated.log_id;
        respond(&call, v1::UpdateImageResponse { log_id })
    }

    async fn delete_images(
        &self,
        request: Request<v1::DeleteImagesRequest>,
    ) -> RpcResult<v1::DeleteImagesResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let request = convert::delete(message, self.limits(&*library))?;
        let target = request.target.clone();
        let deleted = library.delete(&call, request).await?;
        respond(&call, convert::deleted(&target, deleted)?)
    }

    async fn get_library(
        &self,
        request: Request<v1::GetLibraryRequest>,
    ) -> RpcResult<v1::GetLibraryResponse> {
        let (call, message) = into_call(request)?;
        let (name, library) = self.libraries.resolve(&call.tenant, &message.library)?;
        let stats = library.stats(&call).await?;
        let limits = self.limits(&**library);
        respond(&call, convert::library_stats(name, stats, limits))
    }

    async fn list_images(
        &self,
        request: Request<v1::ListImagesRequest>,
    ) -> RpcResult<v1::ListImagesResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let listing = library.list(&call, convert::list(message)?).await?;
        respond(&call, convert::listing(listing))
    }

    async fn get_image(
        &self,
        request: Request<v1::GetImageRequest>,
    ) -> RpcResult<v1::GetImageResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let sign = ContSign::new(&message.cont_sign).map_err(Error::from)?;
        let record = library.get(&call, sign).await?;
        let image = Some(convert::record(record));
        respond(&call, v1::GetImageResponse { image })
    }

    type FindDuplicatesStream = EventStream;

    async fn find_duplicates(
        &self,
        request: Request<v1::FindDuplicatesRequest>,
    ) -> RpcResult<Self::FindDuplicatesStream> {
        let closing = closing(&request);
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let request = convert::find_duplicates(message)?;
        let events = library.find_duplicates(&call, request).await?;
        Ok(Response::new(duplicates::responses(events, closing)))
    }
}

/// Returns what tells a stream to end itself, before the server closes its connection.
fn closing<T>(request: &Request<T>) -> CancellationToken {
    let connection = request.extensions().get::<Connection>();
    connection.map_or_else(CancellationToken::new, |connection| {
        connection.closing.0.clone()
    })
}

/// Responds to a call, which is charged for the response from now on: it is kept until the client
/// has read it.
fn respond<T: Message>(call: &Call, message: T) -> RpcResult<T> {
    call.permit.respond(message.encoded_len());
    Ok(Response::new(message))
}

/// Splits a request into the context that the middleware made, and the message.
fn into_call<T>(request: Request<T>) -> Result<(Call, T)> {
    let (_, mut extensions, message) = request.into_parts();
    // A missing context means that the middleware did not run and nothing was authenticated.
    let call = extensions
        .remove::<Call>()
        .ok_or_else(|| Error::new(Kind::Internal, "the call has no context"))?;
    Ok((call, message))
}
