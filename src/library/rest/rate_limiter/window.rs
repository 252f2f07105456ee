//! The sliding window of send times: how many calls may be sent now, and when the next.
//!
//! A slot is reserved when a call is dispatched, and marked as sent when its request is written.
//! The time in between, above all a new connection, would otherwise let calls of two seconds reach
//! the vendor in one. A reserved slot never expires by itself, and is free at once if the call is
//! cancelled. Nothing here reads a clock.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Time for which a send occupies its slot: the second that the vendor counts in, and 20 ms for the
/// difference in latency between two requests. It costs 2 % of the rate; 95 % of the rate is
/// promised.
pub(super) const PERIOD: Duration = Duration::from_millis(1020);

/// The sends of the last period.
#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    /// Calls that were dispatched and are not written yet.
    reserved: usize,
    /// When calls were written, oldest first.
    sent: VecDeque<Instant>,
    /// Nothing is dispatched before this moment.
    blocked_until: Option<Instant>,
}

// === impl Window ===

impl Window {
    /// Creates the window for a rate per second, at least 1.
    pub(super) fn new(qps: u32) -> Self {
        Window {
            limit: usize::try_from(qps.max(1)).unwrap_or(usize::MAX),
            reserved: 0,
            sent: VecDeque::new(),
            blocked_until: None,
        }
    }

    /// Sets the rate and the moment before which nothing is dispatched. More slots may be used than
    /// the new rate has.
    pub(super) fn set_limit(&mut self, qps: u32, blocked_until: Option<Instant>) {
        self.limit = usize::try_from(qps.max(1)).unwrap_or(usize::MAX);
        self.blocked_until = blocked_until;
    }

    /// Returns how many calls may be dispatched now.
    pub(super) fn available(&mut self, now: Instant) -> usize {
        while self.sent.front().is_some_and(|sent| *sent + PERIOD <= now) {
            self.sent.pop_front();
        }
        self.blocked_until = self.blocked_until.filter(|end| now < *end);
        if self.blocked_until.is_some() {
            return 0;
        }
        self.limit.saturating_sub(self.reserved + self.sent.len())
    }

    /// Reserves a slot for a call; there must be an available one.
    pub(super) fn reserve(&mut self) {
        self.reserved += 1;
    }

    /// Frees the slot of a call that was never written.
    pub(super) fn cancel(&mut self) {
        self.reserved -= 1;
    }

    /// Records that a call is being written.
    pub(super) fn mark_sent(&mut self, now: Instant) {
        self.reserved -= 1;
        self.sent.push_back(now);
    }

    /// Returns when the `nth` call from now (0 is the next one) can be dispatched, if the reserved
    /// ones are written at once.
    ///
    /// Each call waits for the one `limit` slots before it: `dispatch(n) = max(now, dispatch(n -
    /// limit) + PERIOD)`, here in closed form.
    pub(super) fn dispatch_time(&mut self, now: Instant, nth: usize) -> Instant {
        let used = self.used(now);
        let (whole, remainder) = (nth / self.limit, nth % self.limit);
        // The call that this one waits for, if any, and the periods until then.
        let (index, periods) = match (remainder + used).checked_sub(self.limit) {
            Some(index) => (index, whole + 1),
            None => (remainder + used, whole),
        };
        let base = self.sent.get(index).copied().unwrap_or(now);
        let after = |time: Instant, periods| {
            time + PERIOD.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX))
        };
        let dispatch = after(base, periods);
        self.blocked_until
            .map_or(dispatch, |end| dispatch.max(after(end, whole)))
    }

    /// Returns when the next slot becomes available by itself; `None` while all are reserved.
    pub(super) fn next_available(&self) -> Option<Instant> {
        let used = self.reserved + self.sent.len();
        let Some(index) = used.checked_sub(self.limit) else {
            return self.blocked_until;
        };
        let available = *self.sent.get(index)? + PERIOD;
        Some(
            self.blocked_until
                .map_or(available, |end| available.max(end)),
        )
    }

    /// Returns the number of used slots, the reserved ones included.
    pub(super) fn used(&mut self, now: Instant) -> usize {
        self.available(now);
        self.reserved + self.sent.len()
    }
}
