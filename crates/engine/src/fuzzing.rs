//! Doors for the fuzz targets (`crates/engine/fuzz`) to what is private; compiled for them alone.

use crate::picture::DecodeError;
use crate::prepare::{Prepared, PreparedQuery};
use crate::store::StoredRecord;

/// Computes all that an add and all that a search needs of a file; returns how each ended.
pub fn prepare(bytes: &[u8]) -> (Result<(), DecodeError>, Result<(), DecodeError>) {
    (
        Prepared::new(bytes).map(drop),
        PreparedQuery::new(bytes).map(drop),
    )
}

/// Reads a stored record.
///
/// # Panics
///
/// When a record that can be read does not read the same once written again.
pub fn read_record(bytes: &[u8]) {
    if let Ok(record) = StoredRecord::decode(bytes) {
        let again = StoredRecord::decode(&record.encode()).ok();
        assert_eq!(again, Some(record));
    }
}
