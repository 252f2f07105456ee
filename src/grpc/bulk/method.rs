//! What a bulk method does: its messages, and the work on one item.
//!
//! The loop (`bulk`) knows neither images nor results. Every request of a bulk method has its options
//! in field 1 and an item in field 2, and every item its key in field 1.

use prost::Message;

use crate::call::Call;
use crate::domain::ImageLimits;
use crate::error::Result;
use crate::library::Library;

/// A bulk method, with the checked options of one stream.
pub(crate) trait BulkMethod: Send + Sync + 'static {
    /// Message of the client's stream.
    type Request: Send + 'static;
    /// One item, without its key once that was taken.
    type Item: Message + 'static;
    /// Result of an item.
    type Output: Send + 'static;
    /// Counts of results so far.
    type Counts: Default + Send + Sync;
    /// Message of the server's stream.
    type Response: Send + 'static;

    /// Returns the item of a message; `None` when it carries none.
    fn item(message: Self::Request) -> Option<Self::Item>;

    /// Takes the key out of an item.
    fn take_key(item: &mut Self::Item) -> String;

    /// Does the work on one item. The error is its outcome and does not end the stream.
    fn run(
        &self,
        call: &Call,
        library: (&dyn Library, ImageLimits),
        item: Self::Item,
    ) -> impl Future<Output = Result<Self::Output>> + Send;

    /// Counts an outcome and writes the result.
    fn result(
        counts: &mut Self::Counts,
        key: String,
        outcome: Result<Self::Output>,
    ) -> Self::Response;

    /// Writes the counts so far, of which `received` items were read.
    fn progress(received: u64, counts: &Self::Counts) -> Self::Response;

    /// Writes the final counts.
    fn summary(received: u64, counts: &Self::Counts) -> Self::Response;

    /// Writes that the server reads no further items.
    fn drain(message: String) -> Self::Response;
}
