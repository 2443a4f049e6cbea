//! What an import did, for the user: read, stored, skipped and why, bad and where.

use std::fmt;

use crate::cli::text::push_escaped;

/// Bad lines that are shown.
const BAD_SHOWN: usize = 10;
/// Files that are shown.
const FAILED_SHOWN: usize = 20;

/// Counts over a whole import.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Files and directories read.
    pub(super) inputs: u64,
    /// Lines of text, comments and empty ones included.
    pub(super) lines: u64,
    /// Rows of Parquet files and checkpoints.
    pub(super) rows: u64,
    /// Samples stored.
    pub(super) stored: u64,
    /// Samples that the store did not want.
    pub(super) skipped: u64,
    /// Why, where that is known.
    pub(super) reasons: Vec<(String, u64)>,
    /// The first skipped lines whose names were refused: where, and why.
    pub(super) first_refused: Vec<String>,
    /// Rows whose names or values the line protocol has no spelling for.
    pub(super) unwritable: u64,
    /// Bad lines.
    pub(super) bad: u64,
    /// The first of them: where, and why.
    pub(super) first_bad: Vec<String>,
    /// Files that can't be used, or not to their end.
    pub(super) failed: Vec<String>,
}

impl Summary {
    /// Notes bad lines; of the first ones, where they stand and what is wrong.
    pub(super) fn note_bad(&mut self, origin: &str, line: Option<u64>, reason: &str) {
        note(&mut self.first_bad, origin, line, reason);
    }

    /// The same of lines that are skipped since a name in them was refused.
    pub(super) fn note_refused(&mut self, origin: &str, line: Option<u64>, reason: &str) {
        note(&mut self.first_refused, origin, line, reason);
    }

    /// Whether everything went in.
    pub(super) fn is_clean(&self) -> bool {
        self.bad == 0 && self.failed.is_empty()
    }
}

fn note(noted: &mut Vec<String>, origin: &str, line: Option<u64>, reason: &str) {
    if noted.len() < BAD_SHOWN {
        let place = line.map(|line| format!(":{line}")).unwrap_or_default();
        noted.push(format!("{origin}{place}: {reason}"));
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut line = |part: String| {
            push_escaped(&mut text, &part);
            text.push('\n');
        };
        line(format!("read: {} lines and {} rows of {} files", self.lines, self.rows, self.inputs));
        line(format!("stored: {} samples", self.stored));
        if self.skipped > 0 {
            let reasons: Vec<String> = self.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            let why = match reasons.is_empty() {
                true => "the server's /metrics says why".to_owned(),
                false => reasons.join(", "),
            };
            line(format!("skipped: {} samples ({why})", self.skipped));
            self.first_refused.iter().for_each(|refused| line(format!("  {refused}")));
        }
        if self.unwritable > 0 {
            line(format!("skipped: {} rows with names or values that no line can hold", self.unwritable));
        }
        if self.bad > 0 {
            line(format!("bad: {} lines", self.bad));
            self.first_bad.iter().for_each(|bad| line(format!("  {bad}")));
            if self.bad > self.first_bad.len() as u64 {
                line(format!("  and {} more", self.bad - self.first_bad.len() as u64));
            }
        }
        for failed in self.failed.iter().take(FAILED_SHOWN) {
            line(format!("FAILED: {failed}"));
        }
        if self.failed.len() > FAILED_SHOWN {
            line(format!("FAILED: and {} more", self.failed.len() - FAILED_SHOWN));
        }
        f.write_str(&text)
    }
}
