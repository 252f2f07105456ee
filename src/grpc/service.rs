//! The eight methods: parse, call the library, reply.

use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::bulk::Gate;
use super::{bulk, convert, status};
use crate::admission::Budget;
use crate::call::{Call, Closing};
use crate::domain::ContSign;
use crate::error::{Error, Kind, Result};
use crate::library::{Libraries, Library};
use crate::proto::v1;
use crate::proto::v1::same_image_service_server::SameImageService;
use crate::quota::Quotas;

/// The gRPC face of the libraries.
#[derive(Clone, Debug)]
pub struct Service {
    libraries: Libraries,
    quotas: Quotas,
    budget: Budget,
}

impl Service {
    /// Serves `libraries`; items of streams are held to `quotas` and `budget`.
    pub fn new(libraries: Libraries, quotas: Quotas, budget: Budget) -> Self {
        Service {
            libraries,
            quotas,
            budget,
        }
    }

    /// The library that a call means, under its full name.
    fn library<'a>(
        &'a self,
        call: &'a Call,
        name: &'a str,
    ) -> Result<(&'a str, &'a Arc<dyn Library>)> {
        self.libraries.resolve(&call.tenant, name)
    }

    async fn add(&self, call: &Call, message: v1::AddImageRequest) -> Result<v1::AddImageResponse> {
        let name = message.library.clone();
        let on_duplicate = message.on_duplicate();
        let (_, library) = self.library(call, &name)?;
        let added = library.add(call, convert::add(message)?).await?;
        Ok(convert::added(convert::accept(added, on_duplicate)?))
    }

    async fn search(
        &self,
        call: &Call,
        message: v1::SearchImagesRequest,
    ) -> Result<v1::SearchImagesResponse> {
        let name = message.library.clone();
        let (_, library) = self.library(call, &name)?;
        let page = library.search(call, convert::query(message)?).await?;
        Ok(convert::page(page))
    }

    async fn update(
        &self,
        call: &Call,
        message: v1::UpdateImageRequest,
    ) -> Result<v1::UpdateImageResponse> {
        let name = message.library.clone();
        let (_, library) = self.library(call, &name)?;
        let updated = library.update(call, convert::update(message)?).await?;
        Ok(v1::UpdateImageResponse {
            log_id: updated.log_id,
        })
    }

    async fn delete(
        &self,
        call: &Call,
        message: v1::DeleteImagesRequest,
    ) -> Result<v1::DeleteImagesResponse> {
        let name = message.library.clone();
        let (_, library) = self.library(call, &name)?;
        let request = convert::delete(message)?;
        let target = request.target.clone();
        convert::deleted(&target, library.delete(call, request).await?)
    }

    async fn stats(
        &self,
        call: &Call,
        message: v1::GetLibraryRequest,
    ) -> Result<v1::GetLibraryResponse> {
        let (name, library) = self.library(call, &message.library)?;
        Ok(convert::stats(name, library.stats(call).await?))
    }

    async fn list(
        &self,
        call: &Call,
        message: v1::ListImagesRequest,
    ) -> Result<v1::ListImagesResponse> {
        let name = message.library.clone();
        let (_, library) = self.library(call, &name)?;
        Ok(convert::listing(
            library.list(call, convert::list(message)?).await?,
        ))
    }

    async fn record(
        &self,
        call: &Call,
        message: v1::GetImageRequest,
    ) -> Result<v1::GetImageResponse> {
        let (_, library) = self.library(call, &message.library)?;
        let sign = ContSign::new(&message.cont_sign)
            .map_err(|violation| Error::invalid(vec![violation]))?;
        let record = library.get(call, sign).await?;
        Ok(v1::GetImageResponse {
            image: Some(convert::record(record)),
        })
    }

    async fn bulk(
        &self,
        call: Call,
        mut messages: Streaming<v1::AddImagesRequest>,
        closing: CancellationToken,
    ) -> Result<bulk::Load> {
        let options = bulk::options(&mut messages).await?;
        let (_, library) = self.library(&call, &options.library)?;
        let library = Arc::clone(library);
        let meter = self.quotas.limiter(&call.tenant.name);
        let gate = Gate::open(self.budget.clone(), meter, call.timeout, closing)?;
        bulk::Load::new(call, library, &options, messages, gate)
    }
}

#[tonic::async_trait]
impl SameImageService for Service {
    async fn add_image(
        &self,
        request: Request<v1::AddImageRequest>,
    ) -> RpcResult<v1::AddImageResponse> {
        let (call, message) = parts(request)?;
        reply(self.add(&call, message).await)
    }

    type AddImagesStream = ReceiverStream<std::result::Result<v1::AddImagesResponse, Status>>;

    async fn add_images(
        &self,
        request: Request<Streaming<v1::AddImagesRequest>>,
    ) -> RpcResult<Self::AddImagesStream> {
        // The stream ends itself before its connection is closed.
        let closing = request.extensions().get::<Closing>().cloned();
        let closing = closing.map_or_else(CancellationToken::new, |closing| closing.0);
        let (call, messages) = parts(request)?;
        let load = self.bulk(call, messages, closing).await;
        reply(load.map(bulk::Load::start))
    }

    async fn search_images(
        &self,
        request: Request<v1::SearchImagesRequest>,
    ) -> RpcResult<v1::SearchImagesResponse> {
        let (call, message) = parts(request)?;
        reply(self.search(&call, message).await)
    }

    async fn update_image(
        &self,
        request: Request<v1::UpdateImageRequest>,
    ) -> RpcResult<v1::UpdateImageResponse> {
        let (call, message) = parts(request)?;
        reply(self.update(&call, message).await)
    }

    async fn delete_images(
        &self,
        request: Request<v1::DeleteImagesRequest>,
    ) -> RpcResult<v1::DeleteImagesResponse> {
        let (call, message) = parts(request)?;
        reply(self.delete(&call, message).await)
    }

    async fn get_library(
        &self,
        request: Request<v1::GetLibraryRequest>,
    ) -> RpcResult<v1::GetLibraryResponse> {
        let (call, message) = parts(request)?;
        reply(self.stats(&call, message).await)
    }

    async fn list_images(
        &self,
        request: Request<v1::ListImagesRequest>,
    ) -> RpcResult<v1::ListImagesResponse> {
        let (call, message) = parts(request)?;
        reply(self.list(&call, message).await)
    }

    async fn get_image(
        &self,
        request: Request<v1::GetImageRequest>,
    ) -> RpcResult<v1::GetImageResponse> {
        let (call, message) = parts(request)?;
        reply(self.record(&call, message).await)
    }
}

type RpcResult<T> = std::result::Result<Response<T>, Status>;

/// Takes the call that the layers made, and the message.
fn parts<T>(request: Request<T>) -> std::result::Result<(Call, T), Status> {
    let (_, mut extensions, message) = request.into_parts();
    let call = extensions.remove::<Call>();
    // Without the layers nobody was authenticated: reject rather than guess.
    let call =
        call.ok_or_else(|| status::status(&Error::new(Kind::Internal, "the call has no context")))?;
    Ok((call, message))
}

fn reply<T>(result: Result<T>) -> RpcResult<T> {
    result
        .map(Response::new)
        .map_err(|error| status::status(&error))
}
