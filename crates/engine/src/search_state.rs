//! The structures in memory that a search reads: the catalog and the index of local features.
//!
//! Both are derived from the store. At open, the index loads the segment files that are usable
//! (`segments`) and indexes the other images from the store. Each commit is applied to both,
//! features before catalog entries. After a failed write they are synchronized with the committed
//! state of the store. Compaction ([`SearchState::merge_due`]) moves the newest images into segment
//! files. A search finds an image only if the catalog has it, so deletes and new tags do not change
//! the index.

mod segments;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::catalog::Catalog;
use crate::features::{Features, FeaturesError};
use crate::identity::{ImageId, LibraryId};
use crate::index::{Index, MergeOptions, MergeScope, SegmentError};
use crate::store::{Changes, INDEX_FOLDER, ImageChange, Snapshot, Store, StoreError};
use crate::tags::TagFilter;

pub(crate) use segments::EXTENSION as SEGMENT_EXTENSION;

use segments::Segments;

/// Images indexed from the store between two progress messages in the log.
const REPORT_INTERVAL: usize = 50_000;

/// The catalog and the index of one library.
#[derive(Debug)]
pub(crate) struct SearchState {
    catalog: RwLock<Catalog>,
    /// Contains deleted images too, until a merge drops them.
    index: Index,
    segments: Segments,
    /// Number of images in the memtable at which a merge is due.
    segment_images: u64,
    described: Described,
}

/// How the images were described when the library was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Described {
    /// Images without usable features.
    pub(crate) unindexed: u64,
    /// Images whose features are of a smaller working size than that of this version.
    pub(crate) coarse: u64,
}

// === impl SearchState ===

impl SearchState {
    /// Reads the record of each image, the segment files in `dir`, and from the store the features
    /// of the images that are in no usable segment.
    pub(crate) fn load(store: &Store, dir: &Path, segment_images: u64) -> Result<Self, StoreError> {
        store.read(|snapshot| {
            let mut catalog = Catalog::default();
            snapshot.check_each_record(|id, record| {
                catalog.apply(ImageChange::Added(record.summary(id)));
            })?;
            let segments = Segments::open(dir.join(INDEX_FOLDER), snapshot.library_id()?)?;
            let known = |id| catalog.tags(id).is_some();
            let loaded = segments.load(snapshot.next_id()?, known)?;
            let mut missing = catalog.page(None, usize::MAX, &TagFilter::default());
            missing.retain(|id| !loaded.covered.contains(id));

            let mut state = Self {
                catalog: RwLock::new(catalog),
                index: Index::new(),
                segments,
                segment_images,
                described: Described {
                    coarse: loaded.coarse,
                    unindexed: 0,
                },
            };
            for segment in loaded.segments {
                state.index.add_segment(segment);
            }
            let rebuilt = state.rebuild_index(snapshot, &missing)?;
            state.described.unindexed = rebuilt.unindexed;
            state.described.coarse += rebuilt.coarse;
            if state.described != Described::default() {
                let Described { unindexed, coarse } = state.described;
                tracing::info!(
                    unindexed,
                    coarse,
                    "images of an earlier version are found less often until they are added again"
                );
            }
            Ok(state)
        })
    }

    /// Applies a commit.
    pub(crate) fn apply(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut decoded = Vec::with_capacity(changes.features.len());
        for (id, bytes) in &changes.features {
            decoded.extend(decode(*id, bytes)?.map(|features| (*id, features)));
        }
        for (id, features) in &decoded {
            self.index.insert(u64::from(*id), features);
        }
        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        for change in &changes.images {
            catalog.apply(*change);
        }
        Ok(())
    }

    /// Loads the catalog again from the committed state of the store, and indexes the images that
    /// the old catalog did not have.
    pub(crate) fn reload(&self, store: &Store) -> Result<(), StoreError> {
        let known = self.catalog().last();
        store.read(|snapshot| {
            let mut catalog = Catalog::default();
            snapshot.for_each_record(|id, record| {
                catalog.apply(ImageChange::Added(record.summary(id)));
            })?;
            for id in catalog.page(known, usize::MAX, &TagFilter::default()) {
                let features = snapshot.features(id, |bytes| decode(id, bytes))?;
                if let Some(features) = features.flatten() {
                    self.index.insert(u64::from(id), &features);
                }
            }
            *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
            Ok(())
        })
    }

