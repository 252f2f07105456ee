//! Shows how far a long command is: a bar on a terminal, else a line from time to time.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output::Output;

/// Time between two lines in a log.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The display of the progress of one command.
pub(super) struct Progress<'a> {
    style: Style<'a>,
}

enum Style<'a> {
    Bar(ProgressBar),
    Lines {
        output: &'a mut Output,
        unit: &'static str,
        last: Instant,
    },
    Quiet,
}

// === impl Progress ===

impl<'a> Progress<'a> {
    /// Counts `unit`: images or bytes. A command for programs (`json`) shows nothing.
    pub(super) fn start(unit: &'static str, json: bool, output: &'a mut Output) -> Self {
        let style = if json {
            Style::Quiet
        } else if output.is_terminal() {
            Style::Bar(bar(unit))
        } else {
            let last = Instant::now();
            Style::Lines { output, unit, last }
        };
        Progress { style }
    }

    /// Shows what is done; `total` is 0 when it is not known.
    pub(super) fn update(&mut self, done: u64, total: u64) {
        match &mut self.style {
            Style::Quiet => {}
            Style::Bar(bar) => {
                bar.set_length(total.max(done));
                bar.set_position(done);
            }
            Style::Lines { output, unit, last } if last.elapsed() >= LINE_INTERVAL => {
                *last = Instant::now();
                let of = if total > 0 {
                    format!(" of {total}")
                } else {
                    String::new()
                };
                output.note(&format!("{done}{of} {unit}"));
            }
            Style::Lines { .. } => {}
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }
}

fn bar(unit: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let template = format!("{{wide_bar}} {{pos}}/{{len}} {unit}  {{per_sec}}  {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
