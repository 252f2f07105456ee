//! Reading the last committed state of the library.

use std::ops::Bound;

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};

use crate::catalog::{Catalog, Change, Entry, PictureId};
use crate::identity::{ContentHash, Sign};
use crate::store::{FEATURES, HASHES, RECORDS, SIGNS, StoreError, StoredRecord, THUMBNAILS};

/// One committed state; later writes do not show in it.
pub(crate) struct Snapshot {
    transaction: ReadTransaction,
    hashes: ReadOnlyTable<[u8; 32], u32>,
    signs: ReadOnlyTable<u64, u32>,
    records: ReadOnlyTable<u32, &'static [u8]>,
}

// === impl Snapshot ===

impl Snapshot {
    pub(super) fn of(database: &Database) -> Result<Self, StoreError> {
        let transaction = database.begin_read()?;
        Ok(Self {
            hashes: transaction.open_table(HASHES)?,
            signs: transaction.open_table(SIGNS)?,
            records: transaction.open_table(RECORDS)?,
            transaction,
        })
    }

    pub(crate) fn by_content(
        &self,
        content: &ContentHash,
    ) -> Result<Option<PictureId>, StoreError> {
        Ok(self.hashes.get(content.as_raw())?.map(|id| id.value()))
    }

    pub(crate) fn by_sign(&self, sign: Sign) -> Result<Option<PictureId>, StoreError> {
        Ok(self.signs.get(sign.as_raw())?.map(|id| id.value()))
    }

    pub(crate) fn record(&self, id: PictureId) -> Result<Option<StoredRecord>, StoreError> {
        let Some(bytes) = self.records.get(id)? else {
            return Ok(None);
        };
        StoredRecord::decode(bytes.value()).map(Some)
    }

    pub(crate) fn thumbnail(&self, id: PictureId) -> Result<Option<Vec<u8>>, StoreError> {
        let thumbnails = self.transaction.open_table(THUMBNAILS)?;
        Ok(thumbnails.get(id)?.map(|jpeg| jpeg.value().to_vec()))
    }

    /// Reads every record into a new catalog: about 150 bytes of disk a picture.
    pub(crate) fn catalog(&self) -> Result<Catalog, StoreError> {
        let mut catalog = Catalog::default();
        for row in self.records.iter()? {
            let (id, bytes) = row?;
            let record = StoredRecord::decode(bytes.value())?;
            catalog.apply(Change::Add(Entry {
                id: id.value(),
                hash: record.pdq,
                quality: record.pdq_quality,
                tags: record.tags,
            }));
        }
        Ok(catalog)
    }

    /// Hands over the stored features of every picture above `after`, by number; of all with `None`.
    pub(crate) fn features_after(
        &self,
        after: Option<PictureId>,
        mut each: impl FnMut(PictureId, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let features = self.transaction.open_table(FEATURES)?;
        for row in features.range((start, Bound::Unbounded))? {
            let (id, record) = row?;
            each(id.value(), record.value())?;
        }
        Ok(())
    }
}
