//! The client: one connection to a gateway, which all its clones use.
//!
//! A method takes the message of the contract with its options; the client sets the image, and the
//! library if the message names none. Streams of many items are in `bulk.rs` and `duplicates.rs`.

use tonic::Code;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::bearer::Bearer;
use crate::call::{Retries, call};
use crate::error::Error;
use crate::image::{Image, Loaded};
use crate::settings::Settings;
use crate::v1;
use crate::v1::same_image_service_client::SameImageServiceClient;

/// Name of the service, for health checks.
const SERVICE: &str = "samegate.v1.SameImageService";

/// The generated client, with the credential.
pub(crate) type Stub = SameImageServiceClient<InterceptedService<Channel, Bearer>>;

/// A client of a gateway. It is cheap to clone: all clones use one connection, which is opened
/// again when it closes.
///
/// Every method fails with [`Error`]. A unary call has a deadline, and is sent again after
/// transient errors; see [`Builder::timeout`](crate::Builder::timeout) and
/// [`Builder::call_attempts`](crate::Builder::call_attempts).
#[derive(Clone, Debug)]
pub struct Client {
    channel: InterceptedService<Channel, Bearer>,
    pub(crate) settings: Settings,
}

/// Calls a method of the stub, with deadline and retries.
macro_rules! call {
    ($client:expr, $retries:ident, $method:ident, $message:expr) => {{
        let stub = $client.stub();
        call(&$client.settings, Retries::$retries, $message, |request| {
            let mut stub = stub.clone();
            async move { stub.$method(request).await }
        })
        .await
    }};
}

// === impl Client ===

impl Client {
    pub(crate) fn new(channel: Channel, bearer: Bearer, settings: Settings) -> Self {
        Client {
            channel: InterceptedService::new(channel, bearer),
            settings,
        }
    }

    /// Returns a client of the same connection whose requests are for another library, unless they
    /// name one.
    #[must_use]
    pub fn with_library(&self, library: impl Into<String>) -> Self {
        let mut client = self.clone();
        client.settings.library = library.into();
        client
    }

    pub(crate) fn stub(&self) -> Stub {
        SameImageServiceClient::new(self.channel.clone())
    }

    /// Adds one image. By default the same bytes are rejected with `IMAGE_ALREADY_EXISTS`.
    ///
    /// It is sent again where it was certainly not carried out. After `UNAVAILABLE` it may have been:
    /// a retry is the caller's, with `on_duplicate` ACCEPT.
    ///
    /// # Errors
    ///
    /// `ALREADY_EXISTS` with [`Error::cont_sign`] or [`Error::matches`]; those of the contract.
    pub async fn add(
        &self,
        image: impl Into<Image>,
        options: v1::AddImageRequest,
    ) -> Result<v1::AddImageResponse, Error> {
        use v1::add_image_request::Source;

        let source = match image.into().load().await? {
            Loaded::Content(content) => Source::Content(content),
            Loaded::Url(url) => Source::Url(url),
            Loaded::Sign(_) => return Err(no_addition()),
        };
        let request = v1::AddImageRequest {
            library: self.library(options.library),
            source: Some(source),
            ..options
        };
        call!(self, Unprocessed, add_image, request)
    }

    /// Finds the stored images that are wholly or partly the same.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` for a sign of no stored image; those of the contract.
    pub async fn search(
        &self,
        image: impl Into<Image>,
        options: v1::SearchImagesRequest,
    ) -> Result<v1::SearchImagesResponse, Error> {
        use v1::search_images_request::Source;

        let source = match image.into().load().await? {
            Loaded::Content(content) => Source::Content(content),
            Loaded::Url(url) => Source::Url(url),
            Loaded::Sign(sign) => Source::ContSign(sign),
        };
        let request = v1::SearchImagesRequest {
            library: self.library(options.library),
            source: Some(source),
            ..options
        };
        call!(self, Idempotent, search_images, request)
    }

    /// Compares two images; nothing is stored.
    ///
    /// # Errors
    ///
    /// `UNIMPLEMENTED` for a library at a vendor; those of the contract.
    pub async fn compare(
        &self,
        first: impl Into<Image>,
        second: impl Into<Image>,
        options: v1::CompareImagesRequest,
    ) -> Result<v1::CompareImagesResponse, Error> {
        let request = v1::CompareImagesRequest {
            library: self.library(options.library),
            first: Some(compared(&first.into()).await?),
            second: Some(compared(&second.into()).await?),
            ..options
        };
        call!(self, Idempotent, compare_images, request)
    }

    /// Changes the brief or the tags, or both, of a stored image: `options` has the new ones.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` when the image is not stored; those of the contract.
    pub async fn update(
        &self,
        image: impl Into<Image>,
        options: v1::UpdateImageRequest,
    ) -> Result<v1::UpdateImageResponse, Error> {
        use v1::update_image_request::Target;

        let target = match image.into().load().await? {
            Loaded::Content(content) => Target::Content(content),
            Loaded::Url(url) => Target::Url(url),
            Loaded::Sign(sign) => Target::ContSign(sign),
        };
        let request = v1::UpdateImageRequest {
            library: self.library(options.library),
            target: Some(target),
            ..options
        };
        call!(self, Idempotent, update_image, request)
    }

    /// Deletes up to 10,000 images by their signs; `results` has the outcome of each.
    ///
    /// # Errors
    ///
    /// Those of the contract; not for a sign of no stored image.
    pub async fn delete<S: Into<String>>(
        &self,
        cont_signs: impl IntoIterator<Item = S>,
    ) -> Result<v1::DeleteImagesResponse, Error> {
        let values = cont_signs.into_iter().map(Into::into).collect();
        let signs = v1::ContSignList { values };
        let request = v1::DeleteImagesRequest {
            target: Some(v1::delete_images_request::Target::ContSigns(signs)),
            ..Default::default()
        };
        self.delete_images(request).await
    }

