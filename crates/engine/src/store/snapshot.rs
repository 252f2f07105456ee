//! Reads the last committed state of the library.
//!
//! Everything that is read is checked: a record by its checksum, features, thumbnail and preview by
//! their checksums in the record, a row of `signs` or `hashes` by the record that it leads to. What fails
//! is an error that names the image; so is what the tables must have and do not. Each read turns a
//! panic of redb on a damaged page into an error. A panic elsewhere in a search is no error of the
//! library file.

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};

use crate::identity::{ContentHash, ImageId, LibraryId, Sign};

use super::checksum::{Digest, checksum};
use super::error::{StoreError, caught};
use super::record::{StoredRecord, checksum_of};
use super::tables::{FEATURES, HASHES, META, PREVIEWS, RECORDS, SIGNS, THUMBNAILS};
use super::totals::Totals;

/// One committed state; later writes are not visible in it.
pub(crate) struct Snapshot {
    pub(super) transaction: ReadTransaction,
    pub(super) hashes: ReadOnlyTable<[u8; 32], u32>,
    pub(super) signs: ReadOnlyTable<u64, u32>,
    pub(super) records: ReadOnlyTable<u32, &'static [u8]>,
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

    /// Returns the image with these file bytes.
    pub(crate) fn by_content(
        &self,
        content: &ContentHash,
    ) -> Result<Option<(ImageId, StoredRecord)>, StoreError> {
        let id = caught(|| Ok(self.hashes.get(content.as_raw())?.map(|id| id.value())));
        let id = id.map_err(|error| error.within(|| format!("the hash {content:?}")))?;
        self.checked(
            id,
            |record| record.content == *content,
            || format!("the hash {content:?}"),
        )
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

    /// Returns the image with this sign.
    pub(crate) fn by_sign(
        &self,
        sign: Sign,
    ) -> Result<Option<(ImageId, StoredRecord)>, StoreError> {
        let id = caught(|| Ok(self.signs.get(sign.as_raw())?.map(|id| id.value())));
        let id = id.map_err(|error| error.within(|| format!("the sign {sign}")))?;
        self.checked(
            id,
            |record| record.sign == sign,
            || format!("the sign {sign}"),
        )
    }

    /// Returns the record of an image; `None` when it was deleted.
    pub(crate) fn record(&self, id: ImageId) -> Result<Option<StoredRecord>, StoreError> {
        let record = caught(|| {
            let Some(bytes) = self.records.get(id)? else {
                // Every stored image has a thumbnail, and a page has rows of one table only.
                return match self.thumbnail_bytes(id)? {
                    Some(_) => Err(StoreError::damaged("missing")),
                    None => Ok(None),
                };
            };
            let record = StoredRecord::decode(id, bytes.value());
            record.map_or_else(|| Err(wrong_checksum()), |record| Ok(Some(record)))
        });
        record.map_err(|error| error.within(|| format!("the record of {}", self.name(id))))
    }

    /// Returns the thumbnail of an image, given its record.
    pub(crate) fn thumbnail(
        &self,
        id: ImageId,
        record: &StoredRecord,
    ) -> Result<Vec<u8>, StoreError> {
        let thumbnail = caught(|| match self.thumbnail_bytes(id)? {
            Some(bytes) if checksum(id, &bytes) == record.thumbnail_checksum => Ok(bytes),
            Some(_) => Err(wrong_checksum()),
            None => Err(StoreError::damaged("missing")),
        });
        thumbnail.map_err(|error| error.within(|| format!("the thumbnail of {}", self.name(id))))
    }

    /// Returns the preview of an image, given its record; `None` when it has none.
    pub(crate) fn preview(
        &self,
        id: ImageId,
        record: &StoredRecord,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(expected) = record.preview_checksum else {
            return Ok(None);
        };
        let preview = caught(|| {
            let previews = self.transaction.open_table(PREVIEWS)?;
            match previews.get(id)?.map(|jpeg| jpeg.value().to_vec()) {
                Some(bytes) if checksum(id, &bytes) == expected => Ok(Some(bytes)),
                Some(_) => Err(wrong_checksum()),
                None => Err(StoreError::damaged("missing")),
            }
        });
        preview.map_err(|error| error.within(|| format!("the preview of {}", self.name(id))))
    }

    /// Passes the stored features of an image to `read`; returns `None` when it has none or was
    /// deleted.
    pub(crate) fn features<T>(
        &self,
        id: ImageId,
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let Some(record) = self.record(id)? else {
            return Ok(None);
        };
        let features = caught(|| {
            let row = self.features.get(id)?;
            let bytes = row.as_ref().map_or(&[][..], |row| row.value());
            if checksum(id, bytes) != record.features_checksum {
                return Err(wrong_checksum());
            }
            row.as_ref().map(|row| read(row.value())).transpose()
        });
        features.map_err(|error| error.within(|| format!("the features of {}", self.name(id))))
    }

    /// Reads every record, in the order of image numbers: about 170 bytes of disk per image.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] also when the records are not exactly those that were written.
    pub(crate) fn for_each_record(
        &self,
        mut each: impl FnMut(ImageId, &StoredRecord),
    ) -> Result<(), StoreError> {
        let totals = self.totals()?;
        let (mut images, mut digest, mut last) = (0, Digest::default(), None);
        caught(|| {
            for row in self.records.iter()? {
                let (id, bytes) = row?;
                let (id, bytes) = (id.value(), bytes.value());
                let record = StoredRecord::decode(id, bytes).ok_or_else(|| {
                    wrong_checksum().within(|| format!("the record of {}", self.name(id)))
                })?;
                if last.is_some_and(|last| last >= id) {
                    return Err(StoreError::damaged(format!("image {id} is out of order")));
                }
                last = Some(id);
                images += 1;
                digest.add(checksum_of(bytes));
                each(id, &record);
            }
            Ok(())
        })?;
        if (images, digest) != (totals.images, totals.digest) {
            return Err(StoreError::damaged(format!(
                "the table `records` has {images} images instead of {}, or old ones",
                totals.images
            )));
        }
        Ok(())
    }

    /// Returns the number of the next image: neither it nor a higher number was ever used.
    pub(crate) fn next_id(&self) -> Result<u64, StoreError> {
        Ok(self.totals()?.next_id)
    }

    /// Returns the identity of this library.
    pub(crate) fn library_id(&self) -> Result<LibraryId, StoreError> {
        Ok(self.totals()?.library)
    }

    pub(super) fn totals(&self) -> Result<Totals, StoreError> {
        caught(|| Totals::read(&self.meta))
    }

    /// Ends the read; dropping it does the same, but may panic.
    pub(super) fn close(self) -> Result<(), StoreError> {
        caught(|| {
            drop(self);
            Ok(())
        })
    }

    /// Reads the record that a sign or a hash leads to; one that is not theirs is an error.
    fn checked(
        &self,
        id: Option<ImageId>,
        is_right: impl FnOnce(&StoredRecord) -> bool,
        what: impl FnOnce() -> String,
    ) -> Result<Option<(ImageId, StoredRecord)>, StoreError> {
        let Some(id) = id else { return Ok(None) };
        match self.record(id)?.filter(is_right) {
            Some(record) => Ok(Some((id, record))),
            None => Err(StoreError::damaged("it leads to another image").within(what)),
        }
    }

    fn thumbnail_bytes(&self, id: ImageId) -> Result<Option<Vec<u8>>, StoreError> {
        let thumbnails = self.transaction.open_table(THUMBNAILS)?;
        Ok(thumbnails.get(id)?.map(|jpeg| jpeg.value().to_vec()))
    }

    /// Names an image for an error: its number and, as far as it can be read, its sign.
    fn name(&self, id: ImageId) -> String {
        let sign = caught(|| {
            for row in self.signs.iter()? {
                let (sign, owner) = row?;
                if owner.value() == id {
                    return Ok(Some(Sign::from_raw(sign.value())));
                }
            }
            Ok(None)
        });
        match sign {
            Ok(Some(sign)) => format!("image {id}, sign {sign}"),
            // The damage that is reported is that of the image.
            Ok(None) | Err(_) => format!("image {id}"),
        }
    }
}

fn wrong_checksum() -> StoreError {
    StoreError::damaged("wrong checksum")
}
