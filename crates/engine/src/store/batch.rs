//! The writes of one transaction: how an add, an update and a delete change the tables.
//!
//! Later writes of a batch see the earlier ones. [`WriteError::Storage`] aborts the whole batch.
//! Any other error is the result of one write and does not affect the others.

mod reads;

use std::time::SystemTime;

use redb::{ReadableTable, Table, WriteTransaction};

use crate::identity::{ContentHash, ImageId, Sign};
use crate::prepare::PreparedImage;
use crate::tags::Tags;

use super::changes::{Changes, ImageChange};
use super::error::{StoreError, WriteError};
use super::record::{StoredRecord, checksum_of};
use super::requests::{Added, MAX_BRIEF_BYTES, NewRecord, RecordUpdate, Target};
use super::tables::{FEATURES, HASHES, META, PREVIEWS, RECORDS, SIGNS, THUMBNAILS};
use super::totals::{FORMAT_KEY, FORMAT_WITH_PREVIEWS, Totals};

/// The tables of one write transaction.
pub(crate) struct Batch<'txn> {
    meta: Table<'txn, &'static str, u64>,
    hashes: Table<'txn, [u8; 32], u32>,
    signs: Table<'txn, u64, u32>,
    records: Table<'txn, u32, &'static [u8]>,
    features: Table<'txn, u32, &'static [u8]>,
    thumbnails: Table<'txn, u32, &'static [u8]>,
    previews: Table<'txn, u32, &'static [u8]>,
    /// Written back at the end of the batch.
    totals: Totals,
    capacity: u64,
    /// The reserve of the disk that is violated, so that images cannot be added.
    violated_reserve: Option<u64>,
    /// Whether to commit although nothing changes.
    is_forced: bool,
    changes: Changes,
}

/// The result of an insertion.
pub(crate) enum Inserted {
    /// The image is added, with this sign.
    New(Sign),
    /// Its content was stored before, with this record.
    Existing(StoredRecord),
}

// === impl Batch ===

impl<'txn> Batch<'txn> {
    pub(super) fn open(
        transaction: &'txn WriteTransaction,
        capacity: u64,
    ) -> Result<Self, StoreError> {
        let meta = transaction.open_table(META)?;
        Ok(Self {
            totals: Totals::read(&meta)?,
            meta,
            hashes: transaction.open_table(HASHES)?,
            signs: transaction.open_table(SIGNS)?,
            records: transaction.open_table(RECORDS)?,
            features: transaction.open_table(FEATURES)?,
            thumbnails: transaction.open_table(THUMBNAILS)?,
            // Created where an earlier version made the library.
            previews: transaction.open_table(PREVIEWS)?,
            capacity,
            violated_reserve: None,
            is_forced: false,
            changes: Changes::default(),
        })
    }

    /// Rejects new images from here on: less than this reserve of the disk is free.
    pub(crate) fn reject_adds(&mut self, violated_reserve: u64) {
        self.violated_reserve = Some(violated_reserve);
    }

    /// Makes the transaction write to the disk even if nothing changes.
    pub(crate) fn force_commit(&mut self) {
        self.is_forced = true;
    }

    pub(super) fn has_changes(&self) -> bool {
        self.is_forced || !self.changes.images.is_empty()
    }

    /// Closes the tables and returns what changed.
    pub(super) fn finish(mut self) -> Result<Changes, StoreError> {
        if self.has_changes() {
            self.totals.write(&mut self.meta)?;
        }
        Ok(self.changes)
    }

    pub(crate) fn add(
        &mut self,
        image: &PreparedImage,
        new: &NewRecord,
    ) -> Result<Added, WriteError> {
        let record = StoredRecord {
            sign: image.content.first_sign(),
            content: image.content,
            size_bytes: image.size_bytes,
            width: image.width,
            height: image.height,
            added_at_ms: now_ms(),
            pdq: image.pdq,
            pdq_quality: image.pdq_quality,
            tags: checked_tags(&new.tags)?,
            features_checksum: 0,
            thumbnail_checksum: 0,
            preview_checksum: None,
            brief: new.brief.clone(),
        };
        let values = [&image.features[..], &image.thumbnail, &image.preview];
        let stored = self.insert(record, values)?;
        Ok(match stored {
            Inserted::New(sign) => Added {
                sign,
                existed: false,
            },
            Inserted::Existing(record) => Added {
                sign: record.sign,
                existed: true,
            },
        })
    }

