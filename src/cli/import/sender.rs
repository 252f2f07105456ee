//! Sends the images of an import as one bulk load, and records what becomes of them.
//!
//! The client reads a file when the connection has capacity, and sends it again over another stream
//! after a broken connection. Of the files that are larger than the library takes, one at a time is
//! read and scaled down.

use std::sync::Arc;
use std::time::Duration;

use samegate_client::{Added, Client, Image, LoadError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::plan::{Item, Location, Plan};
use super::recorder::{Recorder, StreamAction};
use super::scaler::Scaler;
use crate::cli::failure::Failure;
use crate::proto::v1;

/// Maximum wait for outstanding acknowledgements after Ctrl-C.
const INTERRUPT_GRACE: Duration = Duration::from_secs(10);
/// How often the progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Sends the pending items of a plan.
pub(super) struct Sender<'a> {
    pub(super) plan: &'a Plan,
    pub(super) client: Client,
    pub(super) options: v1::AddImagesOptions,
    pub(super) scaler: Scaler,
    pub(super) reporter: UnboundedSender<Report>,
    /// Stays short: it is read together with the acknowledgements.
    pub(super) reports: UnboundedReceiver<Report>,
    pub(super) interrupt: CancellationToken,
}

/// What happens beside the acknowledgements.
pub(super) enum Report {
    /// The image of an item was scaled down.
    Scaled(usize),
    /// The stream broke for this reason; another one is opened after this time.
    Retry(String, Duration),
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

// === impl Sender ===

impl Sender<'_> {
    /// Sends all pending images, and records the acknowledgements.
    ///
    /// # Errors
    ///
    /// When the journal or the failure list cannot be written.
    pub(super) async fn run(mut self, recorder: &mut Recorder<'_>) -> Result<ImportEnd, Failure> {
        let mut outcomes = self.client.add_all(self.items(), self.options.clone());
        let mut progress = interval(PROGRESS_INTERVAL);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = ImportEnd::Complete;
        let mut grace_end = None;
        loop {
            tokio::select! {
                outcome = outcomes.next() => match outcome {
                    Ok(Some(outcome)) => {
                        if let Some(failure) = self.record(outcome, recorder)? {
                            outcomes.stop();
                            end = ImportEnd::Stopped(failure);
                        }
                    }
                    Ok(None) => break,
                    Err(error) if matches!(end, ImportEnd::Complete) => {
                        end = ImportEnd::Stopped(error.into());
                        break;
                    }
                    Err(_) => break,
                },
                Some(report) = self.reports.recv() => record_report(report, recorder),
                _ = progress.tick() => recorder.print_progress(),
                () = self.interrupt.cancelled(), if grace_end.is_none() => {
                    outcomes.stop();
                    end = ImportEnd::Interrupted;
                    grace_end = Some(Instant::now() + INTERRUPT_GRACE);
                }
                () = sleep_until(grace_end.unwrap_or_else(Instant::now)), if grace_end.is_some() => {
                    break;
                }
            }
        }
        while let Ok(report) = self.reports.try_recv() {
            record_report(report, recorder);
        }
        recorder.print_progress();
        Ok(end)
    }

    /// Records an outcome; a failure ends the import.
    fn record(
        &self,
        outcome: Added,
        recorder: &mut Recorder<'_>,
    ) -> Result<Option<Failure>, Failure> {
        // The items were passed in this order.
        let index = self.plan.pending[outcome.index];
        Ok(match recorder.record(index, outcome.result)? {
            StreamAction::Continue => None,
            StreamAction::Stop(failure) => Some(failure),
        })
    }

    /// Returns the pending items, which are read when they are sent.
    fn items(&self) -> impl Iterator<Item = samegate_client::Item> + Send + use<> {
        let pending = self.plan.pending.iter();
        let items: Vec<(usize, Arc<Item>)> = pending
            .map(|&index| (index, self.plan.items[index].clone()))
            .collect();
        let (scaler, reporter) = (self.scaler.clone(), self.reporter.clone());
        items.into_iter().map(move |(index, item)| {
            let image = match &item.location {
                Location::Url(url) => Image::url(url),
                Location::File(_) => {
                    let (item, scaler, reporter) = (item.clone(), scaler.clone(), reporter.clone());
                    Image::load_with(move || {
                        read(index, item.clone(), scaler.clone(), reporter.clone())
                    })
                }
            };
            samegate_client::Item::new(image)
                .brief(&item.brief)
                .tags(&*item.tags)
        })
    }
}

async fn read(
    index: usize,
    item: Arc<Item>,
    scaler: Scaler,
    reporter: UnboundedSender<Report>,
) -> Result<Image, LoadError> {
    let Location::File(path) = &item.location else {
        return Err("no file".into());
    };
    let (content, is_scaled) = scaler.read(path).await?;
    if is_scaled {
        // The receiver is gone once the import has ended; then the item counts as not sent.
        drop(reporter.send(Report::Scaled(index)));
    }
    Ok(content.into())
}

fn record_report(report: Report, recorder: &mut Recorder<'_>) {
    match report {
        Report::Scaled(index) => recorder.record_scaled(index),
        Report::Retry(cause, wait) => {
            let seconds = wait.as_secs_f64();
            recorder.print_note(&format!("{cause}; retry in {seconds:.1} s"));
        }
    }
}
