//! The methods of the service: convert the message, call the library, convert the response.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::bulk::{self, AddImages, BodyReport, BulkLoad, BulkMethod, ItemAdmission, SearchImages};
use super::convert::{self, AddSettings, Deletion};
use super::duplicates::{self, EventStream};
use super::state::StateSources;
use super::status;
use crate::call::{Call, Connection};
use crate::domain::{ContSign, Get, ImageLimits};
use crate::error::{Error, Kind, Result};
use crate::library::{Libraries, Library, check_change};
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
    state: StateSources,
}

type RpcResult<T> = std::result::Result<Response<T>, Status>;

// === impl Service ===

impl Service {
    /// Serves `libraries`. The items of bulk loads are limited by `quotas`, and a load on which
    /// nothing happens for `bulk_idle_timeout` is ended. Embedded libraries take images of up to
    /// `max_image_bytes`. `state` is what else a tenant may see.
    pub fn new(
        libraries: Libraries,
        quotas: Quotas,
        bulk_idle_timeout: Duration,
        max_image_bytes: usize,
        state: StateSources,
    ) -> Self {
        Service {
            libraries,
            quotas,
            bulk_idle_timeout,
            max_image_bytes,
            state,
        }
    }

    /// Finds the library that a call names, among those of its tenant.
    fn library(&self, call: &Call, name: &str) -> Result<Arc<dyn Library>> {
        let (_, library) = self.libraries.resolve(&call.tenant, name)?;
        Ok(Arc::clone(library))
    }

    /// Finds the library that a call names, to change its images.
    fn library_to_change(&self, call: &Call, name: &str) -> Result<Arc<dyn Library>> {
        let library = self.library(call, name)?;
        check_change(&call.tenant)?;
        Ok(library)
    }

    /// Starts a stream of a bulk method, whose options are checked.
    fn start<M: BulkMethod>(
        &self,
        stream: BulkStream<M::Request>,
        library: Arc<dyn Library>,
        method: (M, u32),
    ) -> RpcResult<bulk::ResponseStream<M::Response>> {
        let BulkStream {
            call,
            closing,
            body,
            messages,
        } = stream;
        let limiter = self.quotas.limiter(&call.tenant.name);
        call.permit.become_load()?;
        let admission = ItemAdmission::new(limiter, call.timeout, closing);
        let limits = self.limits(&*library);
        let (library, messages) = ((library, limits), (messages, body));
        let idle_timeout = self.bulk_idle_timeout;
        let load = BulkLoad::new(call, library, method, messages, admission, idle_timeout)?;
        Ok(Response::new(load.start()))
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
        let library = self.library_to_change(&call, &message.library)?;
        let on_duplicate = message.on_duplicate();
        let request = convert::add(message, &*library, self.limits(&*library))?;
        let added = library.add(&call, request).await?;
        let added = convert::apply_on_duplicate(added, on_duplicate)?;
        if let Some(error) = added.rejection() {
            return Err(status::with_matches(
                &error,
                convert::matches(added.matches),
            ));
        }
        respond(&call, convert::added(added))
    }

    type AddImagesStream = bulk::ResponseStream<v1::AddImagesResponse>;

    async fn add_images(
        &self,
        request: Request<Streaming<v1::AddImagesRequest>>,
    ) -> RpcResult<Self::AddImagesStream> {
        let mut stream = BulkStream::new(request)?;
        let options = bulk::read_options(&mut stream.messages, AddImages::options).await?;
        let library = self.library_to_change(&stream.call, &options.library)?;
        let settings = AddSettings::new(&options, &*library)?;
        self.start(
            stream,
            library,
            (AddImages(settings), options.max_in_flight),
        )
    }

    type BulkSearchImagesStream = bulk::ResponseStream<v1::BulkSearchImagesResponse>;

    async fn bulk_search_images(
        &self,
        request: Request<Streaming<v1::BulkSearchImagesRequest>>,
    ) -> RpcResult<Self::BulkSearchImagesStream> {
        let mut stream = BulkStream::new(request)?;
        let options = bulk::read_options(&mut stream.messages, SearchImages::options).await?;
        let library = self.library(&stream.call, &options.library)?;
        let search = convert::search_options(&options, &*library)?;
        self.start(
            stream,
            library,
            (SearchImages(search), options.max_in_flight),
        )
    }

