//! The stream of `FindDuplicates`: events of the library as messages, until a shutdown.

use futures_util::StreamExt;
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::convert;
use crate::error::{Error, Kind};
use crate::library::DuplicateStream;
use crate::proto::v1;

/// The responses of a join.
pub(super) type EventStream = BoxStream<'static, Result<v1::FindDuplicatesResponse, Status>>;

/// Makes the messages of a join. When the connection is about to close, the stream ends with
/// `ShuttingDown`, and the client goes on from its last cursor.
pub(super) fn responses(events: DuplicateStream, closing: CancellationToken) -> EventStream {
    let end = stream::once(async {
        let message = "the server is shutting down; go on from the last cursor";
        Err(Error::new(Kind::ShuttingDown, message).into())
    });
    let is_closing = closing.clone();
    let end = end.filter(move |_: &Result<_, Status>| ready(is_closing.is_cancelled()));
    let messages = events.map(|event| match event {
        Ok(event) => Ok(convert::duplicate_event(event)),
        Err(error) => Err(error.into()),
    });
    messages
        .take_until(async move { closing.cancelled().await })
        .chain(end)
        .boxed()
}
