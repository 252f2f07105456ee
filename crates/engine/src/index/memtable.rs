//! The memtable: the component of the index in memory, for images newer than the last segment.
//!
//! It has one growing list per cell. The next search finds an added image. Nothing is removed: the
//! filter of a search excludes deleted images, and the next merge drops them. Memory: up to 24 MB
//! for empty lists, then 8 to 16 bytes per feature and 16 per image.
//!
//! Lists are locked in groups, each while one list is read or extended. A search may therefore see
//! an image with only some of its features; the filter of a search must not admit an image before
//! `insert` has returned.

use std::sync::{PoisonError, RwLock};

use crate::features::Features;
use crate::features::codebook::CELL_COUNT;

use super::image_entry::ImageEntry;
use super::posting::{self, Posting};
use super::posting_lists::PostingLists;

/// Lists behind one lock: few, so that an add and a search rarely need the same lock. They are
/// allocated at the first use, so that an empty memtable costs nothing.
const GROUP: usize = 1024;

/// Postings in memory.
pub(crate) struct Memtable {
    groups: Vec<RwLock<Vec<Vec<Posting>>>>,
    images: RwLock<Vec<ImageEntry>>,
}

// === impl Memtable ===

impl Memtable {
    /// Adds an image.
    pub(crate) fn insert(&self, id: u64, features: &Features) {
        let mut images = self.images.write().unwrap_or_else(PoisonError::into_inner);
        let number = images.len() as u32;
        images.push(ImageEntry::new(id, features));
        drop(images);
        for feature in &features.features {
            let cell = feature.word.cell as usize;
            let mut group = self.groups[cell / GROUP]
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            if group.is_empty() {
                group.resize(GROUP, Vec::new());
            }
            let list = &mut group[cell % GROUP];
            let posting = posting::encode(feature.word.signature, number);
            let run = posting::run(&posting);
            let at = list.partition_point(|other| posting::run(other) <= run);
            list.insert(at, posting);
        }
    }
}

impl Default for Memtable {
    fn default() -> Self {
        let groups = std::iter::repeat_with(RwLock::default);
        Self {
            groups: groups.take(CELL_COUNT.div_ceil(GROUP)).collect(),
            images: RwLock::default(),
        }
    }
}

impl PostingLists for Memtable {
    fn read(&self, cell: u32, each: &mut dyn FnMut(&[Posting])) {
        let cell = cell as usize;
        let group = self.groups[cell / GROUP]
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        each(group.get(cell % GROUP).map_or(&[][..], Vec::as_slice));
    }

    /// Does nothing: a memtable is small.
    fn prefetch(&self, _cell: u32, _run: u8) {}

    fn image(&self, number: u32) -> Option<ImageEntry> {
        let images = self.images.read().unwrap_or_else(PoisonError::into_inner);
        images.get(number as usize).copied()
    }

    fn images(&self) -> u32 {
        let images = self.images.read().unwrap_or_else(PoisonError::into_inner);
        images.len() as u32
    }
}
