//! What is particular to a bulk load.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tonic::{Response, Status, Streaming};

use super::contract::{Contract, Event, Requests};
use super::outcome::Item;
use crate::client::{Client, Stub, no_addition};
use crate::error::Error;
use crate::image::Loaded;
use crate::v1;
use crate::v1::add_images_item::Source;
use crate::v1::add_images_request::Payload;
use crate::v1::add_images_response::Event as Message;

/// The additions of one bulk load.
pub(super) struct Additions {
    stub: Stub,
    options: v1::AddImagesOptions,
}

// === impl Additions ===

impl Additions {
    pub(super) fn new(client: &Client, mut options: v1::AddImagesOptions) -> Self {
        options.library = client.library(options.library);
        if options.on_duplicate() == v1::OnDuplicate::Unspecified {
            // The stream that broke may have stored the item.
            options.set_on_duplicate(v1::OnDuplicate::Accept);
        }
        Additions {
            stub: client.stub(),
            options,
        }
    }
}

impl Contract for Additions {
    type Item = Item;
    type Request = v1::AddImagesRequest;
    type Response = v1::AddImagesResponse;
    type Result = v1::AddImagesResult;

    fn open(
        &self,
        requests: Requests<Self::Request>,
    ) -> BoxFuture<'static, Result<Streaming<Self::Response>, Status>> {
        let mut stub = self.stub.clone();
        async move { stub.add_images(requests).await.map(Response::into_inner) }.boxed()
    }

    fn options(&self) -> Self::Request {
        request(Payload::Options(self.options.clone()))
    }

    async fn message(key: String, item: Item) -> Result<Self::Request, Error> {
        let source = match item.image.load().await? {
            Loaded::Content(content) => Source::Content(content),
            Loaded::Url(url) => Source::Url(url),
            Loaded::Sign(_) => return Err(no_addition()),
        };
        Ok(request(Payload::Item(v1::AddImagesItem {
            key,
            source: Some(source),
            brief: item.brief,
            tags: item.tags,
        })))
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
        let matches = result.matches.clone();
        Error::of_item(result.status.take(), matches)
    }
}

fn request(payload: Payload) -> v1::AddImagesRequest {
    v1::AddImagesRequest {
        payload: Some(payload),
    }
}
