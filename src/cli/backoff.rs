//! When to try again after a failure.

use std::time::Duration;

/// Backoff after the first attempt without progress; doubled for each further one up to
/// [`MAX_BACKOFF`].
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(15);
/// Maximum retry delay that is accepted from a gateway.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Returns the exponential backoff; none without a failed attempt.
pub(super) fn backoff(failed_attempts: usize) -> Duration {
    if failed_attempts == 0 {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(failed_attempts - 1)
        .unwrap_or(u32::MAX)
        .min(16);
    (INITIAL_BACKOFF * 2u32.pow(doublings)).min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_its_maximum() {
        let waits: Vec<u128> = (0..8).map(|n| backoff(n).as_millis()).collect();

        assert_eq!(waits, [0, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
        assert_eq!(backoff(usize::MAX), MAX_BACKOFF);
    }
}
