//! Sends all images of an import: reconnects with backoff, and retries images that failed for a
//! transient reason.

use std::time::Duration;

use super::recorder::Recorder;
use super::stream::{StreamEnd, StreamSender};
use crate::cli::backoff::{MAX_RETRY_AFTER, backoff, is_transient};
use crate::cli::failure::Failure;

/// Maximum number of times that an image is sent if it fails for a transient reason.
const MAX_ROUNDS: usize = 3;

/// The loop over streams.
pub(super) struct RetryLoop<'a> {
    sender: StreamSender<'a>,
    /// Consecutive connections without progress before the import fails.
    max_attempts: u32,
}

/// Why sending ended.
pub(super) enum ImportEnd {
    /// Each image has its outcome.
    Complete,
    /// The user interrupted it.
    Interrupted,
    /// A failure that no retry can solve.
    Stopped(Failure),
}

// === impl RetryLoop ===

impl<'a> RetryLoop<'a> {
    pub(super) fn new(sender: StreamSender<'a>, max_attempts: u32) -> Self {
        RetryLoop {
            sender,
            max_attempts,
        }
    }

    /// Sends all pending images, and retries those that failed for a transient reason.
    pub(super) async fn run(&self, recorder: &mut Recorder<'_>) -> Result<ImportEnd, Failure> {
        let mut pending = self.sender.pending();
        for round in 1..=MAX_ROUNDS {
            recorder.begin_round(round == MAX_ROUNDS);
            match self.send(pending, recorder).await? {
                ImportEnd::Complete => {}
                end @ (ImportEnd::Interrupted | ImportEnd::Stopped(_)) => return Ok(end),
            }
            pending = recorder.take_retryable();
            if pending.is_empty() {
                break;
            }
            if self.is_interrupted_within(backoff(round)).await {
                return Ok(ImportEnd::Interrupted);
            }
        }
        Ok(ImportEnd::Complete)
    }

    /// Opens streams until each of the images has its outcome.
    async fn send(
        &self,
        mut pending: Vec<usize>,
        recorder: &mut Recorder<'_>,
    ) -> Result<ImportEnd, Failure> {
        let mut failed_attempts = 0;
        while !pending.is_empty() {
            let completed_before = recorder.completed();
            let end = self.sender.send(&pending, recorder).await?;
            pending.retain(|index| !recorder.is_settled(*index));

            let cause = match end {
                StreamEnd::Interrupted => return Ok(ImportEnd::Interrupted),
                StreamEnd::Stopped(failure) => return Ok(ImportEnd::Stopped(failure)),
                StreamEnd::Broken(failure) if !is_transient(&failure) => {
                    return Ok(ImportEnd::Stopped(failure));
                }
                StreamEnd::Broken(failure) => failure,
                StreamEnd::Complete if pending.is_empty() => break,
                StreamEnd::Complete => Failure::local("the gateway is draining"),
            };
            if recorder.completed() > completed_before {
                failed_attempts = 0;
            } else {
                failed_attempts += 1;
            }
            if failed_attempts >= self.max_attempts {
                return Ok(ImportEnd::Stopped(cause));
            }
            let retry_after = cause.retry_after().unwrap_or_default().min(MAX_RETRY_AFTER);
            let delay = backoff(failed_attempts as usize).max(retry_after);
            if !delay.is_zero() {
                let seconds = delay.as_secs_f64();
                recorder.print_note(&format!("{}; retry in {seconds:.1} s", cause.message()));
            }
            if self.is_interrupted_within(delay).await {
                return Ok(ImportEnd::Interrupted);
            }
        }
        Ok(ImportEnd::Complete)
    }

    /// Waits; returns early with `true` if the user interrupts.
    async fn is_interrupted_within(&self, delay: Duration) -> bool {
        tokio::time::timeout(delay, self.sender.interrupted())
            .await
            .is_ok()
    }
}
