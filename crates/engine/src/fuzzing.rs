//! Entry points for the fuzz targets (`crates/engine/fuzz`) into private parts; compiled only for
//! them.

use crate::decode::{DecodeError, DecodedImage, MAX_SIDE};
use crate::prepare::{PreparedImage, PreparedQuery};
use crate::store::{StoredRecord, decode_fields};

/// Prepares a file for an add and for a search, and decodes it at half of its sides, as large files
/// are; returns the results.
pub fn prepare(bytes: &[u8]) -> [Result<(), DecodeError>; 3] {
    [
        PreparedImage::new(bytes, MAX_SIDE).map(drop),
        PreparedQuery::new(bytes, MAX_SIDE).map(drop),
        DecodedImage::decode_for(1, bytes, MAX_SIDE).map(drop),
    ]
}

/// Decodes the fields of a stored record.
///
/// # Panics
///
/// When a decoded record is different after it is encoded and decoded again.
pub fn read_record(bytes: &[u8]) {
    if let Some(record) = decode_fields(bytes) {
        let again = StoredRecord::decode(0, &record.encode(0));
        assert_eq!(again, Some(record));
    }
}
