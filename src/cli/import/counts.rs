//! The counts of an import.

use std::time::Duration;

/// Number of images by outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) added: u64,
    /// Stored before this import.
    pub(super) existed: u64,
    /// Not added, because another file of the same image is stored.
    pub(super) matched: u64,
    pub(super) failed: u64,
    /// Stored by an earlier run.
    pub(super) skipped: u64,
    /// Stored by an earlier run, but not in the library any more: sent again.
    pub(super) lost: u64,
    /// Rejected permanently in an earlier run.
    pub(super) failed_before: u64,
    /// Size of the stored files in bytes.
    pub(super) bytes: u64,
}

// === impl Counts ===

impl Counts {
    /// Returns the number of images that have an outcome in this run.
    pub(super) fn done(&self) -> u64 {
        self.added + self.existed + self.matched + self.failed
    }

    /// Returns the images per second since the start.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn rate(&self, elapsed: Duration) -> f64 {
        self.done() as f64 / elapsed.as_secs_f64().max(0.001)
    }
}
