//! How long jobs of one class take for their cost.

use std::time::Duration;

/// Weight of the newest job against all before it: an eighth, as for the smoothed round-trip time of
/// RFC 6298, section 2.
const GAIN: f64 = 1.0 / 8.0;

/// Assumed time of one unit of cost before anything is measured: 1.2 s for the most expensive image
/// (4096 x 4096 pixels, 16 bits).
const INITIAL: Duration = Duration::from_micros(75);

/// An exponentially weighted ratio of time and cost: long jobs count more than short ones, which
/// their fixed part would distort.
#[derive(Clone, Copy, Debug)]
pub(super) struct CostRate {
    seconds: f64,
    cost: f64,
}

// === impl CostRate ===

impl CostRate {
    /// Records that a job of this cost took this time.
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
    pub(super) fn record(&mut self, cost: u64, took: Duration) {
        self.seconds += GAIN * (took.as_secs_f64() - self.seconds);
        self.cost += GAIN * (cost as f64 - self.cost);
    }

    /// Returns the expected time of jobs of this cost on one core.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an estimate needs no more digits"
    )]
    pub(super) fn expected(&self, cost: u64) -> Duration {
        let seconds = self.seconds * (cost as f64 / self.cost);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

impl Default for CostRate {
    fn default() -> Self {
        CostRate {
            seconds: INITIAL.as_secs_f64(),
            cost: 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_follows_the_measured_time_per_cost() {
        let mut rate = CostRate::default();
        assert_eq!(rate.expected(1000), INITIAL * 1000);

        for _ in 0..50 {
            rate.record(100, Duration::from_millis(200));
        }

        let expected = rate.expected(1000);
        assert!(
            expected.abs_diff(Duration::from_secs(2)) < Duration::from_millis(20),
            "{expected:?}"
        );
    }

    #[test]
    fn a_long_job_counts_more_than_a_short_one() {
        let mut rate = CostRate::default();

        for _ in 0..50 {
            rate.record(1, Duration::from_millis(10));
            rate.record(999, Duration::from_millis(999));
        }

        let expected = rate.expected(1000);
        assert!(expected < Duration::from_millis(1050), "{expected:?}");
    }
}
