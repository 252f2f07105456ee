//! The summary at the end of an import.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::counts::Counts;
use super::left_out::LeftOut;
use crate::cli::output;
use crate::cli::scale::Limits;

/// The result of an import; displayed as text for people.
pub(super) struct Summary<'a> {
    pub(super) counts: Counts,
    /// What was found and is no image.
    pub(super) left_out: &'a LeftOut,
    /// Number of images that were scaled down to `limits`.
    pub(super) scaled: usize,
    pub(super) limits: Limits,
    /// Number of images without an outcome.
    pub(super) remaining: usize,
    pub(super) elapsed: Duration,
    /// Whether the library was asked for the skipped images.
    pub(super) is_verified: bool,
    /// Whether the journal belonged to a library of another identity.
    pub(super) is_journal_restarted: bool,
    pub(super) failures_file: Option<PathBuf>,
    pub(super) is_interrupted: bool,
}

// === impl Summary ===

impl Summary<'_> {
    /// Formats the summary with stable field names.
    pub(super) fn to_json(&self) -> Value {
        let counts = &self.counts;
        json!({
            "event": "summary",
            "added": counts.added,
            "existed": counts.existed,
            "matched": counts.matched,
            "failed": counts.failed,
            "failed_before": counts.failed_before,
            "skipped": counts.skipped,
            "scaled": self.scaled,
            "left_out": self.left_out.to_json(),
            "lost": counts.lost,
            "verified": self.is_verified,
            "journal_restarted": self.is_journal_restarted,
            "remaining": self.remaining,
            "bytes": counts.bytes,
            "seconds": self.elapsed.as_secs_f64(),
            "rate": counts.rate(self.elapsed),
            "interrupted": self.is_interrupted,
            "failures_file": self.failures_file.as_deref().map(Path::to_string_lossy),
        })
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        write!(
            f,
            "{} added, {} already stored, {} failed, {} skipped (journal); {} in {:.1} s, {:.1}/s",
            counts.added,
            counts.existed,
            counts.failed,
            counts.skipped,
            output::bytes(counts.bytes),
            self.elapsed.as_secs_f64(),
            counts.rate(self.elapsed),
        )?;
        if counts.matched > 0 {
            let count = counts.matched;
            write!(f, "\n{count} not added: the same image is stored")?;
        }
        if self.scaled > 0 {
            let (count, limits) = (self.scaled, self.limits);
            write!(
                f,
                "\n{count} scaled down: the library takes images of {limits}"
            )?;
        }
        if !self.left_out.is_empty() {
            write!(f, "\nleft out: {}", self.left_out)?;
        }
        if counts.failed_before > 0 {
            let count = counts.failed_before;
            write!(
                f,
                "\n{count} rejected in an earlier run: --retry-failed sends them again"
            )?;
        }
        if let Some(path) = &self.failures_file {
            write!(f, "\nfailures are listed in `{}`", path.display())?;
        }
        if self.remaining > 0 {
            write!(
                f,
                "\n{} remaining: run the same command again to resume",
                self.remaining
            )?;
        }
        Ok(())
    }
}
