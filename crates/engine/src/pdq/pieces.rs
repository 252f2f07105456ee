//! Hashes as terms of a text index: how a store other than the engine's own finds near hashes.
//!
//! A hash is cut into 16 pieces of 16 bits; a term is a piece and its position. Of two hashes at
//! distance d, a piece has d/16 different bits on average, and the query also has every piece with
//! one bit changed: at d = 31, the maximum of a match, 6.8 of the 16 pieces agree on average, and
//! fewer than three in 1 of 100 pairs; at d = 24 in 1 of 10,000. Of unrelated hashes three agree in
//! 6 of a million pairs over all eight forms (binomial distributions; not measured).

use crate::index::Term;

use super::{BITS, PdqHash};

const PIECE_BITS: u32 = 16;

/// Minimum number of terms that a near hash shares with the query.
pub(crate) const MIN_PIECES: usize = 3;

// === impl PdqHash ===

impl PdqHash {
    /// Returns the terms of a stored hash.
    pub(crate) fn terms(&self) -> Vec<Term> {
        self.pieces().map(term).collect()
    }

    /// Returns the terms of a query with this hash: also those with one different bit.
    pub(crate) fn near_terms(&self) -> impl Iterator<Item = Term> {
        self.pieces().flat_map(|(position, piece)| {
            let changed = (0..PIECE_BITS).map(move |bit| piece ^ 1 << bit);
            changed
                .chain([piece])
                .map(move |piece| term((position, piece)))
        })
    }

    /// Yields the pieces with their positions.
    fn pieces(&self) -> impl Iterator<Item = (u32, u32)> {
        let words = self.0;
        (0..BITS / PIECE_BITS).map(move |position| {
            let bit = position * PIECE_BITS;
            let word = words[bit as usize / 64] >> (bit % 64);
            (position, (word & 0xFFFF) as u32)
        })
    }
}

fn term((position, piece): (u32, u32)) -> Term {
    Term(position << PIECE_BITS | piece)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_hash_shares_the_terms_of_pieces_with_at_most_one_different_bit() {
        let hash = PdqHash([0x0123_4567_89ab_cdef, 1, u64::MAX, 0]);
        let near: HashSet<Term> = hash.near_terms().collect();
        let shared = |other: PdqHash| {
            let terms = other.terms();
            terms.iter().filter(|term| near.contains(term)).count()
        };

        assert_eq!(near.len(), 16 * 17);
        assert_eq!(hash.terms().len(), 16);
        assert_eq!(shared(hash), 16);
        // One bit of the first piece, two of the second, three of the fifth.
        assert_eq!(shared(PdqHash([0x0123_4567_89ab_cdee, 1, u64::MAX, 0])), 16);
        assert_eq!(shared(PdqHash([0x0123_4567_89a8_cdee, 1, u64::MAX, 0])), 15);
        assert_eq!(shared(PdqHash([0x0123_4567_89a8_cdee, 6, u64::MAX, 0])), 14);
    }
}
