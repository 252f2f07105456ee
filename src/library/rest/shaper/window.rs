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
    /// When calls were written, oldest first.
    sent: VecDeque<Instant>,
    /// Nothing is let go before.
    pause: Option<Instant>,
}

// === impl Window ===

impl Window {
    /// Makes the window for a rate per second, at least 1.
    pub(super) fn new(qps: u32) -> Self {
        Window {
            limit: usize::try_from(qps.max(1)).unwrap_or(usize::MAX),
            reserved: 0,
            sent: VecDeque::new(),
            pause: None,
        }
    }

    /// Changes the rate, and lets nothing go before the end of a pause. More
    /// places may be taken than there are now.
    pub(super) fn bound(&mut self, qps: u32, pause: Option<Instant>) {
        self.limit = usize::try_from(qps.max(1)).unwrap_or(usize::MAX);
        self.pause = pause;
    }

    /// Calls that may be let go now.
    pub(super) fn free(&mut self, now: Instant) -> usize {
        while self.sent.front().is_some_and(|sent| *sent + PERIOD <= now) {
            self.sent.pop_front();
        }
        self.pause = self.pause.filter(|end| now < *end);
        if self.pause.is_some() {
            return 0;
        }
        self.limit.saturating_sub(self.reserved + self.sent.len())
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
        let used = self.taken(now);
        let (whole, rest) = (nth / self.limit, nth % self.limit);
        // The call that this one waits for, if any, and the rounds until then.
        let (place, rounds) = match (rest + used).checked_sub(self.limit) {
            Some(place) => (place, whole + 1),
            None => (rest + used, whole),
        };
        let base = self.sent.get(place).copied().unwrap_or(now);
        let after = |time: Instant, rounds| {
            time + PERIOD.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX))
        };
        let turn = after(base, rounds);
        self.pause
            .map_or(turn, |pause| turn.max(after(pause, whole)))
    }

    /// When the next place frees by itself; `None` while all are reserved.
    pub(super) fn next_free(&self) -> Option<Instant> {
        let used = self.reserved + self.sent.len();
        let Some(place) = used.checked_sub(self.limit) else {
            return self.pause;
        };
        let free = *self.sent.get(place)? + PERIOD;
        Some(self.pause.map_or(free, |pause| free.max(pause)))
    }

    /// Places that are taken, reserved ones too.
    pub(super) fn taken(&mut self, now: Instant) -> usize {
        self.free(now);
        self.reserved + self.sent.len()
    }
}
