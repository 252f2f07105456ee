//! Random numbers for jitter, which need be neither secret nor repeatable.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::time::Duration;

/// Draws evenly from a range, by the seed that the standard library draws from
/// the system for its hash maps.
pub(super) fn draw(range: Range<f64>) -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    let share = bits as f64 / (1_u64 << 53) as f64;
    range.start + (range.end - range.start) * share
}

/// Draws a time from zero to `most`.
pub(super) fn up_to(most: Duration) -> Duration {
    most.mul_f64(draw(0.0..1.0))
}
