//! Records the outcome of each image of an import, exactly once.
//!
//! An acknowledgement is written to the journal before it is counted; failures are also written to
//! the failure list. The recorder does not know connections; it says whether to go on.

use std::collections::HashSet;
use std::time::Instant;

use samegate_client::Error;
use serde_json::json;

use super::counts::Counts;
use super::failure_list::FailureList;
use super::journal::Journal;
use super::plan::{Plan, Skipped};
use super::progress::ProgressDisplay;
use super::summary::Summary;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::failure_class::{FailureClass, classify};
use crate::cli::output::Output;
use crate::cli::scale::Limits;
use crate::error::Kind;
use crate::proto::v1;

/// Maximum number of failures that are shown; the failure list contains all.
const MAX_SHOWN_FAILURES: u64 = 20;

/// The outcomes of an import.
pub(super) struct Recorder<'a> {
    plan: &'a Plan,
    journal: &'a mut Journal,
    failures: FailureList,
    display: ProgressDisplay,
    output: &'a mut Output,
    /// By item: whether it has its outcome.
    is_settled: Vec<bool>,
    counts: Counts,
    /// Items whose images were scaled down.
    scaled: HashSet<usize>,
    /// Whether the library was asked for the skipped images.
    is_verified: bool,
    started: Instant,
}

/// How the stream continues after an acknowledgement.
pub(super) enum StreamAction {
    Continue,
    /// End the import: every other image would fail in the same way.
    Stop(Failure),
}

// === impl Recorder ===

