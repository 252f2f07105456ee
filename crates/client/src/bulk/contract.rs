//! What a bulk load and a bulk search differ in.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::error::Error;

/// The messages of a kind of stream.
pub(super) trait Contract: Send + Sync + 'static {
    type Item: Clone + Send + Sync + 'static;
    type Request: Send + 'static;
    type Response: Send + 'static;
    type Result: Send + 'static;

    /// Opens a stream.
    fn open(
        &self,
        requests: Requests<Self::Request>,
    ) -> BoxFuture<'static, Result<Streaming<Self::Response>, Status>>;

    /// Returns the first message of a stream.
    fn options(&self) -> Self::Request;

    /// Loads the image of an item and makes its message.
    fn message(
        key: String,
        item: Self::Item,
    ) -> impl Future<Output = Result<Self::Request, Error>> + Send;

    fn event(response: Self::Response) -> Event<Self::Result>;

    fn key(result: &Self::Result) -> &str;

    /// Returns why an item failed, if it did.
    fn error(result: &mut Self::Result) -> Option<Error>;
}

/// A message of the gateway.
pub(super) enum Event<R> {
    Result(R),
    Drain,
    /// Counts, and what a later contract may send.
    Other,
}

/// The messages of one stream.
pub(super) struct Requests<T>(pub(super) mpsc::Receiver<T>);

// === impl Requests ===

impl<T> Stream for Requests<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(context)
    }
}