    /// Deletes one image by its bytes, its URL or its sign.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` when no image has these bytes; those of the contract.
    pub async fn delete_image(
        &self,
        image: impl Into<Image>,
    ) -> Result<v1::DeleteImagesResponse, Error> {
        use v1::delete_images_request::Target;

        let target = match image.into().load().await? {
            Loaded::Content(content) => Target::Content(content),
            Loaded::Url(url) => Target::Url(url),
            Loaded::Sign(sign) => Target::ContSigns(v1::ContSignList { values: vec![sign] }),
        };
        let request = v1::DeleteImagesRequest {
            target: Some(target),
            ..Default::default()
        };
        self.delete_images(request).await
    }

    /// Deletes images as the request says: by content, URL, signs, or filter.
    ///
    /// # Errors
    ///
    /// Those of the contract.
    pub async fn delete_images(
        &self,
        mut request: v1::DeleteImagesRequest,
    ) -> Result<v1::DeleteImagesResponse, Error> {
        request.library = self.library(request.library);
        call!(self, Unprocessed, delete_images, request)
    }

    /// Returns the record of a stored image, with its thumbnail.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` when it is not stored; `UNIMPLEMENTED` for a library at a vendor.
    pub async fn get(&self, cont_sign: impl Into<String>) -> Result<v1::Image, Error> {
        self.image(cont_sign.into(), false).await
    }

    /// Returns the record of a stored image, with its thumbnail, and its preview where it has one.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub async fn get_with_preview(&self, cont_sign: impl Into<String>) -> Result<v1::Image, Error> {
        self.image(cont_sign.into(), true).await
    }

    async fn image(&self, cont_sign: String, preview: bool) -> Result<v1::Image, Error> {
        let request = v1::GetImageRequest {
            library: self.library(String::new()),
            cont_sign,
            preview,
        };
        let response = call!(self, Idempotent, get_image, request)?;
        Ok(response.image.unwrap_or_default())
    }

    /// Returns one page of the stored images.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for a page token of another list; `UNIMPLEMENTED` for a library at a vendor.
    pub async fn page(
        &self,
        mut request: v1::ListImagesRequest,
    ) -> Result<v1::ListImagesResponse, Error> {
        request.library = self.library(request.library);
        call!(self, Idempotent, list_images, request)
    }

    /// Returns the tags of the library, each with the number of its images.
    ///
    /// # Errors
    ///
    /// `UNIMPLEMENTED` for a library at a vendor.
    pub async fn tags(&self) -> Result<v1::ListTagsResponse, Error> {
        let library = self.library(String::new());
        call!(self, Idempotent, list_tags, v1::ListTagsRequest { library })
    }

    /// Returns the size, the capacity and the limits of the library.
    ///
    /// # Errors
    ///
    /// `UNIMPLEMENTED` for a library at a vendor.
    pub async fn info(&self) -> Result<v1::GetLibraryResponse, Error> {
        let library = self.library(String::new());
        let request = v1::GetLibraryRequest { library };
        call!(self, Idempotent, get_library, request)
    }

    /// Returns the libraries that the caller may use, with what each can do.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn libraries(&self) -> Result<v1::ListLibrariesResponse, Error> {
        let request = v1::ListLibrariesRequest {};
        call!(self, Idempotent, list_libraries, request)
    }

    /// Returns the caller's libraries, quotas and last calls, and the version of the gateway.
    ///
    /// # Errors
    ///
    /// Those of every call. It is not sent again.
    pub async fn state(&self) -> Result<v1::GetStateResponse, Error> {
        call!(self, Never, get_state, v1::GetStateRequest {})
    }

    /// Returns whether the gateway accepts calls; false also for one that is not there.
    ///
    /// # Errors
    ///
    /// When the other side is no gateway, or does not respond in time.
    pub async fn is_serving(&self) -> Result<bool, Error> {
        match self.health(SERVICE).await {
            Ok(status) => Ok(status == ServingStatus::Serving),
            Err(error) if error.code() == Some(Code::Unavailable) && !error.is_not_grpc() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the health service about a service; the empty name is the gateway as a whole. It is not
    /// sent again.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` for an unknown service; those of every call.
    pub async fn health(&self, service: impl Into<String>) -> Result<ServingStatus, Error> {
        let health = HealthClient::new(self.channel.clone());
        let service = service.into();
        let request = HealthCheckRequest { service };
        let response = call(&self.settings, Retries::Never, request, |request| {
            let mut health = health.clone();
            async move { health.check(request).await }
        });
        Ok(response.await?.status())
    }

    /// Returns the library of a request: the client's, if the request names none.
    pub(crate) fn library(&self, named: String) -> String {
        if named.is_empty() {
            return self.settings.library.clone();
        }
        named
    }
}

/// Makes the error of an addition of a stored image.
pub(crate) fn no_addition() -> Error {
    let message = "a stored image cannot be added: give its bytes, a file or a URL";
    Error::local("INVALID_ITEM", message)
}

async fn compared(image: &Image) -> Result<v1::ComparedImage, Error> {
    use v1::compared_image::Source;

    let source = Some(match image.load().await? {
        Loaded::Content(content) => Source::Content(content),
        Loaded::Url(url) => Source::Url(url),
        Loaded::Sign(sign) => Source::ContSign(sign),
    });
    Ok(v1::ComparedImage { source })
}
