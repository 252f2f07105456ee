//! How far an import is: a bar, plain lines, JSON lines, or nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::Import;
use super::ledger::Counts;
use crate::cli::output::Output;

/// Ticks (of a second) between two plain lines: a log that is read later needs
/// fewer than a terminal.
const TICKS_PER_LINE: u32 = 10;

/// A display of the progress.
pub(super) struct Progress {
    total: u64,
    form: Form,
}

enum Form {
    Bar(ProgressBar),
    Lines { ticks: u32 },
    Json,
    Silent { json: bool },
}

// === impl Progress ===

impl Progress {
    /// Chooses the display for `total` images to send.
    pub(super) fn start(args: &Import, total: usize, is_terminal: bool) -> Self {
        let total = total as u64;
        let json = args.target.connection.json;
        let form = if args.quiet {
            Form::Silent { json }
        } else if json {
            Form::Json
        } else if is_terminal {
            Form::Bar(bar(total))
        } else {
            Form::Lines { ticks: 0 }
        };
        Progress { total, form }
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self.form, Form::Json | Form::Silent { json: true })
    }

    /// Shows the counts; called once a second.
    pub(super) fn show(&mut self, counts: &Counts, elapsed: Duration, output: &mut Output) {
        let done = counts.added + counts.existed + counts.failed;
        match &mut self.form {
            Form::Silent { .. } => {}
            Form::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(format!("{} failed", counts.failed));
            }
            Form::Lines { ticks } => {
                *ticks += 1;
                if *ticks % TICKS_PER_LINE == 0 {
                    let pace = Pace::of(done, self.total, elapsed);
                    output.note(&format!(
                        "{done} of {}, {} failed, {:.1}/s, {} s left",
                        self.total, counts.failed, pace.per_second, pace.seconds_left
                    ));
                }
            }
            Form::Json => {
                let pace = Pace::of(done, self.total, elapsed);
                output.json(&json!({
                    "event": "progress",
                    "done": done,
                    "total": self.total,
                    "added": counts.added,
                    "existed": counts.existed,
                    "failed": counts.failed,
                    "bytes": counts.bytes,
                    "rate": pace.per_second,
                    "seconds_left": pace.seconds_left,
                }));
            }
        }
    }

    /// Takes a bar away while something else is written.
    pub(super) fn pause(&self, write: impl FnOnce()) {
        match &self.form {
            Form::Bar(bar) => bar.suspend(write),
            Form::Lines { .. } | Form::Json | Form::Silent { .. } => write(),
        }
    }

    /// Takes a bar away for good.
    pub(super) fn finish(&self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }
}

/// Speed since the start, and what it promises.
struct Pace {
    per_second: f64,
    seconds_left: u64,
}

// === impl Pace ===

impl Pace {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate for people; a float cast saturates"
    )]
    fn of(done: u64, total: u64, elapsed: Duration) -> Self {
        let per_second = done as f64 / elapsed.as_secs_f64().max(0.001);
        let left = total.saturating_sub(done) as f64;
        Pace {
            per_second,
            seconds_left: (left / per_second.max(0.001)).ceil() as u64,
        }
    }
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
    fn the_pace_promises_the_time_that_is_left() {
        let pace = Pace::of(50, 200, Duration::from_secs(5));

        assert!((pace.per_second - 10.0).abs() < 1e-9);
        assert_eq!(pace.seconds_left, 15);
    }
}
