//! How long responses take, and how early a call must be sent for one.

use std::time::Duration;

use tokio::time::Instant;

/// Minimum time that is reserved for a response, also before the first one: a call that is sent
/// right at its deadline wastes its slot.
const MIN_RESPONSE_TIME: Duration = Duration::from_millis(20);

/// Estimated response time, after RFC 6298 section 2: a smoothed mean and its deviation.
#[derive(Clone, Copy, Default)]
pub(super) struct ResponseTime {
    mean: Duration,
    deviation: Duration,
}

// === impl ResponseTime ===

impl ResponseTime {
    /// Records the time of one response.
    pub(super) fn record(&mut self, time: Duration) {
        if self.mean.is_zero() {
            (self.mean, self.deviation) = (time, time / 2);
            return;
        }
        self.deviation = (self.deviation * 3 + self.mean.abs_diff(time)) / 4;
        self.mean = (self.mean * 7 + time) / 8;
    }

    /// Returns the latest moment for sending a call. Half of the remaining time is always left for
    /// waiting, so that a vendor that was slow once is called again and can lower the estimate.
    pub(super) fn send_by(&self, now: Instant, deadline: Instant) -> Instant {
        let expected = (self.mean + self.deviation * 4).max(MIN_RESPONSE_TIME);
        let remaining = deadline.saturating_duration_since(now);
        deadline - expected.min(remaining / 2)
    }
}
