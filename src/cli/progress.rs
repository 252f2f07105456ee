//! Shows how far a command is: a bar on a terminal, else a line for every tenth of the work.

use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;

/// The display of the progress, on standard error.
pub(super) struct Progress {
    /// What is counted.
    unit: &'static str,
    style: Style,
}

enum Style {
    Bar(ProgressBar),
    Lines {
        tenths: u64,
    },
    /// For scripts, which read JSON.
    Quiet,
}

// === impl Progress ===

impl Progress {
    pub(super) fn start(unit: &'static str, json: bool, output: &Output) -> Self {
        let style = if json {
            Style::Quiet
        } else if output.is_terminal() {
            let template = format!("{{bar:30}} {{pos}} of {{len}} {unit}{{msg}}, {{eta}} left");
            let style = ProgressStyle::with_template(&template);
            let bar = ProgressBar::new(0);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            Style::Bar(bar)
        } else {
            Style::Lines { tenths: 0 }
        };
        Progress { unit, style }
    }

    /// Shows how much is done, and what was found so far if that is not empty.
    pub(super) fn update(&mut self, done: u64, total: u64, found: &str, output: &mut Output) {
        let found = match found {
            "" => String::new(),
            found => format!(", {found}"),
        };
        match &mut self.style {
            Style::Quiet => {}
            Style::Bar(bar) => {
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(found);
            }
            Style::Lines { tenths } => {
                let now = (done * 10).checked_div(total).unwrap_or(0);
                if now > *tenths {
                    *tenths = now;
                    output.note(&format!("{done} of {total} {}{found}", self.unit));
                }
            }
        }
    }

    /// Shows a line beside the progress.
    pub(super) fn note(&self, text: &str, output: &mut Output) {
        match &self.style {
            Style::Bar(bar) => bar.suspend(|| output.note(text)),
            Style::Lines { .. } | Style::Quiet => output.note(text),
        }
    }

    pub(super) fn finish(&self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }
}
