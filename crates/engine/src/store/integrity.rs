//! Checks at open that every image can be found by its number, its sign and its hash.
//!
//! A damaged inner page of a table can make redb miss rows that are there. So every key of the
//! tables is looked up once, and the rows are compared with the records: a library that opens
//! finds all that it has. Cost: three look-ups and three hashes of up to 200 bytes per image; the
//! test `the_cost_of_opening` measures it. Features, thumbnails and previews are checked when they are
//! read.

use redb::{ReadableTable, ReadableTableMetadata, TableError};

use crate::identity::ImageId;

use super::checksum::{Digest, checksum};
use super::error::{StoreError, caught};
use super::record::StoredRecord;
use super::snapshot::Snapshot;
use super::tables::{PREVIEWS, THUMBNAILS};

// === impl Snapshot ===

impl Snapshot {
    /// Reads every record like [`Snapshot::for_each_record`], and the signs and hashes; looks up
    /// each of their keys.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a row is missing, cannot be found, or is not what was written.
    pub(crate) fn check_each_record(
        &self,
        mut each: impl FnMut(ImageId, &StoredRecord),
    ) -> Result<(), StoreError> {
        let (mut signs, mut hashes) = (Digest::default(), Digest::default());
        let (mut unreachable, mut previews) = (None, 0);
        self.for_each_record(|id, record| {
            each(id, record);
            previews += u64::from(record.preview_checksum.is_some());
            signs.add(checksum(id, &record.sign.as_raw().to_le_bytes()));
            hashes.add(checksum(id, record.content.as_raw()));
            // One record that cannot be found is enough for the error.
            if unreachable.is_none() && !matches!(self.has_record(id), Ok(true)) {
                unreachable = Some((id, record.sign));
            }
        })?;
        if let Some((id, sign)) = unreachable {
            return Err(not_found(&format!("the record of image {id}, sign {sign}")));
        }
        self.check_signs(signs)?;
        self.check_hashes(hashes)?;
        self.check_lengths(previews)
    }

    fn has_record(&self, id: ImageId) -> Result<bool, StoreError> {
        caught(|| Ok(self.records.get(id)?.is_some()))
    }

    fn check_signs(&self, expected: Digest) -> Result<(), StoreError> {
        caught(|| {
            let mut digest = Digest::default();
            for row in self.signs.iter()? {
                let (sign, id) = row?;
                let (sign, id) = (sign.value(), id.value());
                digest.add(checksum(id, &sign.to_le_bytes()));
                if self.signs.get(sign)?.is_none() {
                    return Err(not_found(&format!("a sign of image {id}")));
                }
            }
            equal("signs", digest, expected)
        })
    }

    fn check_hashes(&self, expected: Digest) -> Result<(), StoreError> {
        caught(|| {
            let mut digest = Digest::default();
            for row in self.hashes.iter()? {
                let (hash, id) = row?;
                let (hash, id) = (hash.value(), id.value());
                digest.add(checksum(id, &hash));
                if self.hashes.get(hash)?.is_none() {
                    return Err(not_found(&format!("the hash of image {id}")));
                }
            }
            equal("hashes", digest, expected)
        })
    }

    /// Compares the lengths that redb keeps with the number of images, and of those with a preview.
    fn check_lengths(&self, previews: u64) -> Result<(), StoreError> {
        let images = self.totals()?.images;
        caught(|| {
            let thumbnails = self.transaction.open_table(THUMBNAILS)?.len()?;
            let stored_previews = match self.transaction.open_table(PREVIEWS) {
                Ok(table) => table.len()?,
                // An earlier version made the library, and nothing was written since.
                Err(TableError::TableDoesNotExist(_)) => 0,
                Err(error) => return Err(error.into()),
            };
            let lengths = [
                ("records", self.records.len()?, images),
                ("signs", self.signs.len()?, images),
                ("hashes", self.hashes.len()?, images),
                ("thumbnails", thumbnails, images),
                ("previews", stored_previews, previews),
            ];
            match lengths
                .into_iter()
                .find(|(_, found, expected)| found != expected)
            {
                None => Ok(()),
                Some((table, found, expected)) => Err(StoreError::damaged(format!(
                    "the table `{table}` has {found} rows instead of {expected}"
                ))),
            }
        })
    }
}

fn not_found(what: &str) -> StoreError {
    StoreError::damaged(format!("{what} is stored but cannot be found"))
}

fn equal(table: &str, digest: Digest, expected: Digest) -> Result<(), StoreError> {
    if digest == expected {
        return Ok(());
    }
    Err(StoreError::damaged(format!(
        "the table `{table}` does not match the records"
    )))
}
