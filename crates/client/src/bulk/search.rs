//! What is particular to a bulk search.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tonic::{Response, Status, Streaming};

use super::contract::{Contract, Event, Requests};
use crate::client::{Client, Stub};
use crate::error::Error;
use crate::image::{Image, Loaded};
use crate::v1;
use crate::v1::bulk_search_images_item::Source;
use crate::v1::bulk_search_images_request::Payload;
use crate::v1::bulk_search_images_response::Event as Message;

/// The searches of one bulk search.
pub(super) struct Searches {
    stub: Stub,
    options: v1::BulkSearchImagesOptions,
}

// === impl Searches ===

impl Searches {
    pub(super) fn new(client: &Client, mut options: v1::BulkSearchImagesOptions) -> Self {
        options.library = client.library(options.library);
        Searches {
            stub: client.stub(),
            options,
        }
    }
}

impl Contract for Searches {
    type Item = Image;
    type Request = v1::BulkSearchImagesRequest;
    type Response = v1::BulkSearchImagesResponse;
    type Result = v1::BulkSearchImagesResult;

    fn open(
        &self,
        requests: Requests<Self::Request>,
    ) -> BoxFuture<'static, Result<Streaming<Self::Response>, Status>> {
        let mut stub = self.stub.clone();
        async move {
            let response = stub.bulk_search_images(requests).await;
            response.map(Response::into_inner)
        }
        .boxed()
    }

    fn options(&self) -> Self::Request {
        request(Payload::Options(self.options.clone()))
    }

    async fn message(key: String, image: Image) -> Result<Self::Request, Error> {
        let source = Some(match image.load().await? {
            Loaded::Content(content) => Source::Content(content),
            Loaded::Url(url) => Source::Url(url),
            Loaded::Sign(sign) => Source::ContSign(sign),
        });
        let item = v1::BulkSearchImagesItem { key, source };
        Ok(request(Payload::Item(item)))
    }

    fn event(response: Self::Response) -> Event<Self::Result> {
        match response.event {
            Some(Message::Result(result)) => Event::Result(result),
            Some(Message::Drain(_)) => Event::Drain,
            Some(Message::Progress(_) | Message::Summary(_)) | None => Event::Other,
        }
    }

    fn key(result: &Self::Result) -> &str {
        &result.key
    }

    fn error(result: &mut Self::Result) -> Option<Error> {
        Error::of_item(result.status.take(), Vec::new())
    }
}

fn request(payload: Payload) -> v1::BulkSearchImagesRequest {
    v1::BulkSearchImagesRequest {
        payload: Some(payload),
    }
}
