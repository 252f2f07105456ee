//! Reports the outcome of an operation, also of one that its caller abandons.

use std::fmt;

/// Reports how an operation ended.
pub trait OnOutcome<O> {
    /// Called once, when the operation has ended.
    fn on_outcome(&mut self, outcome: &O);
}

/// Reports an outcome when it is dropped: the first one, "cancelled", unless the operation has
/// ended and set another. A future that is dropped halfway is reported too that way.
pub struct OutcomeGuard<O, R: OnOutcome<O>> {
    /// The outcome as known so far.
    pub outcome: O,
    report: R,
}

// === impl OutcomeGuard ===

impl<O, R: OnOutcome<O>> OutcomeGuard<O, R> {
    /// Starts an operation whose outcome is `cancelled` until another is set.
    pub fn new(cancelled: O, report: R) -> Self {
        OutcomeGuard {
            outcome: cancelled,
            report,
        }
    }
}

impl<O, R: OnOutcome<O>> Drop for OutcomeGuard<O, R> {
    fn drop(&mut self) {
        self.report.on_outcome(&self.outcome);
    }
}

impl<O: fmt::Debug, R: OnOutcome<O>> fmt::Debug for OutcomeGuard<O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OutcomeGuard").field(&self.outcome).finish()
    }
}

impl<O, F: FnMut(&O)> OnOutcome<O> for F {
    fn on_outcome(&mut self, outcome: &O) {
        self(outcome);
    }
}
