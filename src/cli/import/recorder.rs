//! Records the outcome of each image of an import, exactly once.
//!
//! An acknowledgement is written to the journal before it is counted; failures are also written to
//! the failure list. The recorder does not know connections; it returns to the stream how to
//! continue.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

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

/// Consecutive transient errors after which the stream pauses: they are caused by the library and
/// not by the images. Twice the default number in flight.
const MAX_CONSECUTIVE_TRANSIENT_ERRORS: u32 = 32;
/// Maximum number of failures that are shown; the failure list contains all.
const MAX_SHOWN_FAILURES: u64 = 20;

/// The outcomes of an import.
pub(super) struct Recorder<'a> {
    plan: &'a Plan,
    journal: &'a mut Journal,
    failures: FailureList,
    display: ProgressDisplay,
    output: &'a mut Output,
    index_by_key: HashMap<Arc<str>, usize>,
    /// By item: whether it needs no more work in this round.
    is_settled: Vec<bool>,
    /// Items that failed for a transient reason in this round.
    retryable: Vec<usize>,
    consecutive_transient_errors: u32,
    is_last_round: bool,
    completed: u64,
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
    /// End the stream and back off: the library fails temporarily.
    Pause(Failure),
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
            index_by_key: plan
                .pending
                .iter()
                .map(|&index| (plan.items[index].key.clone(), index))
                .collect(),
            is_settled: vec![false; plan.items.len()],
            plan,
            journal,
            failures,
            display,
            output,
            retryable: Vec::new(),
            consecutive_transient_errors: 0,
            is_last_round: false,
            completed: 0,
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

    /// Begins a round; in the last one a transient failure is a failure.
    pub(super) fn begin_round(&mut self, is_last_round: bool) {
        self.is_last_round = is_last_round;
        self.consecutive_transient_errors = 0;
    }

    /// Records the acknowledgement of one item.
    pub(super) fn record_result(
        &mut self,
        result: v1::AddImagesResult,
    ) -> Result<StreamAction, Failure> {
        let Some(&index) = self.index_by_key.get(result.key.as_str()) else {
            let message = format!(
                "the gateway acknowledged `{}`, which was not sent",
                result.key
            );
            return Ok(StreamAction::Stop(Failure::local(message)));
        };
        if self.is_settled[index] {
            return Ok(StreamAction::Continue);
        }
        let status = result.status.unwrap_or_default();
        if status.code == 0 {
            self.record_stored(index, &result.cont_sign, result.existed)?;
            return Ok(StreamAction::Continue);
        }
        let failure = Failure::from(status);
        // Only an import with --only-new gets this.
        if failure.kind() == Some(Kind::SameImageExists) {
            self.count_matched(index);
            return Ok(StreamAction::Continue);
        }
        match classify(&failure) {
            FailureClass::Fatal => Ok(StreamAction::Stop(failure)),
            FailureClass::NotProcessed => Ok(StreamAction::Continue),
            FailureClass::Permanent => {
                self.settle(index);
                self.record_failed(index, &failure)?;
                Ok(StreamAction::Continue)
            }
            FailureClass::Transient => self.record_transient(index, failure),
        }
    }

    /// Counts an image of which the library has another file. It is not in the journal, since it was
    /// not stored: a later run without --only-new adds it.
    fn count_matched(&mut self, index: usize) {
        self.settle(index);
        self.counts.matched += 1;
    }

    /// Records an item that could not be sent. It is not in the journal: other flags or limits may
    /// let it pass.
    pub(super) fn record_unsent(&mut self, index: usize, failure: &Failure) -> Result<(), Failure> {
        self.settle(index);
        self.list_failed(index, failure)
    }

    /// Records that the image of an item was scaled down before it was sent.
    pub(super) fn record_scaled(&mut self, index: usize) {
        self.scaled.insert(index);
    }

    /// Returns whether the item needs no more work in this round.
    pub(super) fn is_settled(&self, index: usize) -> bool {
        self.is_settled[index]
    }

    /// Returns the number of outcomes so far, without transient failures: it grows while the import
    /// makes progress.
    pub(super) fn completed(&self) -> u64 {
        self.completed
    }

    /// Returns the items of this round that failed for a transient reason, and opens them for the
    /// next round.
    pub(super) fn take_retryable(&mut self) -> Vec<usize> {
        for &index in &self.retryable {
            self.is_settled[index] = false;
        }
        std::mem::take(&mut self.retryable)
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
            remaining: unsettled + self.retryable.len(),
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
        self.settle(index);
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

    fn record_transient(
        &mut self,
        index: usize,
        failure: Failure,
    ) -> Result<StreamAction, Failure> {
        self.is_settled[index] = true;
        if self.is_last_round {
            self.record_failed(index, &failure)?;
        } else {
            self.retryable.push(index);
        }
        self.consecutive_transient_errors += 1;
        if self.consecutive_transient_errors < MAX_CONSECUTIVE_TRANSIENT_ERRORS {
            return Ok(StreamAction::Continue);
        }
        self.consecutive_transient_errors = 0;
        Ok(StreamAction::Pause(failure))
    }

    fn settle(&mut self, index: usize) {
        self.is_settled[index] = true;
        self.completed += 1;
        self.consecutive_transient_errors = 0;
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
