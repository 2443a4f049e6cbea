//! What the user of a terminal sees while a directory is converted; nobody else sees anything.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// One line on standard error: the stage at hand, and how far it is where that is known.
pub(in crate::cli) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shown on a terminal, hidden elsewhere.
    pub(in crate::cli) fn on_terminal() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress { bar }
    }

    #[cfg(test)]
    pub(super) fn hidden() -> Self {
        Progress { bar: ProgressBar::hidden() }
    }

    /// Begins a stage of unknown length.
    pub(super) fn stage(&self, what: &'static str) {
        self.bar.set_style(ProgressStyle::default_spinner());
        self.bar.set_message(what);
    }

    /// Begins a stage of so many steps.
    pub(super) fn steps(&self, what: &'static str, steps: usize) {
        // A template that indicatif does not understand would only cost the bar.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len}") {
            self.bar.set_style(style);
        }
        self.bar.set_length(steps as u64);
        self.bar.set_position(0);
        self.bar.set_message(what);
    }

    /// Notes that a step is done.
    pub(super) fn step(&self) {
        self.bar.inc(1);
    }

    /// Takes the line away.
    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }
}

/// After an error too, the next line begins on an empty one.
impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}
