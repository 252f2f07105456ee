//! Jitter and exponential backoff.
//!
//! The random numbers need not be secret or reproducible. They come from the seeds that the
//! standard library draws from the system for its hash maps, so no dependency on a random number
//! generator is needed.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::time::Duration;

/// Returns a number that is uniformly distributed over `range`.
pub fn random(range: Range<f64>) -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let share = bits as f64 / (1_u64 << 53) as f64;
    range.start + (range.end - range.start) * share
}

/// Returns the backoff before attempt number `attempt` (0 is the first): `initial`, doubled with
/// each attempt up to `max`, times a random factor from `jitter`.
pub fn backoff(initial: Duration, max: Duration, attempt: u32, jitter: Range<f64>) -> Duration {
    initial
        .saturating_mul(1 << attempt.min(16))
        .min(max)
        .mul_f64(random(jitter))
}
