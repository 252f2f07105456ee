//! The bulk method `BulkSearchImages`.

use super::method::BulkMethod;
use crate::call::Call;
use crate::domain::{ImageLimits, SearchOptions, SearchResults};
use crate::error::Result;
use crate::grpc::{convert, status};
use crate::library::Library;
use crate::proto::v1;
use crate::proto::v1::bulk_search_images_request::Payload;
use crate::proto::v1::bulk_search_images_response::Event;

/// `BulkSearchImages`, with its options.
pub(in crate::grpc) struct SearchImages(pub(in crate::grpc) SearchOptions);

impl SearchImages {
    /// Returns the options of a first message.
    pub(in crate::grpc) fn options(
        message: v1::BulkSearchImagesRequest,
    ) -> Option<v1::BulkSearchImagesOptions> {
        match message.payload {
            Some(Payload::Options(options)) => Some(options),
            Some(Payload::Item(_)) | None => None,
        }
    }
}

impl BulkMethod for SearchImages {
    type Request = v1::BulkSearchImagesRequest;
    type Item = v1::BulkSearchImagesItem;
    type Output = SearchResults;
    type Counts = v1::BulkSearchImagesCounts;
    type Response = v1::BulkSearchImagesResponse;

    fn item(message: v1::BulkSearchImagesRequest) -> Option<v1::BulkSearchImagesItem> {
        match message.payload {
            Some(Payload::Item(item)) => Some(item),
            Some(Payload::Options(_)) | None => None,
        }
    }

    fn take_key(item: &mut v1::BulkSearchImagesItem) -> String {
        std::mem::take(&mut item.key)
    }

    async fn run(
        &self,
        call: &Call,
        (library, limits): (&dyn Library, ImageLimits),
        item: v1::BulkSearchImagesItem,
    ) -> Result<SearchResults> {
        let query = convert::search_item(item, &self.0, limits)?;
        library.search(call, query).await
    }

    fn result(
        counts: &mut v1::BulkSearchImagesCounts,
        key: String,
        outcome: Result<SearchResults>,
    ) -> v1::BulkSearchImagesResponse {
        let result = match outcome {
            Ok(results) => {
                let count = if results.matches.is_empty() {
                    &mut counts.unmatched
                } else {
                    &mut counts.matched
                };
                *count += 1;
                v1::BulkSearchImagesResult {
                    key,
                    status: Some(v1::Status::default()),
                    matches: convert::matches(results.matches),
                    has_more: results.has_more,
                    log_id: results.log_id,
                }
            }
            Err(error) => {
                counts.failed += 1;
                v1::BulkSearchImagesResult {
                    key,
                    status: Some(status::item(&error)),
                    ..v1::BulkSearchImagesResult::default()
                }
            }
        };
        respond(Event::Result(result))
    }

    fn progress(
        received: u64,
        counts: &v1::BulkSearchImagesCounts,
    ) -> v1::BulkSearchImagesResponse {
        respond(Event::Progress(v1::BulkSearchImagesCounts {
            received,
            ..*counts
        }))
    }

    fn summary(received: u64, counts: &v1::BulkSearchImagesCounts) -> v1::BulkSearchImagesResponse {
        respond(Event::Summary(v1::BulkSearchImagesCounts {
            received,
            ..*counts
        }))
    }

    fn drain(message: String) -> v1::BulkSearchImagesResponse {
        respond(Event::Drain(v1::BulkSearchImagesDrain { message }))
    }
}

fn respond(event: Event) -> v1::BulkSearchImagesResponse {
    v1::BulkSearchImagesResponse { event: Some(event) }
}
