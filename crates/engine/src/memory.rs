//! What searches read: the catalog and the index of local features, in memory beside the store.
//!
//! Order of events: loaded from the store at open → carries every commit over, features before
//! catalog entries → after a failed write it asks the store what is really on the disk. A picture is
//! found only when the catalog has it, so deletes and new tags need no change of the index. Each
//! part has a lock of its own: a search reads the index for tens of milliseconds, and listings must
//! not wait for that.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::catalog::{self, Catalog, PictureId};
use crate::features::{Features, RecordError};
use crate::index::Index;
use crate::store::{Snapshot, Store, StoreError};

/// Below this many deleted pictures the index is not worth making anew.
const MIN_DEAD: usize = 1024;

/// What a commit changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// In the order of the writes.
    pub(crate) catalog: Vec<catalog::Change>,
    /// The encoded features of added pictures.
    pub(crate) features: Vec<(PictureId, Vec<u8>)>,
}

/// The catalog and the index of one library.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    catalog: RwLock<Catalog>,
    /// Holds deleted pictures too, until they are most of it.
    index: RwLock<Index>,
    unindexed: u64,
}

// === impl Memory ===

impl Memory {
    /// Reads all that the store holds, one record and the features of each picture.
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut memory = Self::default();
        memory.reload(store)?;
        let (stored, indexed) = (memory.catalog().len(), memory.index().unsealed());
        memory.unindexed = (stored as u64).saturating_sub(u64::from(indexed));
        Ok(memory)
    }

    /// Follows a commit.
    pub(crate) fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut decoded = Vec::with_capacity(changes.features.len());
        for (id, record) in &changes.features {
            decoded.extend(decode(*id, record)?.map(|features| (*id, features)));
        }
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for (id, features) in &decoded {
            index.insert(u64::from(*id), features);
        }
        drop(index);

        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        for change in &changes.catalog {
            catalog.apply(*change);
        }
        Ok(())
    }

    /// Reads the catalog anew from what is really on the disk, and the features of pictures that it
    /// did not have.
    pub(crate) fn reload(&self, store: &Store) -> Result<(), StoreError> {
        let known = self.catalog().last();
        store.read(|snapshot| {
            let catalog = snapshot.catalog()?;
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            insert_after(&mut index, known, snapshot)?;
            drop(index);
            *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
            Ok(())
        })
    }

    /// Makes the index anew from the store once deleted pictures are most of it; only the writer may
    /// call this, between two commits. Searches go on with the old one meanwhile.
    pub(crate) fn compact(&self, store: &Store) -> Result<(), StoreError> {
        let (live, indexed) = (self.catalog().len(), self.index().unsealed() as usize);
        if indexed < 2 * live + MIN_DEAD {
            return Ok(());
        }
        let mut compacted = Index::new();
        store.read(|snapshot| insert_after(&mut compacted, None, snapshot))?;
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = compacted;
        Ok(())
    }

    pub(crate) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many pictures had no usable features when the library was opened.
    pub(crate) fn unindexed(&self) -> u64 {
        self.unindexed
    }
}

/// Inserts the pictures above a number, all with `None`.
fn insert_after(
    index: &mut Index,
    after: Option<PictureId>,
    snapshot: &Snapshot,
) -> Result<(), StoreError> {
    snapshot.features_after(after, |id, record| {
        if let Some(features) = decode(id, record)? {
            index.insert(u64::from(id), &features);
        }
        Ok(())
    })
}

/// Reads stored features; `None` for those of another version or codebook, which only the picture's
/// file could replace.
fn decode(id: PictureId, record: &[u8]) -> Result<Option<Features>, StoreError> {
    match Features::decode(record) {
        Ok(features) => Ok(Some(features)),
        Err(RecordError::Version(_) | RecordError::Codebook(_)) => Ok(None),
        Err(RecordError::Damaged) => Err(StoreError::damaged(format!(
            "the features of picture {id} cannot be read"
        ))),
    }
}
