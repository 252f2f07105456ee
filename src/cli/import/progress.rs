//! Shows the progress of an import: a bar, plain lines, JSON lines, or nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::counts::Counts;
use crate::cli::output::Output;

/// Updates, one per second, between two plain lines: a log needs fewer than a terminal.
const UPDATES_PER_LINE: u32 = 10;

/// The display of the progress.
pub(super) struct ProgressDisplay {
    total: u64,
    style: Style,
}

enum Style {
    Bar(ProgressBar),
    Lines { updates: u32 },
    Json,
    Quiet { json: bool },
}

// === impl ProgressDisplay ===

impl ProgressDisplay {
    /// Chooses the style of the display for `total` images to send.
    pub(super) fn start(total: usize, quiet: bool, json: bool, is_terminal: bool) -> Self {
        let total = total as u64;
        let style = if quiet {
            Style::Quiet { json }
        } else if json {
            Style::Json
        } else if is_terminal {
            Style::Bar(bar(total))
        } else {
            Style::Lines { updates: 0 }
        };
        ProgressDisplay { total, style }
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.style, Style::Json | Style::Quiet { json: true })
    }

    /// Shows the counts; called once per second.
    pub(super) fn update(&mut self, counts: &Counts, elapsed: Duration, output: &mut Output) {
        let (done, rate) = (counts.done(), counts.rate(elapsed));
        let seconds_left = seconds_left(self.total.saturating_sub(done), rate);
        match &mut self.style {
            Style::Quiet { .. } => {}
            Style::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(format!("{} failed", counts.failed));
            }
            Style::Lines { updates } => {
                *updates += 1;
                if *updates % UPDATES_PER_LINE == 0 {
                    output.note(&format!(
                        "{done} of {}, {} failed, {rate:.1}/s, {seconds_left} s left",
                        self.total, counts.failed
                    ));
                }
            }
            Style::Json => output.json(&json!({
                "event": "progress",
                "done": done,
                "total": self.total,
                "added": counts.added,
                "existed": counts.existed,
                "matched": counts.matched,
                "failed": counts.failed,
                "bytes": counts.bytes,
                "rate": rate,
                "seconds_left": seconds_left,
            })),
        }
    }

    /// Hides the bar while `write` writes something else.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        match &self.style {
            Style::Bar(bar) => bar.suspend(write),
            Style::Lines { .. } | Style::Json | Style::Quiet { .. } => write(),
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate for people; a float cast saturates"
)]
fn seconds_left(images: u64, rate: f64) -> u64 {
    (images as f64 / rate.max(0.001)).ceil() as u64
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = "{wide_bar} {pos}/{len}  {per_sec}  {msg}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_gives_the_time_that_is_left() {
        let counts = Counts {
            added: 50,
            ..Counts::default()
        };

        let rate = counts.rate(Duration::from_secs(5));

        assert!((rate - 10.0).abs() < 1e-9);
        assert_eq!(seconds_left(150, rate), 15);
    }
}
