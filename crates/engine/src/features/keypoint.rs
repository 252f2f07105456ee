//! The keypoint of a feature, and its encoding in 32 bits for a posting.
//!
//! All lengths are fractions of the image's longer side, so that the keypoints of an image and its
//! scaled copy are equal.
//!
//! ```text
//! bits  0–9   x, 10 bits: round(x · 1023)
//! bits 10–19  y, 10 bits
//! bits 20–24  scale, 5 bits: quarter octaves above 1/1024 of the longer side
//! bits 25–31  angle, 7 bits: 128 steps of a full turn
//! ```

use std::f32::consts::TAU;

/// Position, scale and orientation of a feature; lengths in fractions of the image's longer side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keypoint {
    /// Distance from the left edge, in [0, 1].
    pub x: f32,
    /// Distance from the upper edge, in [0, 1].
    pub y: f32,
    /// Scale of the feature (the sigma of its blur), above 0.
    pub sigma: f32,
    /// Dominant gradient direction, in radians, clockwise from the x axis.
    pub angle: f32,
}

/// A [`Keypoint`] in 32 bits, with steps of 0.1 % of the side, a quarter octave and 2.8°.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackedKeypoint(pub u32);

/// Maximum packed coordinate.
const COORDINATE_STEPS: f32 = 1023.0;
/// Scale steps per octave.
const SCALE_STEPS: f32 = 4.0;
/// The scale of step 0 is 2^-10 of the longer side: half a pixel at the maximum working size.
const MIN_SCALE_LOG2: f32 = -10.0;
/// Steps of a full turn.
const ANGLE_STEPS: f32 = 128.0;

// === impl Keypoint ===

impl Keypoint {
    /// Rounds to 32 bits; clamps values outside their range.
    pub fn pack(&self) -> PackedKeypoint {
        let coordinate = |value: f32| (value.clamp(0.0, 1.0) * COORDINATE_STEPS).round() as u32;
        let scale = ((self.sigma.log2() - MIN_SCALE_LOG2) * SCALE_STEPS)
            .round()
            .clamp(0.0, 31.0) as u32;
        let angle = (self.angle.rem_euclid(TAU) / TAU * ANGLE_STEPS).round() as u32 % 128;
        PackedKeypoint(coordinate(self.x) | coordinate(self.y) << 10 | scale << 20 | angle << 25)
    }
}

// === impl PackedKeypoint ===

impl PackedKeypoint {
    /// Returns the centre of the rounding interval; every value is valid.
    pub fn unpack(self) -> Keypoint {
        let coordinate = |bits: u32| (bits & 1023) as f32 / COORDINATE_STEPS;
        Keypoint {
            x: coordinate(self.0),
            y: coordinate(self.0 >> 10),
            sigma: ((self.0 >> 20 & 31) as f32 / SCALE_STEPS + MIN_SCALE_LOG2).exp2(),
            angle: (self.0 >> 25) as f32 * (TAU / ANGLE_STEPS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_keeps_a_keypoint_within_half_a_step(
            x in 0.0f32..=1.0, y in 0.0f32..=1.0, octave in -10.0f32..-2.3, angle in 0.0f32..TAU,
        ) {
            let keypoint = Keypoint { x, y, sigma: octave.exp2(), angle };

            let kept = keypoint.pack().unpack();

            prop_assert!((kept.x - x).abs() < 0.0005 && (kept.y - y).abs() < 0.0005);
            prop_assert!((kept.sigma.log2() - octave).abs() <= 0.126);
            let error = (kept.angle - angle + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
            prop_assert!(error.abs() < 0.0246);
        }

        #[test]
        fn any_bits_survive_unpacking_and_packing(bits: u32) {
            prop_assert_eq!(PackedKeypoint(bits).unpack().pack(), PackedKeypoint(bits));
        }
    }
}
