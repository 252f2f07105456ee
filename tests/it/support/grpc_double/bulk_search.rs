//! The bulk search of the double, which finds nothing.

use futures_util::stream::{self, StreamExt};
use samegate::proto::v1;
use samegate::proto::v1::bulk_search_images_request::Payload;
use samegate::proto::v1::bulk_search_images_response::Event;
use tonic::Streaming;

use super::{SearchEventStream, Store};

/// Responds to each item with the next error of its key, or without a match.
pub(super) fn events(
    store: Store,
    requests: Streaming<v1::BulkSearchImagesRequest>,
) -> SearchEventStream {
    let next = async |(store, mut requests): (Store, Streaming<v1::BulkSearchImagesRequest>)| loop {
        let Payload::Item(item) = requests.message().await.ok()??.payload? else {
            continue;
        };
        let mut state = store.lock().unwrap();
        state.items_read += 1;
        let errors = state.errors.get_mut(&item.key);
        let error = errors.and_then(std::collections::VecDeque::pop_front);
        drop(state);
        let result = v1::BulkSearchImagesResult {
            key: item.key,
            status: Some(error.unwrap_or_default()),
            ..Default::default()
        };
        let event = v1::BulkSearchImagesResponse {
            event: Some(Event::Result(result)),
        };
        return Some((Ok(event), (store, requests)));
    };
    stream::unfold((store, requests), next).boxed()
}
