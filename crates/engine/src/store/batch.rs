//! The writes of one transaction: what adding, changing and deleting mean for the tables.
//!
//! Later writes of a batch see the earlier ones. A [`WriteError::Storage`] ends the batch and takes
//! all of it back; any other error is the response to one write and leaves the others alone.

use std::time::SystemTime;

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use crate::catalog::{self, Entry, ImageId};
use crate::identity::{ContentHash, Sign};
use crate::memory::Changes;
use crate::prepare::Prepared;
use crate::store::{
    FEATURES, HASHES, META, RECORDS, SIGNS, StoreError, StoredRecord, THUMBNAILS, WriteError,
};
use crate::tags::Tags;

/// The largest brief, in bytes: room for ids and short texts, rejected beyond (the same_hq service
/// itself allows 256).
pub const MAX_BRIEF_BYTES: usize = 4096;

/// Which stored image an update or a delete means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The image that was given this sign.
    Sign(Sign),
    /// The image with exactly these file bytes; a similar image is another one.
    Content(ContentHash),
}

/// What the caller says about a new image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Free text that searches return, at most 4096 bytes.
    pub brief: String,
    /// Up to [`crate::MAX_TAGS`] tags of 1 to 65535; equal ones are allowed.
    pub tags: Vec<u16>,
}

/// What an update replaces; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new brief, at most 4096 bytes.
    pub brief: Option<String>,
    /// The new tags in place of all old ones, under the rules of [`NewRecord::tags`].
    pub tags: Option<Vec<u16>>,
}

/// The answer to an add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The image's sign; for a duplicate that of the stored image.
    pub sign: Sign,
    /// Whether the same bytes were stored already; then the stored record is unchanged.
    pub existed: bool,
}

/// The tables of one write transaction.
pub(crate) struct Batch<'txn> {
    meta: Table<'txn, &'static str, u64>,
    hashes: Table<'txn, [u8; 32], u32>,
    signs: Table<'txn, u64, u32>,
    records: Table<'txn, u32, &'static [u8]>,
    features: Table<'txn, u32, &'static [u8]>,
    thumbnails: Table<'txn, u32, &'static [u8]>,
    capacity: u64,
    changes: Changes,
}

// === impl Batch ===

