//! Reads the last committed state of the library.
//!
//! Each read turns a panic of redb on a damaged page into an error. A panic elsewhere in a search
//! is no error of the library file.

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};

use crate::identity::{ContentHash, ImageId, LibraryId, Sign};

use super::changes::ImageSummary;
use super::error::{StoreError, caught};
use super::record::StoredRecord;
use super::tables::{FEATURES, HASHES, META, RECORDS, SIGNS, THUMBNAILS};

/// One committed state; later writes are not visible in it.
pub(crate) struct Snapshot {
    transaction: ReadTransaction,
    hashes: ReadOnlyTable<[u8; 32], u32>,
    signs: ReadOnlyTable<u64, u32>,
    records: ReadOnlyTable<u32, &'static [u8]>,
    features: ReadOnlyTable<u32, &'static [u8]>,
    meta: ReadOnlyTable<&'static str, u64>,
}

// === impl Snapshot ===

impl Snapshot {
    pub(super) fn of(database: &Database) -> Result<Self, StoreError> {
        caught(|| {
            let transaction = database.begin_read()?;
            Ok(Self {
                hashes: transaction.open_table(HASHES)?,
                signs: transaction.open_table(SIGNS)?,
                records: transaction.open_table(RECORDS)?,
                features: transaction.open_table(FEATURES)?,
                meta: transaction.open_table(META)?,
                transaction,
            })
        })
    }

    pub(crate) fn by_content(&self, content: &ContentHash) -> Result<Option<ImageId>, StoreError> {
        caught(|| Ok(self.hashes.get(content.as_raw())?.map(|id| id.value())))
    }

    pub(crate) fn by_sign(&self, sign: Sign) -> Result<Option<ImageId>, StoreError> {
        caught(|| Ok(self.signs.get(sign.as_raw())?.map(|id| id.value())))
    }

    pub(crate) fn record(&self, id: ImageId) -> Result<Option<StoredRecord>, StoreError> {
        caught(|| {
            let Some(bytes) = self.records.get(id)? else {
                return Ok(None);
            };
            StoredRecord::decode(bytes.value()).map(Some)
        })
    }

    pub(crate) fn thumbnail(&self, id: ImageId) -> Result<Option<Vec<u8>>, StoreError> {
        caught(|| {
            let thumbnails = self.transaction.open_table(THUMBNAILS)?;
            Ok(thumbnails.get(id)?.map(|jpeg| jpeg.value().to_vec()))
        })
    }

    /// Reads every record, in the order of image numbers: about 150 bytes of disk per image.
    pub(crate) fn for_each_summary(
        &self,
        mut each: impl FnMut(ImageSummary),
    ) -> Result<(), StoreError> {
        caught(|| {
            for row in self.records.iter()? {
                let (id, bytes) = row?;
                let record = StoredRecord::decode(bytes.value())?;
                each(ImageSummary {
                    id: id.value(),
                    pdq: record.pdq,
                    pdq_quality: record.pdq_quality,
                    tags: record.tags,
                });
            }
            Ok(())
        })
    }

    /// Lists the numbers of all images that have a record, in order.
    pub(crate) fn image_ids(&self) -> Result<Vec<ImageId>, StoreError> {
        caught(|| {
            let mut ids = Vec::new();
            for row in self.records.iter()? {
                ids.push(row?.0.value());
            }
            Ok(ids)
        })
    }

    /// Lists the numbers of all images that have a sign.
    pub(crate) fn named_ids(&self) -> Result<Vec<ImageId>, StoreError> {
        caught(|| {
            let mut ids = Vec::new();
            for row in self.signs.iter()? {
                ids.push(row?.1.value());
            }
            Ok(ids)
        })
    }

    /// Passes the stored features of an image to `read`; returns `None` when it has none.
    pub(crate) fn features<T>(
        &self,
        id: ImageId,
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        caught(|| {
            let record = self.features.get(id)?;
            record.map(|record| read(record.value())).transpose()
        })
    }

    /// Returns the number of the next image: neither it nor a higher number was ever used.
    pub(crate) fn next_id(&self) -> Result<u64, StoreError> {
        caught(|| Ok(self.meta.get("next_id")?.map_or(0, |next| next.value())))
    }

    /// Returns the identity of this library.
    pub(crate) fn library_id(&self) -> Result<LibraryId, StoreError> {
        let id = caught(|| {
            let library = self.meta.get("library")?;
            Ok(library.map(|library| LibraryId::from_raw(library.value())))
        })?;
        id.ok_or_else(|| StoreError::damaged("the library's number is missing"))
    }

    /// Ends the read; dropping it does the same, but may panic.
    pub(super) fn close(self) -> Result<(), StoreError> {
        caught(|| {
            drop(self);
            Ok(())
        })
    }
}
