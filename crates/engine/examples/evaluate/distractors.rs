//! Synthetic images that make a library large without having its images.
//!
//! A distractor has half the features of each of two donor images, each in one of its six nearest
//! cells and with a quarter of its signature's bits flipped: as many near misses as real images
//! have, but no copies of anything.

use same_image::features::codebook::Codebook;
use same_image::features::quantise::nearest_words;
use same_image::features::{Budget, Feature, Features, GreyView, PackedPlace, Word, described};

/// Cells among which a feature moves.
const JITTER: usize = 6;

/// What distractors are made of: the words and places of an image's features.
pub struct Donor(Vec<([Word; JITTER], PackedPlace)>);

/// Makes distractors, the same ones for the same seed and donors.
pub struct Distractors {
    donors: Vec<Donor>,
    state: u64,
}

impl Donor {
    pub fn new(image: &GreyView<'_>) -> Self {
        let words = |descriptor| nearest_words::<JITTER>(Codebook::embedded(), descriptor);
        let features = described(image, Budget::Library);
        Self(
            features
                .iter()
                .map(|feature| (words(&feature.descriptor), feature.place.pack()))
                .collect(),
        )
    }
}

impl Distractors {
    pub fn new(donors: Vec<Donor>, seed: u64) -> Self {
        Self {
            donors,
            state: seed,
        }
    }

    /// Makes the next one.
    pub fn make(&mut self) -> Features {
        let mut features = Vec::new();
        for _ in 0..2 {
            let donor = self.random() as usize % self.donors.len();
            for at in 0..self.donors[donor].0.len() {
                let bits = self.random();
                if bits & 1 == 0 {
                    continue;
                }
                let flips = self.random() & self.random();
                let (words, place) = &self.donors[donor].0[at];
                let mut word = words[(bits >> 1) as usize % JITTER];
                word.signature ^= flips;
                features.push(Feature {
                    word,
                    place: *place,
                });
            }
        }
        Features {
            width: 640,
            height: 480,
            features,
        }
    }

    /// Draws a number: `SplitMix64` (Steele, Lea & Flood 2014, figure 14).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}
