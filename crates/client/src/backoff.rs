//! Exponential backoff with jitter.
//!
//! The random numbers come from the seeds that the standard library draws from the system for its
//! hash maps: they need not be secret.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Of calls, as the retry policies of the other packages have it.
pub(crate) const CALL: Backoff = Backoff {
    initial: Duration::from_millis(200),
    max: Duration::from_secs(5),
};
/// Of streams and of items in them.
pub(crate) const STREAM: Backoff = Backoff {
    initial: Duration::from_millis(500),
    max: Duration::from_secs(15),
};
/// Maximum time to wait that is accepted from a gateway.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// A backoff that doubles with each failure.
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
}

// === impl Backoff ===

impl Backoff {
    /// Returns the time to wait after this many failures in a row: half of it is random.
    pub(crate) fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let longest = self.initial.saturating_mul(1 << doublings).min(self.max);
        longest.mul_f64(0.5 + random() / 2.0)
    }
}

/// Returns the time to wait after this many failures in a row, for programs with a loop of their
/// own: as long as the gateway says in [`Error::retry_after`](crate::Error::retry_after), up to
/// 60 s, and at least a backoff that doubles from 0.5 s up to 15 s, half of it random.
#[must_use]
pub fn retry_delay(failures: u32, retry_after: Option<Duration>) -> Duration {
    let retry_after = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
    STREAM.after(failures).max(retry_after)
}

/// Returns a number that is uniformly distributed over 0 (inclusive) to 1 (exclusive).
fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let share = bits as f64 / (1_u64 << 53) as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_its_maximum() {
        for (failures, longest) in [(1, 500), (2, 1000), (5, 8000), (6, 15_000), (99, 15_000)] {
            let longest = Duration::from_millis(longest);
            let wait = STREAM.after(failures);
            assert!(
                (longest / 2..=longest).contains(&wait),
                "{failures}: {wait:?}"
            );
        }
    }

    #[test]
    fn the_gateway_says_how_long_to_wait_up_to_a_minute() {
        let seconds = Duration::from_secs;

        assert_eq!(retry_delay(1, Some(seconds(7))), seconds(7));
        assert_eq!(retry_delay(1, Some(seconds(3600))), seconds(60));
        assert!(retry_delay(1, Some(Duration::ZERO)) >= Duration::from_millis(250));
    }
}