    /// Writes segments until no merge is due: until the memtable is small and less than about half
    /// of the indexed images are deleted ones.
    pub(crate) fn merge_due(&self, stop: &AtomicBool) -> Result<(), SegmentError> {
        while let Some(scope) = self.due_scope() {
            self.merge(scope, stop)?;
        }
        Ok(())
    }

    pub(crate) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Returns the identity of the library.
    pub(crate) fn library_id(&self) -> LibraryId {
        self.segments.library
    }

    /// Returns how the images were described when the library was opened.
    pub(crate) fn described(&self) -> Described {
        self.described
    }

    /// Returns whether the memtable has reached the size of a segment.
    pub(crate) fn is_memtable_full(&self) -> bool {
        self.index.unsealed() >= self.segment_images
    }

    /// Indexes images from the store; returns how they are described.
    fn rebuild_index(
        &self,
        snapshot: &Snapshot,
        missing: &[ImageId],
    ) -> Result<Described, StoreError> {
        let mut described = Described::default();
        let mut can_write = true;
        for (done, id) in missing.iter().enumerate() {
            if done > 0 && done.is_multiple_of(REPORT_INTERVAL) {
                let images = missing.len();
                tracing::info!(done, images, "rebuilding the index");
            }
            match snapshot.features(*id, |bytes| decode(*id, bytes))? {
                Some(Some(features)) => {
                    self.index.insert(u64::from(*id), &features);
                    described.coarse += u64::from(segments::is_coarse(features.working_side));
                }
                Some(None) | None => described.unindexed += 1,
            }
            // A large library needs gigabytes of memory without segments. If segments cannot be
            // written, that memory is used: a complete index has priority.
            if can_write && let Err(error) = self.merge_due(&AtomicBool::new(false)) {
                tracing::warn!(%error, "index segment not written, keeping its images in memory");
                can_write = false;
            }
        }
        Ok(described)
    }

    fn due_scope(&self) -> Option<MergeScope> {
        let live = self.catalog().len() as u64;
        if self.index.images() >= (2 * live).saturating_add(self.segment_images) {
            return Some(MergeScope::All);
        }
        self.is_memtable_full().then_some(MergeScope::Tiered)
    }

    fn merge(&self, scope: MergeScope, stop: &AtomicBool) -> Result<(), SegmentError> {
        let Some(merge) = self.index.plan_merge(scope) else {
            return Ok(());
        };
        let options = MergeOptions {
            library: self.segments.library.as_raw(),
            keep: &|id| self.needs(id),
            stop,
        };
        let segment = merge.write(&self.segments.new_path(), options)?;
        tracing::debug!(?segment, "index segment written");
        for file in self.index.replace(&merge, segment) {
            // A file that cannot be deleted now is found to be superseded at the next open.
            let _ = fs::remove_file(file);
        }
        Ok(())
    }

    /// Returns whether the index still needs an image. An id above all ids of the catalog is a new
    /// image: its catalog entry is added after its features.
    fn needs(&self, id: u64) -> bool {
        let catalog = self.catalog();
        ImageId::try_from(id).is_ok_and(|id| {
            catalog.tags(id).is_some() || catalog.last().is_none_or(|last| id > last)
        })
    }
}

/// Decodes stored features; returns `None` for those of another version or codebook, which can only
/// be replaced by extracting them from the image file again.
pub(crate) fn decode(id: ImageId, bytes: &[u8]) -> Result<Option<Features>, StoreError> {
    match Features::decode(bytes) {
        Ok(features) => Ok(Some(features)),
        Err(FeaturesError::Version(_) | FeaturesError::Codebook(_)) => Ok(None),
        Err(FeaturesError::Damaged) => Err(StoreError::damaged(format!(
            "image {id} has features that cannot be decoded"
        ))),
    }
}

#[cfg(test)]
mod tests;
