//! The log of send times: how many calls may be sent now, and when the next.
//!
//! A place is reserved when a call is let go, and stamped when its request is
//! written: what lies between, a new connection above all, would otherwise let
//! calls of two seconds reach the vendor in one. A reserved place frees nothing
//! and costs nothing if the call is given up. Nothing here reads a clock.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Time for which a send holds its place: the second that the vendor counts
/// in, and 20 ms in which one request may be slower on its way than another
/// that follows it. Costs 2 % of the rate; 95 % of it is promised.
pub(super) const PERIOD: Duration = Duration::from_millis(1020);

/// The sends of the last period.
#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    /// Calls that were let go and have not been written yet.
    reserved: usize,
    /// When calls were written, oldest first; at most `limit - reserved`.
    sent: VecDeque<Instant>,
}

// === impl Window ===

impl Window {
    /// Makes the window for a rate per second, at least 1.
    pub(super) fn new(qps: u32) -> Self {
        Window {
            limit: usize::try_from(qps.max(1)).unwrap_or(usize::MAX),
            reserved: 0,
            sent: VecDeque::new(),
        }
    }

    /// Calls that may be let go now.
    pub(super) fn free(&mut self, now: Instant) -> usize {
        while self.sent.front().is_some_and(|sent| *sent + PERIOD <= now) {
            self.sent.pop_front();
        }
        self.limit - self.reserved - self.sent.len()
    }

    /// Lets a call go; there must be a free place.
    pub(super) fn reserve(&mut self) {
        self.reserved += 1;
    }

    /// Takes back a call that was never written.
    pub(super) fn give_back(&mut self) {
        self.reserved -= 1;
    }

    /// Stamps a call that is being written.
    pub(super) fn stamp(&mut self, now: Instant) {
        self.reserved -= 1;
        self.sent.push_back(now);
    }

    /// When the `nth` call from now (0 is the next one) can be let go, if
    /// those that are reserved are written at once.
    ///
    /// Each call waits for the one `limit` places before it:
    /// `turn(n) = max(now, turn(n - limit) + PERIOD)`, here in closed form.
    pub(super) fn turn(&mut self, now: Instant, nth: usize) -> Instant {
        self.free(now);
        let used = self.reserved + self.sent.len();
        let (rounds, place) = ((nth + used) / self.limit, (nth + used) % self.limit);
        let base = self.sent.get(place).copied().unwrap_or(now);
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        base + PERIOD.saturating_mul(rounds)
    }

    /// When the next place frees by itself; `None` while all are reserved.
    pub(super) fn next_free(&self) -> Option<Instant> {
        self.sent.front().map(|sent| *sent + PERIOD)
    }

    /// Places that are taken, reserved ones too.
    pub(super) fn taken(&mut self, now: Instant) -> usize {
        self.limit - self.free(now)
    }
}
