//! The in-memory part of the index: the images newer than the last segment.
//!
//! One growing list per cell. Adding is immediate: the next search finds the image. Nothing is
//! ever removed; deleted images are left out by the search's filter and are gone with the next
//! segment. Memory: up to 24 MB for empty lists, then 16 to 32 bytes per feature and 16 per
//! image.
//!
//! Lists are locked in groups, each for the reading or growing of one list. A search may thus see a
//! image with part of its features; callers show an image to searches (their filter) only after
//! `insert` has returned.

use std::sync::{PoisonError, RwLock};

use crate::features::Features;
use crate::features::codebook::CELL_COUNT;

use super::Postings;
use super::picture::Image;
use super::posting::{Posting, posting};

/// Lists behind one lock: few enough that an add and a search rarely meet, and made at the first
/// use, so that an empty table costs nothing.
const GROUP: usize = 1024;

/// Holds postings in memory.
pub(crate) struct Table {
    groups: Vec<RwLock<Vec<Vec<Posting>>>>,
    images: RwLock<Vec<Image>>,
}

// === impl Table ===

impl Table {
    /// Adds an image.
    pub(crate) fn insert(&self, id: u64, features: &Features) {
        let mut images = self.images.write().unwrap_or_else(PoisonError::into_inner);
        let number = images.len() as u32;
        images.push(Image::new(id, features));
        drop(images);
        for feature in &features.features {
            let cell = feature.word.cell as usize;
            let group = self.groups[cell / GROUP].write();
            let mut group = group.unwrap_or_else(PoisonError::into_inner);
            if group.is_empty() {
                group.resize(GROUP, Vec::new());
            }
            group[cell % GROUP].push(posting(feature.word, number, feature.place));
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        let groups = std::iter::repeat_with(RwLock::default);
        Self {
            groups: groups.take(CELL_COUNT.div_ceil(GROUP)).collect(),
            images: RwLock::default(),
        }
    }
}

impl Postings for Table {
    fn length(&self, cell: u32) -> usize {
        let mut length = 0;
        self.read(cell, &mut |list| length = list.len());
        length
    }

    fn read(&self, cell: u32, each: &mut dyn FnMut(&[Posting])) {
        let cell = cell as usize;
        let group = self.groups[cell / GROUP].read();
        let group = group.unwrap_or_else(PoisonError::into_inner);
        each(group.get(cell % GROUP).map_or(&[][..], Vec::as_slice));
    }

    /// Does nothing: a table is small.
    fn touch(&self, _cell: u32) {}

    fn image(&self, number: u32) -> Option<Image> {
        let images = self.images.read().unwrap_or_else(PoisonError::into_inner);
        images.get(number as usize).copied()
    }

    fn images(&self) -> u32 {
        let images = self.images.read().unwrap_or_else(PoisonError::into_inner);
        images.len() as u32
    }
}
