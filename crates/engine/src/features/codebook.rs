//! The codebook: trained projection, centroids, medians and fixed idf.
//!
//! The file is compiled in. It is the output of `cargo run --release -p same-image --example
//! train_codebook`. A new codebook makes all stored features unreadable ([`Codebook::id`] is part
//! of stored features and segments), so that words of two codebooks are never mixed.
//!
//! ```text
//! offset   bytes    content (little endian, f32 unless said otherwise)
//! 0        8        "SAMECB01"
//! 8        16       first half of the BLAKE3 of the rest; its first 4 bytes are the id
//! 24       256      offset[64]: projection of the mean descriptor, which is subtracted
//! 280      32768    projection[128][64]: principal components, distributed and rotated
//! 33048    2 × …    per half:
//!          131072     centroids[1024][32]
//!          128        medians[32] of the residuals
//!          4096       idf[1024]: −ln(fraction of the training features here) / ln 2^20
//! 303640   end
//! ```

use std::sync::LazyLock;

use super::describe::DESCRIPTOR;

/// Centroids per half; a cell is a pair of them (Babenko & Lempitsky 2012, section 3).
pub const CENTROIDS: usize = 1024;
/// Dimensions of a half.
pub const HALF: usize = 32;
/// Dimensions after the projection.
pub const PROJECTED: usize = 2 * HALF;
/// Centroids compared together: their numbers are adjacent in a [`Block`].
pub(crate) const LANES: usize = 16;
/// Number of cells.
pub const CELL_COUNT: usize = CENTROIDS * CENTROIDS;

const MAGIC: &[u8; 8] = b"SAMECB01";
const HEADER: usize = 24;
const BODY: usize =
    4 * (PROJECTED + DESCRIPTOR * PROJECTED + 2 * (HALF * CENTROIDS + HALF + CENTROIDS));

#[expect(clippy::expect_used, reason = "the message says why it cannot happen")]
static EMBEDDED: LazyLock<Codebook> = LazyLock::new(|| {
    Codebook::parse(include_bytes!("codebook.bin"))
        .expect("a test parses the compiled-in file, which never changes")
});

/// The data that quantises descriptors to visual words.
#[derive(Clone, PartialEq)]
pub struct Codebook {
    id: u32,
    /// The projection of the mean.
    pub offset: [f32; PROJECTED],
    /// One row of [`PROJECTED`] numbers per number of the descriptor.
    pub projection: Vec<[f32; PROJECTED]>,
    /// The two halves of the inverted multi-index.
    pub halves: [HalfCodebook; 2],
}

/// One of the two halves of a codebook.
#[derive(Clone, PartialEq)]
pub struct HalfCodebook {
    centroids: Vec<[f32; HALF]>,
    medians: [f32; HALF],
    idf: Vec<f32>,
    blocks: Vec<Block>,
}

/// [`LANES`] centroids in the order in which the search reads them from memory.
///
/// In an array by dimension over all centroids, the same lanes of all dimensions would be 4 kB
/// apart and would use the same few sets of the first-level cache (measured: twice as slow).
#[derive(Clone, PartialEq)]
pub(crate) struct Block {
    /// Half the squared length of each centroid.
    pub(crate) half_norms: [f32; LANES],
    /// One row of lanes per dimension.
    pub(crate) dimensions: [[f32; LANES]; HALF],
}

/// Why bytes are not a codebook.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodebookError {
    /// The length or the first bytes are not those of a codebook.
    #[error("not a codebook of this version")]
    Foreign,
    /// The checksum does not match.
    #[error("the codebook is damaged")]
    Damaged,
}

// === impl Codebook ===

impl Codebook {
    /// Returns the compiled-in codebook.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Makes a codebook from trained numbers.
    pub fn new(
        offset: [f32; PROJECTED],
        projection: Vec<[f32; PROJECTED]>,
        halves: [HalfCodebook; 2],
    ) -> Self {
        let mut codebook = Self {
            id: 0,
            offset,
            projection,
            halves,
        };
        codebook.id = id_of(&checksum(&codebook.body()));
        codebook
    }

    /// Identifies the codebook: words of different codebooks must never be compared.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns the weight of a match in a cell, about 1.
    pub(crate) fn idf(&self, cell: u32) -> f32 {
        self.halves[0].idf[cell as usize / CENTROIDS]
            + self.halves[1].idf[cell as usize % CENTROIDS]
    }

    /// Parses the bytes of [`Codebook::to_bytes`].
    ///
    /// # Errors
    ///
    /// `Foreign` for another format or length, `Damaged` when the checksum does not match.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodebookError> {
        let (header, body) = bytes
            .split_at_checked(HEADER)
            .ok_or(CodebookError::Foreign)?;
        if &header[..8] != MAGIC || body.len() != BODY {
            return Err(CodebookError::Foreign);
        }
        let sum = checksum(body);
        if header[8..] != sum {
            return Err(CodebookError::Damaged);
        }
        let mut numbers = Numbers(body);
        let offset = numbers.next();
        let projection = (0..DESCRIPTOR).map(|_| numbers.next()).collect();
        let halves = std::array::from_fn(|_| {
            let centroids = (0..CENTROIDS).map(|_| numbers.next()).collect();
            let medians = numbers.next();
            let mut idf = vec![0.0; CENTROIDS];
            numbers.fill(&mut idf);
            HalfCodebook::new(centroids, medians, idf)
        });
        Ok(Self {
            id: id_of(&sum),
            offset,
            projection,
            halves,
        })
    }

    /// Encodes the codebook in the format of the module header.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = self.body();
        [&MAGIC[..], &checksum(&body), &body].concat()
    }

    fn body(&self) -> Vec<u8> {
        let mut numbers = self.offset.to_vec();
        numbers.extend(self.projection.as_flattened());
        for half in &self.halves {
            numbers.extend(half.centroids.as_flattened());
            numbers.extend(half.medians);
            numbers.extend(&half.idf);
        }
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }
}

