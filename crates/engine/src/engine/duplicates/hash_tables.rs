//! Finds near hashes without a scan: multi-index hashing (Norouzi, Punjani & Fleet 2012).
//!
//! Two hashes within 31 bits of 256 differ in one bit at most in one of 16 bands of 16 bits. Each
//! band has a table; a look-up reads the rows of 17 values of each band. Memory: 100 bytes per
//! image. Cost: 0.1 ms for a million images.

use crate::identity::ImageId;
use crate::pdq::{MAX_DISTANCE, PdqHash};

/// Bands of a hash, each of 16 bits.
const BANDS: usize = 16;
const VALUES: usize = 1 << 16;
/// Maximum number of rows that are read for one value of a band, the oldest images first: enough to
/// find the group of a copy.
const MAX_ROWS: usize = 1024;

/// The hashes of a library.
pub(super) struct HashTables {
    /// Ascending.
    ids: Vec<ImageId>,
    hashes: Vec<PdqHash>,
    bands: Vec<Band>,
}

/// The rows by the value of one band.
struct Band {
    /// Where the rows of each value begin; the last is the number of rows.
    starts: Vec<u32>,
    rows: Vec<u32>,
}

// === impl HashTables ===

impl HashTables {
    pub(super) fn new(hashes: Vec<(ImageId, PdqHash)>) -> Self {
        let (ids, hashes): (Vec<_>, Vec<_>) = hashes.into_iter().unzip();
        let bands = (0..BANDS).map(|band| Band::new(band, &hashes)).collect();
        Self { ids, hashes, bands }
    }

    /// Returns the number of images with a hash.
    pub(super) fn images(&self) -> usize {
        self.ids.len()
    }

    /// Returns the images that `admits` admits whose hashes are near one of the eight rotated and
    /// mirrored forms of an image's hash, with the distance; the nearest first, up to `limit`.
    pub(super) fn near(
        &self,
        id: ImageId,
        limit: usize,
        admits: impl Fn(ImageId) -> bool,
    ) -> Vec<(ImageId, u32)> {
        let Ok(row) = self.ids.binary_search(&id) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for hash in self.hashes[row].dihedral() {
            for (number, band) in self.bands.iter().enumerate() {
                let value = value(&hash, number);
                let near = (0..16).map(|bit| value ^ 1 << bit);
                for value in near.chain([value]) {
                    self.collect(&hash, band.rows(value), &mut found);
                }
            }
        }
        found.sort_unstable_by_key(|(id, distance)| (*distance, *id));
        let mut seen = std::collections::HashSet::new();
        found.retain(|(id, _)| seen.insert(*id));
        let admitted = found.into_iter().filter(|(id, _)| admits(*id));
        admitted.take(limit).collect()
    }

    /// Returns the distance of two images, if it is small enough for a match.
    pub(super) fn distance(&self, a: ImageId, b: ImageId) -> Option<u32> {
        let hash = |id| Some(&self.hashes[self.ids.binary_search(&id).ok()?]);
        let (a, b) = (hash(a)?, hash(b)?);
        let nearest = a.dihedral().iter().map(|form| form.distance(b)).min();
        nearest.filter(|distance| *distance <= MAX_DISTANCE)
    }

    fn collect(&self, hash: &PdqHash, rows: &[u32], found: &mut Vec<(ImageId, u32)>) {
        for row in rows.iter().take(MAX_ROWS) {
            let distance = hash.distance(&self.hashes[*row as usize]);
            if distance <= MAX_DISTANCE {
                found.push((self.ids[*row as usize], distance));
            }
        }
    }
}

// === impl Band ===

impl Band {
    /// Sorts the rows by their values (counting sort).
    fn new(band: usize, hashes: &[PdqHash]) -> Self {
        let mut starts = vec![0; VALUES + 1];
        for hash in hashes {
            starts[usize::from(value(hash, band)) + 1] += 1;
        }
        for value in 0..VALUES {
            starts[value + 1] += starts[value];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; hashes.len()];
        for (row, hash) in (0..).zip(hashes) {
            let next = &mut next[usize::from(value(hash, band))];
            rows[*next as usize] = row;
            *next += 1;
        }
        Self { starts, rows }
    }

    fn rows(&self, value: u16) -> &[u32] {
        let value = usize::from(value);
        &self.rows[self.starts[value] as usize..self.starts[value + 1] as usize]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a band has 16 bits")]
fn value(hash: &PdqHash, band: usize) -> u16 {
    (hash.0[band / 4] >> (16 * (band % 4))) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A hash with some bits of another one flipped.
    fn flipped(hash: PdqHash, bits: &[u8]) -> PdqHash {
        let mut words = hash.0;
        for bit in bits {
            words[usize::from(bit / 64)] ^= 1 << (bit % 64);
        }
        PdqHash(words)
    }

    fn any_bits() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..48)
    }

    proptest! {
        #[test]
        fn the_near_hashes_are_those_that_a_scan_finds(
            base: [u64; 4],
            form in 0..8_usize,
            others in prop::collection::vec(any_bits(), 0..20),
            far in prop::collection::vec(any::<[u64; 4]>(), 0..20),
        ) {
            let base = PdqHash(base);
            let near = others.iter().map(|bits| flipped(base.dihedral()[form], bits));
            let hashes: Vec<PdqHash> =
                std::iter::once(base).chain(near).chain(far.iter().copied().map(PdqHash)).collect();
            let tables = HashTables::new((10..).zip(hashes.iter().copied()).collect());

            let mut expected: Vec<(ImageId, u32)> = (10..)
                .zip(&hashes)
                .filter_map(|(id, hash)| {
                    let nearest = base.dihedral().iter().map(|form| form.distance(hash)).min()?;
                    (nearest <= MAX_DISTANCE && id % 3 != 0).then_some((id, nearest))
                })
                .collect();
            expected.sort_by_key(|(id, distance)| (*distance, *id));

            prop_assert_eq!(tables.near(10, 100, |id| id % 3 != 0), expected);
            for (id, hash) in (10..).zip(&hashes) {
                let distance = base.dihedral().iter().map(|form| form.distance(hash)).min();
                prop_assert_eq!(tables.distance(10, id), distance.filter(|bits| *bits <= MAX_DISTANCE));
            }
        }
    }

    #[test]
    fn an_image_without_a_hash_has_no_near_ones() {
        let tables = HashTables::new(vec![(1, PdqHash([0; 4]))]);

        assert!(tables.near(2, 10, |_| true).is_empty());
        assert_eq!(tables.distance(1, 2), None);
    }

    #[test]
    fn of_many_equal_hashes_the_oldest_are_found() {
        let tables = HashTables::new((0..5000).map(|id| (id, PdqHash([7; 4]))).collect());

        let near = tables.near(4999, 3, |id| id > 0);

        assert_eq!(near, [(1, 0), (2, 0), (3, 0)]);
    }
}
