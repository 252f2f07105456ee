//! What the table `meta` says about the whole library: its identity, the next number, and how many
//! records it must have.
//!
//! A damaged page can make a table shorter without any damaged row. The number of records and the
//! digest of their checksums show it. This module does not read the other tables.

use redb::{ReadableTable, Table};

use crate::identity::LibraryId;

use super::checksum::{Digest, checksum};
use super::error::StoreError;

/// The format of a library without previews.
pub(super) const FORMAT: u64 = 2;
/// The format of a library from its first preview on: versions that know none must not open it.
pub(super) const FORMAT_WITH_PREVIEWS: u64 = 3;
/// The row of the format.
pub(super) const FORMAT_KEY: &str = "format";

const LIBRARY: &str = "library";
const NEXT_ID: &str = "next_id";
const IMAGES: &str = "images";
const DIGEST: &str = "digest";
const CHECKSUM: &str = "checksum";

/// The totals of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) library: LibraryId,
    /// Number of the next image; a number is never reused.
    pub(super) next_id: u64,
    /// Number of records.
    pub(super) images: u64,
    /// Digest of the checksums of all records.
    pub(super) digest: Digest,
}

// === impl Totals ===

impl Totals {
    /// The totals of a library without images.
    pub(super) fn empty(library: LibraryId) -> Self {
        Self {
            library,
            next_id: 0,
            images: 0,
            digest: Digest::default(),
        }
    }

    pub(super) fn read(meta: &impl ReadableTable<&'static str, u64>) -> Result<Self, StoreError> {
        let totals = Self {
            library: LibraryId::from_raw(value(meta, LIBRARY)?),
            next_id: value(meta, NEXT_ID)?,
            images: value(meta, IMAGES)?,
            digest: Digest(value(meta, DIGEST)?),
        };
        if value(meta, CHECKSUM)? != totals.checksum() {
            return Err(StoreError::damaged("the table `meta` has a wrong checksum"));
        }
        Ok(totals)
    }

    /// Reads the identity and the next number from a library of format 1.
    pub(super) fn read_format_1(
        meta: &impl ReadableTable<&'static str, u64>,
    ) -> Result<Self, StoreError> {
        let mut totals = Self::empty(LibraryId::from_raw(value(meta, LIBRARY)?));
        // The first image of a library wrote the row.
        totals.next_id = meta.get(NEXT_ID)?.map_or(0, |next| next.value());
        Ok(totals)
    }

    pub(super) fn write(&self, meta: &mut Table<'_, &'static str, u64>) -> Result<(), StoreError> {
        meta.insert(LIBRARY, self.library.as_raw())?;
        meta.insert(NEXT_ID, self.next_id)?;
        meta.insert(IMAGES, self.images)?;
        meta.insert(DIGEST, self.digest.0)?;
        meta.insert(CHECKSUM, self.checksum())?;
        Ok(())
    }

    fn checksum(&self) -> u64 {
        let values = [
            self.library.as_raw(),
            self.next_id,
            self.images,
            self.digest.0,
        ];
        checksum(0, values.map(u64::to_le_bytes).as_flattened())
    }
}

fn value(
    meta: &impl ReadableTable<&'static str, u64>,
    key: &'static str,
) -> Result<u64, StoreError> {
    let value = meta.get(key)?.map(|value| value.value());
    value.ok_or_else(|| StoreError::damaged(format!("`{key}` is missing in the table `meta`")))
}
