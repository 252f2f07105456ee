//! The books of one import: each item's outcome, once.
//!
//! Acknowledgements go to the journal before they are counted, failures to a
//! list of their own. The ledger knows nothing of connections; it tells the
//! stream when going on makes no sense.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::class::{Class, classify};
use super::failures::Failures;
use super::journal::Journal;
use super::progress::Progress;
use super::source::{Plan, Skipped};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Output};
use crate::proto::v1;

/// Passing failures in a row after which the stream takes a break: the library
/// is having trouble, not the images. Two full loads of the default number in
/// flight.
const MAX_MISFORTUNES: u32 = 32;
/// Failures shown one by one; all of them are in the list.
const MAX_SHOWN: u64 = 20;

/// The books.
pub(super) struct Ledger<'a> {
    plan: &'a Plan,
    journal: &'a mut Journal,
    failures: Failures,
    progress: Progress,
    output: &'a mut Output,
    by_key: HashMap<Arc<str>, usize>,
    is_settled: Vec<bool>,
    /// Failed for a passing reason in this round.
    unlucky: Vec<usize>,
    misfortunes: u32,
    is_last_round: bool,
    gains: u64,
    counts: Counts,
    started: Instant,
}

/// What an import came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) added: u64,
    pub(super) existed: u64,
    pub(super) failed: u64,
    /// Stored by an earlier run.
    pub(super) skipped: u64,
    /// Rejected for good by an earlier run.
    pub(super) failed_before: u64,
    /// Size of the stored files.
    pub(super) bytes: u64,
}

/// What an acknowledgement means for the rest of the stream.
pub(super) enum Verdict {
    GoOn,
    /// The library has trouble that passes.
    Pause(Failure),
    /// Every further image would fail alike.
    Halt(Failure),
}

// === impl Ledger ===

