//! PDQ, a perceptual hash of the whole image, robust to re-encoding, scaling and recolouring.
//!
//! Source: Meta, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (2019)
//! and its reference implementation, `facebook/ThreatExchange: pdq/cpp`. Order of events: a tent
//! filter and 64 × 64 samples → quality from their gradients → 16 × 16 low frequencies of the
//! cosine transform → one bit for each that is above the median. The eight rotated and mirrored
//! hashes are computed from the same coefficients. Deviation: luminance is rounded to a byte before
//! filtering, which moves a few bits.

mod filter;
mod pieces;
mod transform;

use image::GrayImage;

use filter::Samples;
use transform::Coefficients;

pub(crate) use pieces::MIN_PIECES;

/// Bits in a hash.
pub(crate) const BITS: u32 = 256;

/// Maximum Hamming distance of two hashes of the same image, in bits.
///
/// Meta's recommended threshold; the nearest pair among 579 photographs × 1002 other images was 76
/// bits apart (measured, see docs/engine.md).
pub(crate) const MAX_DISTANCE: u32 = 31;

/// Minimum quality, of 100, at which hashes are compared (Meta's recommendation): featureless
/// images have similar hashes.
pub(crate) const MIN_QUALITY: u8 = 50;

/// A 256-bit hash; bit `16 i + j` belongs to vertical frequency `i` and horizontal frequency `j`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PdqHash(pub(crate) [u64; 4]);

/// The coefficients and the quality of an image, before the threshold.
pub(crate) struct PdqDigest {
    coefficients: Coefficients,
    quality: u8,
}

// === impl PdqDigest ===

impl PdqDigest {
    /// Computes the coefficients of a grey image. Cost: about 1 ms per megapixel.
    pub(crate) fn of(grey: &GrayImage) -> Self {
        let samples = filter::sample(grey);
        Self {
            coefficients: transform::low_frequencies(&samples),
            quality: quality(&samples),
        }
    }

    /// Returns the quality of the hash, 0 to 100.
    pub(crate) fn quality(&self) -> u8 {
        self.quality
    }

    /// Returns the hash of the image without rotation.
    pub(crate) fn hash(&self) -> PdqHash {
        threshold(&self.coefficients)
    }

    /// Returns the hashes of the image and of its seven rotated and mirrored forms.
    pub(crate) fn dihedral(&self) -> [PdqHash; 8] {
        transform::DIHEDRAL.map(|symmetry| threshold(&symmetry.apply(&self.coefficients)))
    }
}

// === impl PdqHash ===

impl PdqHash {
    /// Counts the bits in which two hashes differ, 0 to 256.
    pub(crate) fn distance(&self, other: &Self) -> u32 {
        self.0
            .iter()
            .zip(other.0)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum()
    }

    /// Returns the hashes of the eight rotated and mirrored forms of the image, as far as the hash
    /// tells: coefficients near the median may be on the other side of it.
    pub(crate) fn dihedral(&self) -> [Self; 8] {
        let mut signs = Coefficients::default();
        for (bit, value) in signs.as_flattened_mut().iter_mut().enumerate() {
            let is_set = self.0[bit / 64] >> (bit % 64) & 1 == 1;
            *value = if is_set { 1.0 } else { -1.0 };
        }
        transform::DIHEDRAL.map(|symmetry| {
            let mut words = [0; 4];
            for (bit, value) in symmetry.apply(&signs).as_flattened().iter().enumerate() {
                words[bit / 64] |= u64::from(*value > 0.0) << (bit % 64);
            }
            Self(words)
        })
    }

    /// Returns the hash as 32 bytes, the lowest bit first.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Decodes the bytes of [`PdqHash::to_bytes`].
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        Self(words)
    }
}

impl std::fmt::Debug for PdqHash {
    /// Formats the hash as the reference does: hexadecimal, the highest bit first.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for word in self.0.iter().rev() {
            write!(f, "{word:016x}")?;
        }
        Ok(())
    }
}

/// Sets a bit for each coefficient above the lower median, as the reference's `torben` does.
fn threshold(coefficients: &Coefficients) -> PdqHash {
    let mut sorted: Vec<f32> = coefficients.iter().flatten().copied().collect();
    let middle = sorted.len() / 2 - 1;
    let (_, &mut median, _) = sorted.select_nth_unstable_by(middle, f32::total_cmp);

    let mut words = [0; 4];
    for (bit, value) in coefficients.iter().flatten().enumerate() {
        if *value > median {
            words[bit / 64] |= 1 << (bit % 64);
        }
    }
    PdqHash(words)
}

/// Sums the significant gradients between neighbouring samples: the reference's heuristic, with its
/// constants (a gradient counts in whole hundredths of the full range, 90 of them are one point of
/// quality).
#[expect(
    clippy::cast_possible_truncation,
    reason = "a gradient is within ±100, quality within 100"
)]
fn quality(samples: &Samples) -> u8 {
    let step = |a: f32, b: f32| (((a - b) * 100.0 / 255.0) as i32).abs();
    let mut sum = 0;
    for rows in samples.windows(2) {
        sum += rows[0]
            .iter()
            .zip(&rows[1])
            .map(|(a, b)| step(*a, *b))
            .sum::<i32>();
    }
    for row in samples {
        sum += row
            .windows(2)
            .map(|pair| step(pair[0], pair[1]))
            .sum::<i32>();
    }
    (sum / 90).min(100) as u8
}

#[cfg(test)]
mod tests;
