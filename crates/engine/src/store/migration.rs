//! Converts a library of format 1, which has no checksums, into one of format 2.
//!
//! One transaction: after a crash the library still has format 1, and the next open starts again.
//! redb's page checksums are verified before, so that damage of the old file does not get a valid
//! checksum. Cost: reads the whole file twice, about 20 kB per image.

use redb::{Database, ReadableTable};

use crate::identity::ImageId;

use super::checksum::checksum;
use super::error::StoreError;
use super::record::{StoredRecord, checksum_of, from_format_1};
use super::tables::{FEATURES, META, RECORDS, THUMBNAILS};
use super::totals::{FORMAT, FORMAT_KEY, Totals};

/// Converts the file; it has format 2 when this returns without an error.
pub(super) fn migrate(database: &mut Database) -> Result<(), StoreError> {
    tracing::info!("converting the library file to a newer format");
    database.check_integrity()?;

    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    let images = {
        let mut meta = transaction.open_table(META)?;
        let mut records = transaction.open_table(RECORDS)?;
        let features = transaction.open_table(FEATURES)?;
        let thumbnails = transaction.open_table(THUMBNAILS)?;

        let mut totals = Totals::read_format_1(&meta)?;
        let mut ids: Vec<ImageId> = Vec::new();
        for row in records.iter()? {
            ids.push(row?.0.value());
        }
        for id in ids {
            let stored = |table: &redb::Table<'_, u32, &'static [u8]>| {
                let row = table.get(id)?;
                let bytes = row.as_ref().map_or(&[][..], |row| row.value());
                Ok::<_, StoreError>(checksum(id, bytes))
            };
            let checksums = [stored(&features)?, stored(&thumbnails)?];
            let old = records.get(id)?.map(|row| row.value().to_vec());
            let record = old
                .and_then(|old| from_format_1(id, &old, checksums))
                .filter(|record| StoredRecord::decode(id, record).is_some())
                .ok_or_else(|| {
                    StoreError::damaged(format!("the record of image {id} cannot be read"))
                })?;
            records.insert(id, record.as_slice())?;
            totals.images += 1;
            totals.digest.add(checksum_of(&record));
        }
        totals.write(&mut meta)?;
        meta.insert(FORMAT_KEY, FORMAT)?;
        totals.images
    };
    transaction.commit()?;
    tracing::info!(images, "library file converted");
    Ok(())
}
