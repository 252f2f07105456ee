//! A rate limit as one number: the generic cell rate algorithm (GCRA).
//!
//! Source: ITU-T I.371 (03/2004), annex A, the virtual scheduling form. The number is the
//! theoretical arrival time (TAT) of the next request at an even rate; its distance from the clock
//! is the used part of the burst. `acquire.lua` does the same in Redis.

/// The state of a rate limit, in seconds of its clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gcra {
    tat: f64,
}

impl Gcra {
    /// Returns the seconds until `cost` fits into `burst` at `rate` a second; zero or less if it
    /// fits now.
    pub(super) fn wait(self, now: f64, cost: f64, rate: f64, burst: f64) -> f64 {
        self.tat.max(now) + (cost - burst) / rate - now
    }

    /// Charges `cost`, also beyond the burst.
    pub(super) fn charge(&mut self, now: f64, cost: f64, rate: f64) {
        self.tat = self.tat.max(now) + cost / rate;
    }
}
