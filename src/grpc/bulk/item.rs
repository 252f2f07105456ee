//! One item of a bulk load, from the message to its outcome.

use std::panic::AssertUnwindSafe;

use futures_util::future::FutureExt;

use super::admission::ItemPermit;
use super::method::BulkMethod;
use crate::admission::CallPermit;
use crate::call::Call;
use crate::domain::ImageLimits;
use crate::error::{Error, Kind, Result};
use crate::library::Library;

/// Maximum length of an item's key in bytes.
pub(super) const MAX_KEY_BYTES: usize = 1024;

/// An item that was read from the stream.
pub(super) struct ReceivedItem<M: BulkMethod> {
    key: String,
    bytes: usize,
    message: M::Item,
}

/// An item whose admission is decided.
pub(super) struct AdmittedItem<M: BulkMethod> {
    pub(super) item: ReceivedItem<M>,
    pub(super) permit: Result<ItemPermit>,
}

/// An item that is no longer in flight.
pub(super) struct CompletedItem<M: BulkMethod> {
    pub(super) key: String,
    pub(super) bytes: usize,
    pub(super) outcome: Result<M::Output>,
}

// === impl ReceivedItem ===

impl<M: BulkMethod> ReceivedItem<M> {
    pub(super) fn new(mut message: M::Item) -> Self {
        ReceivedItem {
            key: M::take_key(&mut message),
            bytes: prost::Message::encoded_len(&message),
            message,
        }
    }

    /// Returns the size of the item without its key.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

// === impl AdmittedItem ===

impl<M: BulkMethod> AdmittedItem<M> {
    /// Returns what the bytes of the item are charged to.
    pub(super) fn memory(&self) -> CallPermit {
        let permit = self.permit.as_ref();
        permit.map_or_else(|_| CallPermit::default(), |permit| permit.memory.clone())
    }

    /// Does the work on the item, unless it was not admitted.
    pub(super) async fn complete(
        self,
        call: &Call,
        library: (&dyn Library, ImageLimits),
        method: &M,
    ) -> CompletedItem<M> {
        let ReceivedItem {
            key,
            bytes,
            message,
        } = self.item;
        let work = async {
            let _permit = self.permit?;
            check_key(&key)?;
            tokio::time::timeout_at(call.deadline, method.run(call, library, message))
                .await
                .map_err(|_| too_late())?
        };
        // The middleware that catches panics does not see the body of a stream.
        let outcome = AssertUnwindSafe(work)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "internal error")));
        CompletedItem {
            key,
            bytes,
            outcome,
        }
    }
}

fn check_key(key: &str) -> Result<()> {
    if key.len() > MAX_KEY_BYTES {
        let message = format!("{} bytes; max {MAX_KEY_BYTES}", key.len());
        return Err(Error::violation("key", Kind::ParameterTooLong, message));
    }
    Ok(())
}

fn too_late() -> Error {
    let message = "the item was not completed in time";
    Error::new(Kind::DeadlineExceeded, message)
}
