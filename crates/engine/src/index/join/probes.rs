//! The words of a block of images, by cell.
//!
//! The words of the plain form are the stored ones. Those of the mirrored and the inverted form are
//! computed from approximate descriptors, so each has several cells.

use crate::features::codebook::{CELL_COUNT, Codebook};
use crate::features::{
    Feature, Features, inverted, mirrored, query_words_of_each, restored_descriptor,
};
use crate::index::posting;

/// Maximum number of images in a block.
pub(crate) const MAX_BLOCK: usize = 1 << 14;
/// Parts of the cells, each of which is one slice of work.
pub(crate) const PARTS: usize = 256;
const CELLS_PER_PART: usize = CELL_COUNT / PARTS;

/// Features of an image that are looked up mirrored and inverted, the strongest. Copies that are
/// changed in this way are mostly whole ones, which have many features in common.
const CHANGED_FEATURES: usize = 200;
/// Nearest cells of these.
const CHANGED_CELLS: usize = 2;

/// Numbers of the forms of an image, see [`super::PairKey::form`].
pub(super) const PLAIN: u8 = 0;
pub(super) const MIRRORED: u8 = 1;
pub(super) const INVERTED: u8 = 2;

/// The look-up of one feature in one cell.
#[derive(Clone, Copy)]
pub(super) struct Probe {
    pub(super) cell: u32,
    pub(super) code: u32,
    /// Number of the image in the block.
    pub(super) query: u16,
    pub(super) form: u8,
}

/// The probes of a block.
pub(super) struct Probes {
    parts: [Vec<Probe>; PARTS],
}

// === impl Probes ===

impl Default for Probes {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| Vec::new()),
        }
    }
}

impl Probes {
    /// Adds the probes of the image with a number in the block.
    pub(super) fn add(&mut self, query: usize, image: &Features) {
        let mut push = |cell: u32, signature: u64, form: u8| {
            self.parts[cell as usize / CELLS_PER_PART].push(Probe {
                cell,
                code: posting::code(signature),
                query: query as u16,
                form,
            });
        };
        for Feature { word, .. } in &image.features {
            push(word.cell, word.signature, PLAIN);
        }
        for feature in image.features.iter().take(CHANGED_FEATURES) {
            let plain = restored_descriptor(feature.word);
            let forms = [&mirrored(&plain), &inverted(&plain)];
            let words = query_words_of_each::<CHANGED_CELLS, 2>(Codebook::embedded(), forms);
            for (words, form) in words.iter().zip([MIRRORED, INVERTED]) {
                for found in words {
                    push(found.word.cell, found.word.signature, form);
                }
            }
        }
    }

    /// Takes the probes of one part of the cells, sorted by cell.
    pub(super) fn take_part(&mut self, part: usize) -> Vec<Probe> {
        let mut probes = std::mem::take(&mut self.parts[part]);
        probes.sort_unstable_by_key(|probe| probe.cell);
        probes
    }
}
