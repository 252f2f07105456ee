//! Where a feature sits in its image, and the 32 bits of it that a posting carries.
//!
//! All lengths are parts of the image's longest side, so that places of an image and its scaled
//! copy agree.
//!
//! ```text
//! bits  0–9   x, 10 bits: round(x · 1023)
//! bits 10–19  y, 10 bits
//! bits 20–24  scale, 5 bits: quarter octaves above 1/1024 of the longest side
//! bits 25–31  angle, 7 bits: 128 parts of a full turn
//! ```

use std::f32::consts::TAU;

/// Locates a feature; lengths in parts of the image's longest side, the angle in radians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Distance from the left edge, in [0, 1].
    pub x: f32,
    /// Distance from the upper edge, in [0, 1].
    pub y: f32,
    /// Scale of the feature (the sigma of its blur), above 0.
    pub sigma: f32,
    /// Dominant gradient direction, in radians, clockwise from the x axis.
    pub angle: f32,
}

/// Holds a [`Place`] in 32 bits: 0.1 % of the side, a quarter octave, 2.8°.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackedPlace(pub u32);

/// Largest packed coordinate.
const COORDINATE_STEPS: f32 = 1023.0;
/// Scale steps per octave.
const SCALE_STEPS: f32 = 4.0;
/// The scale of step 0 is 2^-10 of the longest side: half a pixel of the largest working size.
const SMALLEST_SCALE_LOG2: f32 = -10.0;
/// Parts of a turn.
const ANGLE_STEPS: f32 = 128.0;

// === impl Place ===

impl Place {
    /// Rounds to 32 bits; values outside their range move to its end.
    pub fn pack(&self) -> PackedPlace {
        let coordinate = |value: f32| (value.clamp(0.0, 1.0) * COORDINATE_STEPS).round() as u32;
        let scale = ((self.sigma.log2() - SMALLEST_SCALE_LOG2) * SCALE_STEPS)
            .round()
            .clamp(0.0, 31.0) as u32;
        let angle = (self.angle.rem_euclid(TAU) / TAU * ANGLE_STEPS).round() as u32 % 128;
        PackedPlace(coordinate(self.x) | coordinate(self.y) << 10 | scale << 20 | angle << 25)
    }
}

// === impl PackedPlace ===

impl PackedPlace {
    /// Returns the middle of what the bits stand for; every value is a place.
    pub fn unpack(self) -> Place {
        let coordinate = |bits: u32| (bits & 1023) as f32 / COORDINATE_STEPS;
        Place {
            x: coordinate(self.0),
            y: coordinate(self.0 >> 10),
            sigma: ((self.0 >> 20 & 31) as f32 / SCALE_STEPS + SMALLEST_SCALE_LOG2).exp2(),
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
        fn packing_keeps_a_place_within_half_a_step(
            x in 0.0f32..=1.0, y in 0.0f32..=1.0, octave in -10.0f32..-2.3, angle in 0.0f32..TAU,
        ) {
            let place = Place { x, y, sigma: octave.exp2(), angle };

            let kept = place.pack().unpack();

            prop_assert!((kept.x - x).abs() < 0.0005 && (kept.y - y).abs() < 0.0005);
            prop_assert!((kept.sigma.log2() - octave).abs() <= 0.126);
            let turned = (kept.angle - angle + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
            prop_assert!(turned.abs() < 0.0246);
        }

        #[test]
        fn any_bits_survive_unpacking_and_packing(bits: u32) {
            prop_assert_eq!(PackedPlace(bits).unpack().pack(), PackedPlace(bits));
        }
    }
}
