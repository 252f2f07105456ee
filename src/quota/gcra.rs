//! A rate limit in one number: the generic cell rate algorithm.
//!
//! Source: ITU-T I.371 (03/2004), annex A, the virtual scheduling form. The
//! number is the theoretical arrival time (TAT) of the next request if all
//! came evenly; how far it lies ahead of the clock is what was taken in
//! advance. `take.lua` does the same in Redis.

/// A rate limit's state, in seconds of its clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gcra {
    tat: f64,
}

impl Gcra {
    /// Seconds until `cost` more fit into `burst` at `rate` a second; zero or
    /// less when they fit now.
    pub(super) fn wait(self, now: f64, cost: f64, rate: f64, burst: f64) -> f64 {
        self.tat.max(now) + (cost - burst) / rate - now
    }

    /// Takes `cost`, also in advance.
    pub(super) fn take(&mut self, now: f64, cost: f64, rate: f64) {
        self.tat = self.tat.max(now) + cost / rate;
    }
}