impl std::fmt::Debug for Codebook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Codebook({:08x})", self.id)
    }
}

// === impl HalfCodebook ===

impl HalfCodebook {
    /// Makes a half from [`CENTROIDS`] centroids, the median residual per dimension and the half's
    /// part of the inverse document frequency per centroid (the sum of both parts is about 1 for a
    /// common cell).
    pub fn new(centroids: Vec<[f32; HALF]>, medians: [f32; HALF], idf: Vec<f32>) -> Self {
        let blocks = centroids.chunks_exact(LANES).map(Block::new).collect();
        Self {
            centroids,
            medians,
            idf,
            blocks,
        }
    }

    /// Returns all centroids in the order of their numbers.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Returns one bit per dimension, set when the point's residual is above its median.
    pub(crate) fn signature(&self, point: &[f32], centroid: usize) -> u32 {
        let centres = self.centroids[centroid].iter().zip(&self.medians);
        let above = point
            .iter()
            .zip(centres)
            .map(|(value, (centre, median))| value - centre > *median);
        above
            .enumerate()
            .fold(0, |bits, (at, above)| bits | u32::from(above) << at)
    }

    /// Writes the point whose residuals are `spread` from their medians, on the sides that a
    /// signature tells.
    pub(crate) fn restore(
        &self,
        centroid: usize,
        signature: u32,
        spread: f32,
        point: &mut [f32; HALF],
    ) {
        let centres = self.centroids[centroid].iter().zip(&self.medians);
        for (at, (value, (centre, median))) in point.iter_mut().zip(centres).enumerate() {
            let above = signature >> at & 1 == 1;
            *value = centre + median + if above { spread } else { -spread };
        }
    }

    /// Returns how far the first `N` residuals of a point are from their medians.
    pub(crate) fn margins<const N: usize>(&self, point: &[f32], centroid: usize) -> [f32; N] {
        let centre = &self.centroids[centroid];
        std::array::from_fn(|at| (point[at] - centre[at] - self.medians[at]).abs())
    }
}

impl Block {
    fn new(centroids: &[[f32; HALF]]) -> Self {
        let half_norm =
            |centroid: &[f32; HALF]| 0.5 * centroid.iter().map(|value| value * value).sum::<f32>();
        let mut dimensions = [[0.0; LANES]; HALF];
        for (at, dimension) in dimensions.iter_mut().enumerate() {
            for (lane, centroid) in dimension.iter_mut().zip(centroids) {
                *lane = centroid[at];
            }
        }
        let half_norms = std::array::from_fn(|lane| half_norm(&centroids[lane]));
        Self {
            half_norms,
            dimensions,
        }
    }
}

impl std::fmt::Debug for HalfCodebook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HalfCodebook")
    }
}

/// Reads numbers in sequence from bytes whose length was checked.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    // A loop over a slice, here and for other long arrays: `array::from_fn` is unrolled completely,
    // which costs minutes of compile time.
    fn fill(&mut self, numbers: &mut [f32]) {
        let (these, rest) = self.0.split_at(4 * numbers.len());
        self.0 = rest;
        for (number, bytes) in numbers.iter_mut().zip(these.as_chunks().0) {
            *number = f32::from_le_bytes(*bytes);
        }
    }

    fn next<const N: usize>(&mut self) -> [f32; N] {
        let mut numbers = [0.0; N];
        self.fill(&mut numbers);
        numbers
    }
}

fn checksum(body: &[u8]) -> [u8; 16] {
    let hash = blake3::hash(body);
    std::array::from_fn(|at| hash.as_bytes()[at])
}

fn id_of(checksum: &[u8; 16]) -> u32 {
    u32::from_le_bytes([checksum[0], checksum[1], checksum[2], checksum[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_file_is_valid_and_encodes_to_the_same_bytes() {
        let file = include_bytes!("codebook.bin");

        let codebook = Codebook::parse(file).unwrap();

        assert_eq!(codebook.to_bytes(), file);
        assert_eq!(&codebook, Codebook::embedded());
        let half = &codebook.halves[0];
        let rebuilt = HalfCodebook::new(half.centroids.clone(), half.medians, half.idf.clone());
        let again = Codebook::new(
            codebook.offset,
            codebook.projection.clone(),
            [rebuilt, codebook.halves[1].clone()],
        );
        assert_eq!(again.id(), codebook.id());
    }

    #[test]
    fn a_changed_byte_or_another_length_is_rejected() {
        let mut file = include_bytes!("codebook.bin").to_vec();

        assert_eq!(
            Codebook::parse(&file[..file.len() - 4]),
            Err(CodebookError::Foreign)
        );
        assert_eq!(Codebook::parse(b"SAMECB"), Err(CodebookError::Foreign));
        file[5000] ^= 1;
        assert_eq!(Codebook::parse(&file), Err(CodebookError::Damaged));
    }
}
