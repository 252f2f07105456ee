//! What searches read: the catalog and the index of local features, in memory beside the store.
//!
//! Order of events: loaded at open, from the segment files (`segments`) as far as they reach and from
//! the store beyond → carries every commit over, features before catalog entries → the newest
//! images become segments behind its back (`merger`) → after a failed write it asks the store what
//! is really on the disk. An image is found only when the catalog has it, so deletes and new tags
//! need no change of the index.

mod merger;
mod segments;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::catalog::{self, Catalog, ImageId};
use crate::features::{Features, RecordError};
use crate::index::Index;
use crate::store::{Snapshot, Store, StoreError};
use crate::tags::TagFilter;

pub(crate) use merger::{Merger, Wake};
use segments::Segments;

/// Folder of the segment files, in the library's own.
const INDEX_FOLDER: &str = "index";
/// Images indexed from the store between two lines in the log.
const REPORT_EVERY: usize = 50_000;

/// What a commit changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// In the order of the writes.
    pub(crate) catalog: Vec<catalog::Change>,
    /// The encoded features of added images.
    pub(crate) features: Vec<(ImageId, Vec<u8>)>,
}

/// The catalog and the index of one library.
#[derive(Debug)]
pub(crate) struct Memory {
    catalog: RwLock<Catalog>,
    /// Holds deleted images too, until a merge leaves them out.
    index: Index,
    segments: Segments,
    /// How many images are worth a segment file.
    segment_images: u64,
    unindexed: u64,
}

// === impl Memory ===

impl Memory {
    /// Reads a record of each image, the segment files in `dir`, and from the store the features
    /// of the images that are in no usable segment.
    pub(crate) fn load(store: &Store, dir: &Path, segment_images: u64) -> Result<Self, StoreError> {
        store.read(|snapshot| {
            let catalog = snapshot.catalog()?;
            let segments = Segments::open(dir.join(INDEX_FOLDER), snapshot.library()?)?;
            let known = |id| catalog.tags(id).is_some();
            let found = segments.load(snapshot.next_id()?, known)?;
            let mut missing = catalog.page(None, usize::MAX, &TagFilter::default());
            missing.retain(|id| !found.covered.contains(id));

            let mut memory = Self {
                catalog: RwLock::new(catalog),
                index: Index::new(),
                segments,
                segment_images,
                unindexed: 0,
            };
            for segment in found.segments {
                memory.index.add_segment(segment);
            }
            memory.unindexed = memory.index_again(snapshot, &missing)?;
            Ok(memory)
        })
    }

    /// Indexes images from the store; returns how many have no usable features.
    fn index_again(&self, snapshot: &Snapshot, missing: &[ImageId]) -> Result<u64, StoreError> {
        let mut unindexed = 0;
        let mut can_write = true;
        for (done, id) in missing.iter().enumerate() {
            if done > 0 && done.is_multiple_of(REPORT_EVERY) {
                let images = missing.len();
                tracing::info!(done, images, "indexing the library again");
            }
            match snapshot.features(*id, |record| decode(*id, record))? {
                Some(Some(features)) => self.index.insert(u64::from(*id), &features),
                Some(None) | None => unindexed += 1,
            }
            // All of a large library at once would need gigabytes. Where segments cannot be written
            // it has to: finding everything goes first.
            if can_write && let Err(error) = merger::merge_due(self, &AtomicBool::new(false)) {
                tracing::warn!(%error, "index segment not written: its images stay in memory");
                can_write = false;
            }
        }
        Ok(unindexed)
    }

    /// Follows a commit.
    pub(crate) fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut decoded = Vec::with_capacity(changes.features.len());
        for (id, record) in &changes.features {
            decoded.extend(decode(*id, record)?.map(|features| (*id, features)));
        }
        for (id, features) in &decoded {
            self.index.insert(u64::from(*id), features);
        }
        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        for change in &changes.catalog {
            catalog.apply(*change);
        }
        Ok(())
    }

    /// Reads the catalog anew from what is really on the disk, and the features of images that it
    /// did not have.
    pub(crate) fn reload(&self, store: &Store) -> Result<(), StoreError> {
        let known = self.catalog().last();
        store.read(|snapshot| {
            let catalog = snapshot.catalog()?;
            for id in catalog.page(known, usize::MAX, &TagFilter::default()) {
                let features = snapshot.features(id, |record| decode(id, record))?;
                if let Some(features) = features.flatten() {
                    self.index.insert(u64::from(id), &features);
                }
            }
            *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
            Ok(())
        })
    }

    pub(crate) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Returns how many images had no usable features when the library was opened.
    pub(crate) fn unindexed(&self) -> u64 {
        self.unindexed
    }

    /// Returns how many images are worth a segment file.
    #[cfg(test)]
    pub(crate) fn segment_images(&self) -> u64 {
        self.segment_images
    }

    /// Says whether the index still needs an image. One above all of the catalog has just been
    /// added: its catalog entry comes after its features.
    fn needs(&self, id: u64) -> bool {
        let catalog = self.catalog();
        ImageId::try_from(id).is_ok_and(|id| {
            catalog.tags(id).is_some() || catalog.last().is_none_or(|last| id > last)
        })
    }
}

/// Reads stored features; `None` for those of another version or codebook, which only the image's
/// file could replace.
fn decode(id: ImageId, record: &[u8]) -> Result<Option<Features>, StoreError> {
    match Features::decode(record) {
        Ok(features) => Ok(Some(features)),
        Err(RecordError::Version(_) | RecordError::Codebook(_)) => Ok(None),
        Err(RecordError::Damaged) => Err(StoreError::damaged(format!(
            "the features of image {id} cannot be read"
        ))),
    }
}

#[cfg(test)]
mod tests;