    /// Adds an image unless its content is stored. Its sign is that of the content, or the next free
    /// one; the checksums of the record are computed. Empty features and an empty preview mean none.
    pub(crate) fn insert(
        &mut self,
        mut record: StoredRecord,
        values: [&[u8]; 3],
    ) -> Result<Inserted, WriteError> {
        check_brief(&record.brief)?;
        if let Some((_, record)) = self.find(&Target::Content(record.content))? {
            return Ok(Inserted::Existing(record));
        }
        if self.totals.images >= self.capacity {
            return Err(WriteError::Full {
                capacity: self.capacity,
            });
        }
        if let Some(reserve) = self.violated_reserve {
            return Err(WriteError::DiskReserve { reserve });
        }

        let id = self.next_id()?;
        record.sign = self.free_sign(&record.content)?;
        let record = record.with_values(id, values);
        self.write_image(id, &record, values)?;
        let [features, ..] = values;
        if !features.is_empty() {
            self.changes.features.push((id, features.to_vec()));
        }
        Ok(Inserted::New(record.sign))
    }

    pub(crate) fn update(
        &mut self,
        target: &Target,
        update: &RecordUpdate,
    ) -> Result<Sign, WriteError> {
        update.check()?;
        let tags = update.tags.as_deref().map(checked_tags).transpose()?;
        let (id, mut record) = self.find(target)?.ok_or(WriteError::NotFound)?;

        if let Some(tags) = tags {
            record.tags = tags;
        }
        if let Some(brief) = &update.brief {
            record.brief.clone_from(brief);
        }
        self.write_record(id, &record)?;
        self.changes
            .images
            .push(ImageChange::Retagged(id, record.tags));
        Ok(record.sign)
    }

    /// Deletes one image; returns its sign, or `None` when there is no such image.
    pub(crate) fn delete(&mut self, target: &Target) -> Result<Option<Sign>, WriteError> {
        let Some((id, record)) = self.find(target)? else {
            return Ok(None);
        };
        self.remove(id, &record)?;
        Ok(Some(record.sign))
    }

    /// Deletes an image unless it is deleted already or its record is one that `admits` rejects by
    /// now; returns whether it did.
    pub(crate) fn delete_if(
        &mut self,
        id: ImageId,
        admits: impl FnOnce(&StoredRecord) -> bool,
    ) -> Result<bool, WriteError> {
        if self.records.get(id).map_err(StoreError::from)?.is_none() {
            return Ok(false);
        }
        let record = self.record(id)?;
        if !admits(&record) {
            return Ok(false);
        }
        // Checks that the sign and the hash are those of the image.
        self.delete(&Target::Sign(record.sign))?;
        Ok(true)
    }

    /// Adds an image under a number: a new one, or the one that it had in a backup. Empty features
    /// and an empty preview mean none.
    pub(crate) fn write_image(
        &mut self,
        id: ImageId,
        record: &StoredRecord,
        [features, thumbnail, preview]: [&[u8]; 3],
    ) -> Result<(), StoreError> {
        self.write_keys(id, record)?;
        self.write_record(id, record)?;
        self.totals.images += 1;
        if !features.is_empty() {
            self.features.insert(id, features)?;
        }
        self.thumbnails.insert(id, thumbnail)?;
        if !preview.is_empty() {
            self.previews.insert(id, preview)?;
            self.meta.insert(FORMAT_KEY, FORMAT_WITH_PREVIEWS)?;
        }
        self.changes
            .images
            .push(ImageChange::Added(record.summary(id)));
        Ok(())
    }

    /// Sets the number of the next image.
    pub(crate) fn set_next_id(&mut self, next: u64) {
        self.totals.next_id = next;
    }

    /// Writes the sign and the hash of images again, as their records have them.
    pub(crate) fn restore_keys(&mut self, ids: &[ImageId]) -> Result<(), StoreError> {
        for id in ids {
            let record = self.record(*id)?;
            self.write_keys(*id, &record)?;
            let unchanged = ImageChange::Retagged(*id, record.tags);
            self.changes.images.push(unchanged);
        }
        Ok(())
    }

