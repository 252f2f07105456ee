//! What is compared of stored images, wherever they are: in a committed state, in a transaction, or
//! only in memory.

use crate::features::Features;
use crate::identity::ImageId;
use crate::search_state::decode;
use crate::store::{Batch, Snapshot, StoreError, StoredRecord};

/// Images by number.
pub(super) trait StoredImages {
    /// Returns the record of an image; `None` when it was deleted.
    fn record(&self, id: ImageId) -> Result<Option<StoredRecord>, StoreError>;

    /// Returns the thumbnail of an image, given its record.
    fn thumbnail(&self, id: ImageId, record: &StoredRecord) -> Result<Vec<u8>, StoreError>;

    /// Returns the features of an image; `None` when it has none that can be compared.
    fn features(&self, id: ImageId) -> Result<Option<Features>, StoreError>;
}

impl StoredImages for Snapshot {
    fn record(&self, id: ImageId) -> Result<Option<StoredRecord>, StoreError> {
        Snapshot::record(self, id)
    }

    fn thumbnail(&self, id: ImageId, record: &StoredRecord) -> Result<Vec<u8>, StoreError> {
        Snapshot::thumbnail(self, id, record)
    }

    fn features(&self, id: ImageId) -> Result<Option<Features>, StoreError> {
        let features = Snapshot::features(self, id, |bytes| decode(id, bytes))?;
        Ok(features.flatten())
    }
}

impl StoredImages for Batch<'_> {
    fn record(&self, id: ImageId) -> Result<Option<StoredRecord>, StoreError> {
        self.read_record(id)
    }

    fn thumbnail(&self, id: ImageId, record: &StoredRecord) -> Result<Vec<u8>, StoreError> {
        self.read_thumbnail(id, record)
    }

    fn features(&self, id: ImageId) -> Result<Option<Features>, StoreError> {
        let features = self.read_features(id)?;
        let features = features.map(|bytes| decode(id, &bytes)).transpose()?;
        Ok(features.flatten())
    }
}