impl<'txn> Batch<'txn> {
    pub(super) fn open(
        transaction: &'txn WriteTransaction,
        capacity: u64,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            hashes: transaction.open_table(HASHES)?,
            signs: transaction.open_table(SIGNS)?,
            records: transaction.open_table(RECORDS)?,
            features: transaction.open_table(FEATURES)?,
            thumbnails: transaction.open_table(THUMBNAILS)?,
            capacity,
            changes: Changes::default(),
        })
    }

    /// Closes the tables and tells what the memory has to carry over.
    pub(super) fn finish(self) -> Changes {
        self.changes
    }

    pub(crate) fn add(&mut self, image: &Prepared, new: &NewRecord) -> Result<Added, WriteError> {
        let tags = checked_tags(&new.tags)?;
        check_brief(&new.brief)?;
        if let Some(id) = self.find(&Target::Content(image.content))? {
            let sign = self.record(id)?.sign;
            return Ok(Added {
                sign,
                existed: true,
            });
        }
        if self.records.len().map_err(StoreError::from)? >= self.capacity {
            return Err(WriteError::Full {
                capacity: self.capacity,
            });
        }

        let id = self.next_id()?;
        let record = StoredRecord {
            sign: self.free_sign(&image.content)?,
            content: image.content,
            size_bytes: image.size_bytes,
            width: image.width,
            height: image.height,
            added_at_ms: now_ms(),
            pdq: image.pdq,
            pdq_quality: image.pdq_quality,
            tags,
            brief: new.brief.clone(),
        };
        self.insert(id, &record, image)?;
        Ok(Added {
            sign: record.sign,
            existed: false,
        })
    }

    pub(crate) fn update(&mut self, target: &Target, change: &Change) -> Result<Sign, WriteError> {
        let tags = change.tags.as_deref().map(checked_tags).transpose()?;
        change.brief.as_deref().map_or(Ok(()), check_brief)?;
        let id = self.find(target)?.ok_or(WriteError::NotFound)?;

        let mut record = self.record(id)?;
        if let Some(tags) = tags {
            record.tags = tags;
        }
        if let Some(brief) = &change.brief {
            record.brief.clone_from(brief);
        }
        self.write_record(id, &record)?;
        self.changes
            .catalog
            .push(catalog::Change::Tag(id, record.tags));
        Ok(record.sign)
    }

    /// Deletes one image; returns its sign, or `None` when there is no such image.
    pub(crate) fn delete(&mut self, target: &Target) -> Result<Option<Sign>, WriteError> {
        let Some(id) = self.find(target)? else {
            return Ok(None);
        };
        let record = self.record(id)?;
        self.remove(id, &record)?;
        Ok(Some(record.sign))
    }

    fn find(&self, target: &Target) -> Result<Option<ImageId>, StoreError> {
        let id = match target {
            Target::Sign(sign) => self.signs.get(sign.as_raw())?,
            Target::Content(content) => self.hashes.get(content.as_raw())?,
        };
        Ok(id.map(|id| id.value()))
    }

    fn record(&self, id: ImageId) -> Result<StoredRecord, StoreError> {
        let bytes = self
            .records
            .get(id)?
            .ok_or_else(|| StoreError::damaged(format!("image {id} has no record")))?;
        StoredRecord::decode(bytes.value())
    }

    /// Takes the next image number. Numbers are not reused, since a search may still hold one
    /// whose image has just been deleted.
    fn next_id(&mut self) -> Result<ImageId, StoreError> {
        let next = self.meta.get("next_id")?.map_or(0, |next| next.value());
        let id = ImageId::try_from(next).map_err(|_| StoreError::OutOfNumbers)?;
        self.meta.insert("next_id", next + 1)?;
        Ok(id)
    }

    /// Returns the content's own sign, or the next one that no other file owns.
    fn free_sign(&self, content: &ContentHash) -> Result<Sign, StoreError> {
        let mut sign = content.first_sign();
        while self.signs.get(sign.as_raw())?.is_some() {
            sign = sign.next();
        }
        Ok(sign)
    }

    fn insert(
        &mut self,
        id: ImageId,
        record: &StoredRecord,
        image: &Prepared,
    ) -> Result<(), StoreError> {
        self.hashes.insert(record.content.as_raw(), id)?;
        self.signs.insert(record.sign.as_raw(), id)?;
        self.write_record(id, record)?;
        if !image.features.is_empty() {
            self.features.insert(id, image.features.as_slice())?;
            self.changes.features.push((id, image.features.clone()));
        }
        self.thumbnails.insert(id, image.thumbnail.as_slice())?;
        self.changes.catalog.push(catalog::Change::Add(Entry {
            id,
            hash: record.pdq,
            quality: record.pdq_quality,
            tags: record.tags,
        }));
        Ok(())
    }

    fn remove(&mut self, id: ImageId, record: &StoredRecord) -> Result<(), StoreError> {
        self.hashes.remove(record.content.as_raw())?;
        self.signs.remove(record.sign.as_raw())?;
        self.records.remove(id)?;
        self.features.remove(id)?;
        self.thumbnails.remove(id)?;
        self.changes.catalog.push(catalog::Change::Remove(id));
        Ok(())
    }

    fn write_record(&mut self, id: ImageId, record: &StoredRecord) -> Result<(), StoreError> {
        self.records.insert(id, record.encode().as_slice())?;
        Ok(())
    }
}

fn checked_tags(tags: &[u16]) -> Result<Tags, WriteError> {
    Tags::new(tags).ok_or(WriteError::InvalidTags)
}

fn check_brief(brief: &str) -> Result<(), WriteError> {
    if brief.len() > MAX_BRIEF_BYTES {
        return Err(WriteError::BriefTooLong { bytes: brief.len() });
    }
    Ok(())
}

/// A clock before 1970 counts as 1970: the time is shown to people and decides nothing.
fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
