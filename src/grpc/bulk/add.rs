//! The bulk method `AddImages`.

use super::method::BulkMethod;
use crate::call::Call;
use crate::domain::{Added, ImageLimits};
use crate::error::{Kind, Result};
use crate::grpc::convert::{self, AddSettings};
use crate::grpc::status;
use crate::library::Library;
use crate::proto::v1;
use crate::proto::v1::add_images_request::Payload;
use crate::proto::v1::add_images_response::Event;

/// `AddImages`, with its options.
pub(in crate::grpc) struct AddImages(pub(in crate::grpc) AddSettings);

impl AddImages {
    /// Returns the options of a first message.
    pub(in crate::grpc) fn options(message: v1::AddImagesRequest) -> Option<v1::AddImagesOptions> {
        match message.payload {
            Some(Payload::Options(options)) => Some(options),
            Some(Payload::Item(_)) | None => None,
        }
    }
}

impl BulkMethod for AddImages {
    type Request = v1::AddImagesRequest;
    type Item = v1::AddImagesItem;
    type Output = Added;
    type Counts = v1::AddImagesCounts;
    type Response = v1::AddImagesResponse;

    fn item(message: v1::AddImagesRequest) -> Option<v1::AddImagesItem> {
        match message.payload {
            Some(Payload::Item(item)) => Some(item),
            Some(Payload::Options(_)) | None => None,
        }
    }

    fn take_key(item: &mut v1::AddImagesItem) -> String {
        std::mem::take(&mut item.key)
    }

    async fn run(
        &self,
        call: &Call,
        (library, limits): (&dyn Library, ImageLimits),
        item: v1::AddImagesItem,
    ) -> Result<Added> {
        let request = convert::item(item, &self.0, limits)?;
        let added = library.add(call, request).await?;
        convert::apply_on_duplicate(added, self.0.on_duplicate)
    }

    fn result(
        counts: &mut v1::AddImagesCounts,
        key: String,
        outcome: Result<Added>,
    ) -> v1::AddImagesResponse {
        let (added, error) = match outcome {
            Ok(added) => {
                let error = added.rejection();
                (Some(added), error)
            }
            Err(error) => (None, Some(error)),
        };
        let count = match (&added, &error) {
            (Some(added), None) if added.existed => &mut counts.existed,
            (Some(_), None) => &mut counts.added,
            (_, Some(_)) | (None, None) => &mut counts.failed,
        };
        *count += 1;
        let sign_of_error = error.as_ref().and_then(|error| error.cont_sign());
        respond(Event::Result(v1::AddImagesResult {
            key,
            status: Some(error.as_ref().map(status::item).unwrap_or_default()),
            cont_sign: match &added {
                Some(added) => added.cont_sign.to_string(),
                None => sign_of_error.unwrap_or_default().to_owned(),
            },
            existed: added.as_ref().is_some_and(|added| added.existed)
                || error.is_some_and(|error| error.kind() == Kind::ImageAlreadyExists),
            log_id: added.as_ref().map_or(0, |added| added.log_id),
            matches: added.map_or_else(Vec::new, |added| convert::matches(added.matches)),
        }))
    }

    fn progress(received: u64, counts: &v1::AddImagesCounts) -> v1::AddImagesResponse {
        respond(Event::Progress(v1::AddImagesCounts {
            received,
            ..*counts
        }))
    }

    fn summary(received: u64, counts: &v1::AddImagesCounts) -> v1::AddImagesResponse {
        respond(Event::Summary(v1::AddImagesCounts {
            received,
            ..*counts
        }))
    }

    fn drain(message: String) -> v1::AddImagesResponse {
        respond(Event::Drain(v1::AddImagesDrain { message }))
    }
}

fn respond(event: Event) -> v1::AddImagesResponse {
    v1::AddImagesResponse { event: Some(event) }
}
