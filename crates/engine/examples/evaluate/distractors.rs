//! Synthetic images (distractors) for libraries of any size.
//!
//! A distractor has half the features of each of two donor images, each in one of its six nearest
//! cells and with a quarter of its signature's bits flipped. It has as many false feature matches
//! as a real image, but is no copy of any image.

use same_image::features::codebook::Codebook;
use same_image::features::quantise::nearest_words;
use same_image::features::{
    ExtractionProfile, Feature, Features, GreyView, PackedKeypoint, Word, extract_descriptors,
};

/// Number of nearest cells from which a feature's cell is drawn.
const NEAREST_CELLS: usize = 6;

/// The words and keypoints of an image's features, from which distractors are made.
pub struct Donor(Vec<([Word; NEAREST_CELLS], PackedKeypoint)>);

/// Makes distractors; each is determined by donors, seed and its number.
pub struct Distractors {
    donors: Vec<Donor>,
    seed: u64,
}

/// A source of random numbers: `SplitMix64` (Steele, Lea & Flood 2014, figure 14).
struct Random(u64);

impl Donor {
    pub fn new(image: &GreyView<'_>) -> Self {
        let words = |descriptor| nearest_words::<NEAREST_CELLS>(Codebook::embedded(), descriptor);
        let features = extract_descriptors(image, ExtractionProfile::Library);
        Self(
            features
                .iter()
                .map(|feature| (words(&feature.descriptor), feature.keypoint.pack()))
                .collect(),
        )
    }
}

impl Distractors {
    pub fn new(donors: Vec<Donor>, seed: u64) -> Self {
        Self { donors, seed }
    }

    /// Makes the distractor with a number.
    pub fn make(&self, number: u64) -> Features {
        let mut random = Random(Random(self.seed ^ number).next());
        let mut features = Vec::new();
        for _ in 0..2 {
            let donor = random.next() as usize % self.donors.len();
            for (words, keypoint) in &self.donors[donor].0 {
                let bits = random.next();
                if bits & 1 == 0 {
                    continue;
                }
                let flips = random.next() & random.next();
                let mut word = words[(bits >> 1) as usize % NEAREST_CELLS];
                word.signature ^= flips;
                features.push(Feature {
                    word,
                    keypoint: *keypoint,
                });
            }
        }
        Features {
            width: 640,
            height: 480,
            working_side: ExtractionProfile::Library.working_side() as u16,
            features,
        }
    }
}

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}
