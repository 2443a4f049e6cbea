//! What the user of a terminal sees while rows are moved: a bar, how many, how fast. Nobody else sees anything.

use std::io::{self, Read};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

/// A bar on standard error; hidden when that is no terminal, or when nobody shall see it.
pub(super) struct Meter {
    bar: ProgressBar,
    rows: u64,
}

impl Meter {
    /// A bar of `total` bytes; 0 when nobody knows how many there are.
    pub(super) fn of_bytes(total: u64) -> Self {
        Meter::with("{spinner} {wide_bar} {binary_bytes}/{binary_total_bytes} {msg} {eta}", total)
    }

    /// A bar of about `total` rows.
    pub(super) fn of_rows(total: u64) -> Self {
        Meter::with("{spinner} {wide_bar} {human_pos} rows, {rate}/s {msg}", total)
    }

    fn with(template: &str, total: u64) -> Self {
        // indicatif hides a bar by itself when standard error is no terminal.
        let bar = if total > 0 { ProgressBar::new(total) } else { ProgressBar::new_spinner() };
        let template = if total > 0 { template } else { "{spinner} {binary_bytes} {msg}" };
        // A template that indicatif does not understand would only cost the bar.
        if let Ok(style) = ProgressStyle::with_template(template) {
            let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{}", HumanCount(state.per_sec() as u64));
            };
            bar.set_style(style.with_key("rate", rate));
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Meter { bar, rows: 0 }
    }

    /// No bar at all, for output that goes to the same terminal.
    pub(super) fn hidden() -> Self {
        Meter { bar: ProgressBar::hidden(), rows: 0 }
    }

    /// Counts bytes, or rows for a bar of rows.
    pub(super) fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    /// Counts rows that a bar of bytes shows beside.
    pub(super) fn rows(&mut self, rows: u64) {
        self.rows += rows;
        let per_sec = self.rows as f64 / self.bar.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(format!("{} rows, {}/s", HumanCount(self.rows), HumanCount(per_sec as u64)));
    }

    /// Says what is at hand.
    pub(super) fn say(&self, text: String) {
        self.bar.set_message(text);
    }

    /// A reader whose bytes count.
    pub(super) fn counting<R: Read>(&self, source: R) -> CountingReader<R> {
        CountingReader { source, bar: self.bar.clone() }
    }
}

/// After an error too, the next line begins on an empty one.
impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A reader that moves a bar.
pub(super) struct CountingReader<R> {
    source: R,
    bar: ProgressBar,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.read(buffer)?;
        self.bar.inc(bytes as u64);
        Ok(bytes)
    }
}
