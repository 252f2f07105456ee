//! The votes of a block, counted in bounded memory.
//!
//! Nearly all pairs of images have no vote or one, by chance. The first vote of a pair sets a bit of
//! a filter (Bloom 1970, with one hash function), and only further ones are kept, so that memory
//! grows with the pairs that repeat. Two pairs with the same bit cost a comparison in vain.

use crate::verify::QueryForm;

use super::probes::{INVERTED, MAX_BLOCK, MIRRORED, Probe};

/// Bits of the filter: at least this many, and for each image of the library 512, which leaves 90 %
/// of them free after the chance votes of a full block; at most 2^29, 64 MiB.
const MIN_FILTER_BITS: usize = 1 << 20;
const MAX_FILTER_BITS: usize = 1 << 29;
const FILTER_BITS_PER_IMAGE: usize = 512;
/// Images of a block whose votes are kept together.
const GROUP: usize = 256;
/// Maximum number of votes that are kept for the images of a group: 2 MB, 1,000 per image.
const MAX_VOTES: usize = 1 << 18;

/// An image of the block in one form, and an image of the index.
///
/// ```text
/// bits  0–31  number of the image in its component
/// bits 32–39  number of the component
/// bits 40–41  form
/// bits 42–55  number of the image in the block
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PairKey(u64);

/// Counts votes by pair.
pub(super) struct Tally {
    filter: Vec<u64>,
    /// By number in the block.
    groups: Vec<GroupVotes>,
}

/// The second and further votes for [`GROUP`] images.
#[derive(Clone, Default)]
struct GroupVotes {
    votes: Vec<PairKey>,
    is_sorted: bool,
}

// === impl PairKey ===

impl PairKey {
    pub(super) fn new(probe: &Probe, component: usize, image: u32) -> Self {
        let query = u64::from(probe.query) << 42 | u64::from(probe.form) << 40;
        Self(query | (component as u64) << 32 | u64::from(image))
    }

    fn query(self) -> usize {
        (self.0 >> 42) as usize
    }

    pub(super) fn form(self) -> QueryForm {
        let form = (self.0 >> 40 & 3) as u8;
        QueryForm {
            mirrored: form == MIRRORED,
            inverted: form == INVERTED,
        }
    }

    /// Two for the plain form, whose words are exact; one more for the others.
    fn min_votes(self) -> u32 {
        match self.form() {
            QueryForm {
                mirrored: false,
                inverted: false,
            } => 2,
            _ => 3,
        }
    }

    pub(super) fn component(self) -> usize {
        (self.0 >> 32 & 0xFF) as usize
    }

    pub(super) fn image(self) -> u32 {
        self.0 as u32
    }

    /// Returns the bit of a filter with a number of bits that is a power of two (multiplicative
    /// hashing, Knuth 1998, section 6.4).
    fn bit(self, bits: usize) -> usize {
        (self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits.ilog2())) as usize
    }
}

// === impl Tally ===

impl Tally {
    pub(super) fn new(images: usize) -> Self {
        let bits = images
            .saturating_mul(FILTER_BITS_PER_IMAGE)
            .clamp(MIN_FILTER_BITS, MAX_FILTER_BITS)
            .next_power_of_two();
        Self {
            filter: vec![0; bits / 64],
            groups: vec![GroupVotes::default(); MAX_BLOCK / GROUP],
        }
    }

    pub(super) fn vote(&mut self, pair: PairKey) {
        let bit = pair.bit(self.filter.len() * 64);
        let (word, mask) = (&mut self.filter[bit / 64], 1 << (bit % 64));
        if *word & mask == 0 {
            *word |= mask;
            return;
        }
        let group = &mut self.groups[pair.query() / GROUP];
        if group.votes.len() < MAX_VOTES {
            group.votes.push(pair);
            group.is_sorted = false;
        }
    }

    /// Yields the pairs of an image of the block that have enough votes, with their number.
    pub(super) fn of_query(&mut self, query: usize) -> impl Iterator<Item = (PairKey, u32)> {
        let GroupVotes { votes, is_sorted } = &mut self.groups[query / GROUP];
        if !*is_sorted {
            votes.sort_unstable();
            *is_sorted = true;
        }
        let start = votes.partition_point(|pair| pair.query() < query);
        let end = votes.partition_point(|pair| pair.query() <= query);
        votes[start..end]
            .chunk_by(|a, b| a == b)
            .map(|votes| (votes[0], votes.len() as u32 + 1))
            .filter(|(pair, votes)| *votes >= pair.min_votes())
    }
}