impl<'a> Ledger<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        journal: &'a mut Journal,
        failures: Failures,
        progress: Progress,
        output: &'a mut Output,
    ) -> Self {
        let pending = plan.pending.iter();
        Ledger {
            by_key: pending
                .map(|&index| (plan.items[index].key.clone(), index))
                .collect(),
            is_settled: vec![false; plan.items.len()],
            plan,
            journal,
            failures,
            progress,
            output,
            unlucky: Vec::new(),
            misfortunes: 0,
            is_last_round: false,
            gains: 0,
            counts: Counts::default(),
            started: Instant::now(),
        }
    }

    /// Books what is known before the first image is sent.
    pub(super) fn book_found(&mut self, skipped: &Skipped) -> Result<(), Failure> {
        self.counts.skipped = skipped.stored;
        self.counts.failed_before = skipped.rejected.len() as u64;
        let plan = self.plan;
        for (index, failure) in &skipped.rejected {
            let item = &plan.items[*index];
            self.failures
                .write(&item.key, Some(&item.origin), failure)?;
        }
        for (name, failure) in &plan.unusable {
            self.counts.failed += 1;
            self.failures.write(name, None, failure)?;
            self.show_failure(name, failure);
        }
        Ok(())
    }

    /// Begins a round; in the last one a passing failure is a failure.
    pub(super) fn begin_round(&mut self, is_last_round: bool) {
        self.is_last_round = is_last_round;
        self.misfortunes = 0;
    }

    /// Books the acknowledgement of one item.
    pub(super) fn book_result(&mut self, result: v1::AddImagesResult) -> Result<Verdict, Failure> {
        let Some(&index) = self.by_key.get(result.key.as_str()) else {
            let message = format!(
                "the gateway acknowledged `{}`, which nobody sent",
                result.key
            );
            return Ok(Verdict::Halt(Failure::local(message)));
        };
        if self.is_settled[index] {
            return Ok(Verdict::GoOn);
        }
        let status = result.status.unwrap_or_default();
        if status.code == 0 {
            self.book_stored(index, &result.cont_sign, result.existed)?;
            return Ok(Verdict::GoOn);
        }
        let failure = Failure::from(status);
        match classify(&failure) {
            Class::Everything => Ok(Verdict::Halt(failure)),
            Class::NotTaken => Ok(Verdict::GoOn),
            Class::Final => {
                self.settle(index);
                self.book_failed(index, &failure)?;
                Ok(Verdict::GoOn)
            }
            Class::Passing => self.book_unlucky(index, failure),
        }
    }

    /// Books an item that could not be sent.
    pub(super) fn book_unsent(&mut self, index: usize, failure: &Failure) -> Result<(), Failure> {
        self.settle(index);
        self.book_failed(index, failure)
    }

    fn book_stored(&mut self, index: usize, sign: &str, existed: bool) -> Result<(), Failure> {
        let stamp = self.plan.stamps[index];
        let key = &self.plan.items[index].key;
        self.journal.book_stored(key, stamp, sign)?;
        self.settle(index);
        self.counts.bytes += stamp.size;
        if existed {
            self.counts.existed += 1;
        } else {
            self.counts.added += 1;
        }
        Ok(())
    }

    /// Books a failure that counts; one of a known kind would come again.
    fn book_failed(&mut self, index: usize, failure: &Failure) -> Result<(), Failure> {
        let item = &self.plan.items[index];
        if failure.code().is_some() && classify(failure) == Class::Final {
            let stamp = self.plan.stamps[index];
            self.journal.book_rejected(&item.key, stamp, failure)?;
        }
        self.counts.failed += 1;
        self.failures
            .write(&item.key, Some(&item.origin), failure)?;
        self.show_failure(&item.key, failure);
        Ok(())
    }

    fn book_unlucky(&mut self, index: usize, failure: Failure) -> Result<Verdict, Failure> {
        self.is_settled[index] = true;
        if self.is_last_round {
            self.book_failed(index, &failure)?;
        } else {
            self.unlucky.push(index);
        }
        self.misfortunes += 1;
        if self.misfortunes < MAX_MISFORTUNES {
            return Ok(Verdict::GoOn);
        }
        self.misfortunes = 0;
        Ok(Verdict::Pause(failure))
    }

    fn settle(&mut self, index: usize) {
        self.is_settled[index] = true;
        self.gains += 1;
        self.misfortunes = 0;
    }

    /// Whether the item needs nothing more in this round.
    pub(super) fn is_settled(&self, index: usize) -> bool {
        self.is_settled[index]
    }

    /// Outcomes so far other than passing failures: whether work gets done.
    pub(super) fn gains(&self) -> u64 {
        self.gains
    }

    /// Hands out the items of this round that failed for a passing reason.
    pub(super) fn take_unlucky(&mut self) -> Vec<usize> {
        for &index in &self.unlucky {
            self.is_settled[index] = false;
        }
        std::mem::take(&mut self.unlucky)
    }

    pub(super) fn has_failures(&self) -> bool {
        self.counts.failed + self.counts.failed_before > 0
    }

    /// Says something beside the progress.
    pub(super) fn note(&mut self, text: &str) {
        self.progress.pause(|| self.output.note(text));
    }

    /// Says why the import ends early.
    pub(super) fn show_error(&mut self, failure: &Failure) {
        let is_json = self.progress.is_json();
        self.progress
            .pause(|| self.output.failure(failure, is_json));
    }

    pub(super) fn show_progress(&mut self) {
        self.progress
            .show(&self.counts, self.started.elapsed(), self.output);
    }

    fn show_failure(&mut self, key: &str, failure: &Failure) {
        if self.progress.is_json() {
            let line = json!({ "event": "failed", "key": key, "error": failure.to_json() });
            return self.output.json(&line);
        }
        if self.counts.failed <= MAX_SHOWN {
            self.note(&format!("failed: `{key}`: {failure}"));
        }
        if self.counts.failed == MAX_SHOWN {
            self.note("further failures are only listed in the file");
        }
    }

    /// Says what the import came to, and closes the list of failures.
    pub(super) fn sum_up(self, exit: Exit) -> Result<(), Failure> {
        self.progress.finish();
        let list = self.failures.finish()?;
        let counts = self.counts;
        let seconds = self.started.elapsed().as_secs_f64();
        let done = counts.added + counts.existed + counts.failed;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = done as f64 / seconds.max(0.001);
        let unsettled = self.plan.pending.iter();
        let remaining = unsettled.filter(|index| !self.is_settled[**index]).count();
        let remaining = remaining + self.unlucky.len();
        if self.progress.is_json() {
            self.output.json(&json!({
                "event": "summary",
                "added": counts.added,
                "existed": counts.existed,
                "failed": counts.failed,
                "failed_before": counts.failed_before,
                "skipped": counts.skipped,
                "remaining": remaining,
                "bytes": counts.bytes,
                "seconds": seconds,
                "rate": rate,
                "interrupted": exit == Exit::Interrupted,
                "failures_file": list.as_deref().map(Path::to_string_lossy),
            }));
            return Ok(());
        }
        self.output.note(&format!(
            "{} added, {} already there, {} failed, {} skipped (journal); {} in {seconds:.1} s, \
             {rate:.1}/s",
            counts.added,
            counts.existed,
            counts.failed,
            counts.skipped,
            output::bytes(counts.bytes),
        ));
        if counts.failed_before > 0 {
            let count = counts.failed_before;
            let text =
                format!("{count} rejected in an earlier run: --retry-failed sends them again");
            self.output.note(&text);
        }
        if let Some(list) = list {
            self.output
                .note(&format!("failures are listed in `{}`", list.display()));
        }
        if remaining > 0 {
            self.output.note(&format!(
                "{remaining} left: run the same command again, it goes on where this one stopped"
            ));
        }
        Ok(())
    }
}