    /// Finds an image and checks that the three rows that identify it agree: a write to one of two
    /// images that a damaged row mixes up would damage the other too.
    fn find(&self, target: &Target) -> Result<Option<(ImageId, StoredRecord)>, StoreError> {
        let id = match target {
            Target::Sign(sign) => self.signs.get(sign.as_raw())?,
            Target::Content(content) => self.hashes.get(content.as_raw())?,
        };
        let Some(id) = id.map(|id| id.value()) else {
            return Ok(None);
        };
        let record = self.record(id)?;
        let by_sign = self.signs.get(record.sign.as_raw())?.map(|id| id.value());
        let by_content = self
            .hashes
            .get(record.content.as_raw())?
            .map(|id| id.value());
        let is_meant = match target {
            Target::Sign(sign) => *sign == record.sign,
            Target::Content(content) => *content == record.content,
        };
        if is_meant && by_sign == Some(id) && by_content == Some(id) {
            return Ok(Some((id, record)));
        }
        Err(StoreError::damaged(format!(
            "{target:?} leads to image {id} with {:?} and {:?}",
            record.sign, record.content
        )))
    }

    fn record(&self, id: ImageId) -> Result<StoredRecord, StoreError> {
        let bytes = self
            .records
            .get(id)?
            .ok_or_else(|| StoreError::damaged(format!("image {id} has no record")))?;
        StoredRecord::decode(id, bytes.value())
            .ok_or_else(|| StoreError::damaged(format!("the record of image {id}: wrong checksum")))
    }

    /// Allocates the next image number. Numbers are not reused, because a running search may still
    /// hold the number of a deleted image.
    fn next_id(&mut self) -> Result<ImageId, StoreError> {
        let id = ImageId::try_from(self.totals.next_id).map_err(|_| StoreError::OutOfNumbers)?;
        self.totals.next_id += 1;
        Ok(id)
    }

    /// Returns the sign of the content, or the next one that no other file has.
    fn free_sign(&self, content: &ContentHash) -> Result<Sign, StoreError> {
        let mut sign = content.first_sign();
        while let Some(owner) = self.signs.get(sign.as_raw())? {
            if self.record(owner.value())?.content == *content {
                return Err(StoreError::damaged(format!(
                    "the hash of image {}, sign {sign}, is missing",
                    owner.value()
                )));
            }
            sign = sign.next();
        }
        Ok(sign)
    }

    fn remove(&mut self, id: ImageId, record: &StoredRecord) -> Result<(), StoreError> {
        self.hashes.remove(record.content.as_raw())?;
        self.signs.remove(record.sign.as_raw())?;
        if let Some(record) = self.records.remove(id)? {
            self.totals.images -= 1;
            self.totals.digest.subtract(checksum_of(record.value()));
        }
        self.features.remove(id)?;
        self.thumbnails.remove(id)?;
        self.previews.remove(id)?;
        self.changes.images.push(ImageChange::Deleted(id));
        Ok(())
    }

    fn write_keys(&mut self, id: ImageId, record: &StoredRecord) -> Result<(), StoreError> {
        self.hashes.insert(record.content.as_raw(), id)?;
        self.signs.insert(record.sign.as_raw(), id)?;
        Ok(())
    }

    fn write_record(&mut self, id: ImageId, record: &StoredRecord) -> Result<(), StoreError> {
        let encoded = record.encode(id);
        let replaced = self.records.insert(id, encoded.as_slice())?;
        if let Some(replaced) = replaced {
            self.totals.digest.subtract(checksum_of(replaced.value()));
        }
        self.totals.digest.add(checksum_of(&encoded));
        Ok(())
    }
}

fn checked_tags(tags: &[u16]) -> Result<Tags, WriteError> {
    Tags::new(tags).ok_or(WriteError::InvalidTags)
}

impl RecordUpdate {
    /// Checks whether the new values may be stored.
    ///
    /// # Errors
    ///
    /// [`WriteError::BriefTooLong`], [`WriteError::InvalidTags`].
    pub fn check(&self) -> Result<(), WriteError> {
        self.tags
            .as_deref()
            .map_or(Ok(()), |tags| checked_tags(tags).map(drop))?;
        self.brief.as_deref().map_or(Ok(()), check_brief)
    }
}

fn check_brief(brief: &str) -> Result<(), WriteError> {
    if brief.len() > MAX_BRIEF_BYTES {
        return Err(WriteError::BriefTooLong { bytes: brief.len() });
    }
    Ok(())
}

/// Returns the time in milliseconds since 1970-01-01 UTC, and 0 for an earlier clock. The time is
/// only displayed.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
