//! One item of a bulk load, from the message to its outcome.

use std::panic::AssertUnwindSafe;

use futures_util::future::FutureExt;

use super::admission::ItemPermit;
use crate::admission::CallPermit;
use crate::call::Call;
use crate::domain::{Added, ImageLimits};
use crate::error::{Error, Kind, Result};
use crate::grpc::convert;
use crate::library::Library;
use crate::proto::v1;

/// Maximum length of an item's key in bytes.
pub(super) const MAX_KEY_BYTES: usize = 1024;

/// An item that was read from the stream.
pub(super) struct ReceivedItem {
    key: String,
    bytes: usize,
    message: v1::AddImagesItem,
}

/// An item whose admission is decided.
pub(super) struct AdmittedItem {
    pub(super) item: ReceivedItem,
    pub(super) permit: Result<ItemPermit>,
}

/// An item that is no longer in flight.
pub(super) struct CompletedItem {
    pub(super) key: String,
    pub(super) bytes: usize,
    pub(super) outcome: Result<Added>,
}

// === impl ReceivedItem ===

impl ReceivedItem {
    pub(super) fn new(mut message: v1::AddImagesItem) -> Self {
        ReceivedItem {
            key: std::mem::take(&mut message.key),
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

impl AdmittedItem {
    /// Returns what the bytes of the item are charged to.
    pub(super) fn memory(&self) -> CallPermit {
        let permit = self.permit.as_ref();
        permit.map_or_else(|_| CallPermit::default(), |permit| permit.memory.clone())
    }

    /// Adds the item to `library`, unless it was not admitted.
    pub(super) async fn add(
        self,
        call: &Call,
        (library, limits): (&dyn Library, ImageLimits),
        on_duplicate: v1::OnDuplicate,
    ) -> CompletedItem {
        let ReceivedItem {
            key,
            bytes,
            message,
        } = self.item;
        let work = async {
            let _permit = self.permit?;
            add(call, (library, limits), &key, message, on_duplicate).await
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

async fn add(
    call: &Call,
    (library, limits): (&dyn Library, ImageLimits),
    key: &str,
    message: v1::AddImagesItem,
    on_duplicate: v1::OnDuplicate,
) -> Result<Added> {
    if key.len() > MAX_KEY_BYTES {
        let message = format!("{} bytes; max {MAX_KEY_BYTES}", key.len());
        return Err(Error::violation("key", Kind::ParameterTooLong, message));
    }
    let request = convert::item(message, limits)?;
    let added = tokio::time::timeout_at(call.deadline, library.add(call, request))
        .await
        .map_err(|_| Error::new(Kind::DeadlineExceeded, "the item was not added in time"))?;
    convert::apply_on_duplicate(added?, on_duplicate)
}