impl<'a> Recorder<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        journal: &'a mut Journal,
        failures: FailureList,
        display: ProgressDisplay,
        output: &'a mut Output,
    ) -> Self {
        Recorder {
            is_settled: vec![false; plan.items.len()],
            plan,
            journal,
            failures,
            display,
            output,
            counts: Counts::default(),
            scaled: HashSet::new(),
            is_verified: false,
            started: Instant::now(),
        }
    }

    /// Records the items that are not sent, and says why others are sent again.
    pub(super) fn record_skipped(&mut self, skipped: Skipped) -> Result<(), Failure> {
        self.counts.skipped = skipped.stored;
        self.counts.lost = skipped.lost;
        self.counts.failed_before = skipped.rejected.len() as u64;
        self.is_verified = skipped.is_verified;
        if !self.display.is_json() {
            self.print_resumption();
        }
        let plan = self.plan;
        for (index, failure) in skipped.rejected {
            let item = &plan.items[index];
            self.failures
                .write(&item.key, Some(&item.location), &failure)?;
        }
        for (name, failure) in &plan.unusable {
            self.counts.failed += 1;
            self.failures.write(name, None, failure)?;
            self.print_failure(name, failure);
        }
        Ok(())
    }

    /// Records the outcome of one item.
    pub(super) fn record(
        &mut self,
        index: usize,
        result: Result<v1::AddImagesResult, Error>,
    ) -> Result<StreamAction, Failure> {
        let failure = match result {
            Ok(added) => {
                self.record_stored(index, &added.cont_sign, added.existed)?;
                return Ok(StreamAction::Continue);
            }
            // It was not sent. It is not in the journal: other flags or limits may let it pass.
            Err(error) if error.code().is_none() => {
                self.is_settled[index] = true;
                self.list_failed(index, &error.into())?;
                return Ok(StreamAction::Continue);
            }
            Err(error) => Failure::from(error),
        };
        // Only an import with --only-new gets this.
        if failure.kind() == Some(Kind::SameImageExists) {
            self.count_matched(index);
            return Ok(StreamAction::Continue);
        }
        if classify(&failure) == FailureClass::Fatal {
            return Ok(StreamAction::Stop(failure));
        }
        self.is_settled[index] = true;
        self.record_failed(index, &failure)?;
        Ok(StreamAction::Continue)
    }

    /// Counts an image of which the library has another file. It is not in the journal, since it was
    /// not stored: a later run without --only-new adds it.
    fn count_matched(&mut self, index: usize) {
        self.is_settled[index] = true;
        self.counts.matched += 1;
    }

    /// Records that the image of an item was scaled down before it was sent.
    pub(super) fn record_scaled(&mut self, index: usize) {
        self.scaled.insert(index);
    }

    /// Returns the identity of the library at the start, if it has one.
    pub(super) fn library_id(&self) -> Option<&str> {
        self.journal.library_id()
    }

    pub(super) fn has_failures(&self) -> bool {
        self.counts.failed + self.counts.failed_before > 0
    }

    /// Prints a message next to the progress.
    pub(super) fn print_note(&mut self, text: &str) {
        self.display.suspend(|| self.output.note(text));
    }

    /// Prints why the import ends early.
    pub(super) fn print_error(&mut self, failure: &Failure) {
        let is_json = self.display.is_json();
        self.display
            .suspend(|| self.output.failure(failure, is_json));
    }

    pub(super) fn print_progress(&mut self) {
        self.display
            .update(&self.counts, self.started.elapsed(), self.output);
    }

    /// Prints the summary and closes the failure list. The library takes images of up to `limits`.
    pub(super) fn print_summary(self, exit: Exit, limits: Limits) -> Result<(), Failure> {
        self.display.finish();
        let pending = self.plan.pending.iter();
        let unsettled = pending.filter(|index| !self.is_settled[**index]).count();
        let summary = Summary {
            counts: self.counts,
            left_out: &self.plan.left_out,
            scaled: self.scaled.len(),
            limits,
            remaining: unsettled,
            elapsed: self.started.elapsed(),
            is_verified: self.is_verified,
            is_journal_restarted: self.journal.is_restarted(),
            failures_file: self.failures.finish()?,
            is_interrupted: exit == Exit::Interrupted,
        };
        if self.display.is_json() {
            self.output.json(&summary.to_json());
        } else {
            self.output.note(&summary.to_string());
        }
        Ok(())
    }

    fn print_resumption(&mut self) {
        let Counts { skipped, lost, .. } = self.counts;
        if self.journal.is_restarted() {
            self.print_note("the library is new or was restored: all images are sent");
        }
        if lost > 0 {
            self.print_note(&format!(
                "the library has lost {lost} images of the journal: they are sent again"
            ));
        }
        if skipped > 0 && !self.is_verified {
            self.print_note(&format!(
                "a library at a vendor does not list its images: {skipped} are skipped because the \
                 journal `{}` has them; delete it to send them again",
                self.journal.path().display()
            ));
        }
    }

    fn record_stored(&mut self, index: usize, sign: &str, existed: bool) -> Result<(), Failure> {
        let version = self.plan.versions[index];
        self.journal
            .record_stored(&self.plan.items[index].key, version, sign)?;
        self.is_settled[index] = true;
        self.counts.bytes += version.size;
        if existed {
            self.counts.existed += 1;
        } else {
            self.counts.added += 1;
        }
        Ok(())
    }

    /// Records a failure that counts. Only a permanent one is written to the journal: after any
    /// other the next run sends the image again.
    fn record_failed(&mut self, index: usize, failure: &Failure) -> Result<(), Failure> {
        let item = &self.plan.items[index];
        if failure.code().is_some() && classify(failure) == FailureClass::Permanent {
            let version = self.plan.versions[index];
            self.journal.record_rejected(&item.key, version, failure)?;
        }
        self.list_failed(index, failure)
    }

    fn list_failed(&mut self, index: usize, failure: &Failure) -> Result<(), Failure> {
        let item = &self.plan.items[index];
        self.counts.failed += 1;
        self.failures
            .write(&item.key, Some(&item.location), failure)?;
        self.print_failure(&item.key, failure);
        Ok(())
    }

    fn print_failure(&mut self, key: &str, failure: &Failure) {
        if self.display.is_json() {
            let line = json!({ "event": "failed", "key": key, "error": failure.to_json() });
            return self.output.json(&line);
        }
        if self.counts.failed <= MAX_SHOWN_FAILURES {
            self.print_note(&format!("failed: `{key}`: {failure}"));
        }
        if self.counts.failed == MAX_SHOWN_FAILURES {
            self.print_note("further failures are only written to the failure list");
        }
    }
}
