//! Reads in a transaction: they see what it has written so far.

use redb::ReadableTable;

use crate::identity::{ContentHash, ImageId, Sign};

use super::super::checksum::checksum;
use super::super::error::StoreError;
use super::super::record::StoredRecord;
use super::Batch;

// === impl Batch ===

impl Batch<'_> {
    /// Lists the numbers of the images that were added after one, in order.
    pub(crate) fn ids_after(&self, last: Option<ImageId>) -> Result<Vec<ImageId>, StoreError> {
        let first = match last.map(|last| last.checked_add(1)) {
            None => 0,
            Some(Some(first)) => first,
            Some(None) => return Ok(Vec::new()),
        };
        let mut ids = Vec::new();
        for row in self.records.range(first..)? {
            ids.push(row?.0.value());
        }
        Ok(ids)
    }

    /// Returns whether an image has this sign.
    pub(crate) fn has_sign(&self, sign: Sign) -> Result<bool, StoreError> {
        Ok(self.signs.get(sign.as_raw())?.is_some())
    }

    /// Returns whether an image has these file bytes.
    pub(crate) fn has_content(&self, content: &ContentHash) -> Result<bool, StoreError> {
        Ok(self.hashes.get(content.as_raw())?.is_some())
    }

    /// Returns the record of an image; `None` when there is none.
    pub(crate) fn read_record(&self, id: ImageId) -> Result<Option<StoredRecord>, StoreError> {
        let is_there = self.records.get(id)?.is_some();
        is_there.then(|| self.record(id)).transpose()
    }

    /// Returns the thumbnail of an image, given its record.
    pub(crate) fn read_thumbnail(
        &self,
        id: ImageId,
        record: &StoredRecord,
    ) -> Result<Vec<u8>, StoreError> {
        let thumbnail = self.thumbnails.get(id)?.map(|jpeg| jpeg.value().to_vec());
        thumbnail
            .filter(|jpeg| checksum(id, jpeg) == record.thumbnail_checksum)
            .ok_or_else(|| StoreError::damaged(format!("the thumbnail of image {id}")))
    }

    /// Returns the encoded features of an image; `None` when it has none.
    pub(crate) fn read_features(&self, id: ImageId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.features.get(id)?.map(|bytes| bytes.value().to_vec()))
    }
}