    async fn compare_images(
        &self,
        request: Request<v1::CompareImagesRequest>,
    ) -> RpcResult<v1::CompareImagesResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let request = convert::compare(message, self.limits(&*library))?;
        let compared = library.compare(&call, request).await?;
        respond(&call, convert::comparison(&compared))
    }

    async fn search_images(
        &self,
        request: Request<v1::SearchImagesRequest>,
    ) -> RpcResult<v1::SearchImagesResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let query = convert::search(message, &*library, self.limits(&*library))?;
        let results = library.search(&call, query).await?;
        respond(&call, convert::search_results(results))
    }

    async fn update_image(
        &self,
        request: Request<v1::UpdateImageRequest>,
    ) -> RpcResult<v1::UpdateImageResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library_to_change(&call, &message.library)?;
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
        let library = self.library_to_change(&call, &message.library)?;
        let response = match convert::delete(message, self.limits(&*library))? {
            Deletion::Named(request) => {
                let target = request.target.clone();
                let deleted = library.delete(&call, request).await?;
                convert::deleted(&target, deleted)?
            }
            Deletion::Filtered(request) => {
                let deleted = library.delete_by_filter(&call, request).await?;
                convert::deleted_by_filter(&deleted)
            }
        };
        respond(&call, response)
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
        let get = Get {
            cont_sign: ContSign::new(&message.cont_sign).map_err(Error::from)?,
            preview: message.preview,
        };
        let record = library.get(&call, get).await?;
        let image = Some(convert::record(record));
        respond(&call, v1::GetImageResponse { image })
    }

    async fn list_tags(
        &self,
        request: Request<v1::ListTagsRequest>,
    ) -> RpcResult<v1::ListTagsResponse> {
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let tags = library.tags(&call).await?;
        respond(&call, convert::tags(tags))
    }

    async fn list_libraries(
        &self,
        request: Request<v1::ListLibrariesRequest>,
    ) -> RpcResult<v1::ListLibrariesResponse> {
        let (call, _) = into_call(request)?;
        let libraries = self.libraries.of(&call.tenant);
        let infos = libraries.map(|(name, library)| {
            let limits = self.limits(&**library);
            convert::library_info(name, library.state(), limits, library.capabilities())
        });
        let response = v1::ListLibrariesResponse {
            libraries: infos.collect(),
            read_only: call.tenant.read_only,
        };
        respond(&call, response)
    }

    async fn get_state(
        &self,
        request: Request<v1::GetStateRequest>,
    ) -> RpcResult<v1::GetStateResponse> {
        let (call, _) = into_call(request)?;
        let state = self.state.read(&call.tenant, &self.libraries, &self.quotas);
        respond(&call, state)
    }

    type FindDuplicatesStream = EventStream;

    async fn find_duplicates(
        &self,
        request: Request<v1::FindDuplicatesRequest>,
    ) -> RpcResult<Self::FindDuplicatesStream> {
        let closing = closing(&request);
        let (call, message) = into_call(request)?;
        let library = self.library(&call, &message.library)?;
        let request = convert::find_duplicates(message, &*library)?;
        let events = library.find_duplicates(&call, request).await?;
        Ok(Response::new(duplicates::responses(events, closing)))
    }
}

/// The request of a bulk method.
struct BulkStream<T> {
    call: Call,
    /// The stream ends itself before the server closes its connection.
    closing: CancellationToken,
    body: BodyReport,
    messages: Streaming<T>,
}

// === impl BulkStream ===

impl<T> BulkStream<T> {
    fn new(request: Request<Streaming<T>>) -> Result<Self> {
        let closing = closing(&request);
        let body = request.extensions().get::<BodyReport>().cloned();
        let (call, messages) = into_call(request)?;
        Ok(BulkStream {
            call,
            closing,
            body: body.unwrap_or_default(),
            messages,
        })
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
