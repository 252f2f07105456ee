//! Entry points for the fuzz targets (`crates/engine/fuzz`) into private parts; compiled only for
//! them.

use crate::decode::DecodeError;
use crate::prepare::{PreparedImage, PreparedQuery};
use crate::store::StoredRecord;

/// Prepares a file for an add and for a search; returns both results.
pub fn prepare(bytes: &[u8]) -> (Result<(), DecodeError>, Result<(), DecodeError>) {
    (
        PreparedImage::new(bytes).map(drop),
        PreparedQuery::new(bytes).map(drop),
    )
}

/// Decodes a stored record.
///
/// # Panics
///
/// When a decoded record is different after it is encoded and decoded again.
pub fn read_record(bytes: &[u8]) {
    if let Ok(record) = StoredRecord::decode(bytes) {
        let again = StoredRecord::decode(&record.encode()).ok();
        assert_eq!(again, Some(record));
    }
}
