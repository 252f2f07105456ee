//! The in-memory part of the index: the pictures newer than the last segment.
//!
//! One growing list per cell. Adding is immediate: the next search finds the picture. Nothing is
//! ever removed; deleted pictures are left out by the search's filter and are gone with the next
//! segment. Memory: 24 MB for the empty lists, then 16 to 32 bytes per feature and 16 per picture.

use crate::features::Features;
use crate::features::codebook::CELL_COUNT;

use super::Postings;
use super::picture::Picture;
use super::posting::{Posting, posting};

/// Holds postings in memory.
pub(crate) struct Table {
    lists: Vec<Vec<Posting>>,
    pictures: Vec<Picture>,
}

// === impl Table ===

impl Table {
    /// Makes an empty table.
    pub(crate) fn new() -> Self {
        Self {
            lists: vec![Vec::new(); CELL_COUNT],
            pictures: Vec::new(),
        }
    }

    /// Adds a picture.
    pub(crate) fn insert(&mut self, id: u64, features: &Features) {
        let number = self.pictures.len() as u32;
        self.pictures.push(Picture::new(id, features));
        for feature in &features.features {
            self.lists[feature.word.cell as usize].push(posting(
                feature.word,
                number,
                feature.place,
            ));
        }
    }
}

impl Postings for Table {
    fn list(&self, cell: u32) -> &[Posting] {
        &self.lists[cell as usize]
    }

    fn picture(&self, number: u32) -> Option<Picture> {
        self.pictures.get(number as usize).copied()
    }

    fn pictures(&self) -> u32 {
        self.pictures.len() as u32
    }
}
