//! What is said when a directory is converted: what lies where, that it was verified, and what was lost.

use std::fmt;
use std::path::PathBuf;

use crate::cli::text::push_escaped;
use crate::time::Rfc3339;

use super::compare::Comparison;

/// What became of a directory.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) source: PathBuf,
    /// The forms of the source.
    pub(super) from: String,
    /// Files read.
    pub(super) files: u64,
    pub(super) target: PathBuf,
    pub(super) to: &'static str,
    /// Parts of the source that could not be read.
    pub(super) damages: u64,
    /// Metrics whose frequency no file says.
    pub(super) guessed: usize,
    pub(super) comparison: Comparison,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Comparison { hosts, series, values, range, .. } = &self.comparison;
        writeln!(f, "source: {}, {}, {} files", self.source.display(), self.from, self.files)?;
        writeln!(f, "target: {}, {}", self.target.display(), self.to)?;
        writeln!(f, "content: {hosts} hosts, {series} series, {values} values")?;
        let Comparison { stamped, stamped_samples, .. } = &self.comparison;
        if *stamped > 0 {
            writeln!(f, "stamped: {stamped} series, {stamped_samples} samples")?;
        }
        if let Some((first, last)) = range {
            writeln!(f, "time: {first} ({}) to {last} ({})", Rfc3339(*first), Rfc3339(*last))?;
        }
        if self.damages > 0 {
            let source = self.source.display();
            writeln!(
                f,
                "not read: {} damaged parts of the source; `treering inspect {source}` names them",
                self.damages
            )?;
        }
        if self.guessed > 0 {
            writeln!(f, "guessed: the frequencies of {} metrics, which lie in logs alone", self.guessed)?;
        }
        self.losses(f)?;
        if self.comparison.is_complete() {
            return writeln!(f, "verified: the target was read back and holds everything else");
        }
        let mut names = String::new();
        push_escaped(&mut names, &self.comparison.first_different.join(", "));
        writeln!(f, "FAILED: {} series are not what they were: {names}", self.comparison.different)
    }
}

impl Summary {
    fn losses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Comparison { stamped, stamped_samples, .. } = &self.comparison;
        if *stamped > 0 && self.to != "native" {
            let of = format!("{stamped} stamped series with {stamped_samples} samples");
            writeln!(f, "lost: {of} stay behind in the source, for {} has no room for them", self.to)?;
        }
        let Comparison { rounded, unwritable, joined, joined_away, .. } = &self.comparison;
        if *rounded > 0 {
            writeln!(f, "lost: digits of {rounded} values, which {} holds as float32", self.to)?;
        }
        if *unwritable > 0 {
            writeln!(f, "lost: {unwritable} values that are no finite numbers, for which {} has no room", self.to)?;
        }
        if *joined > 0 {
            writeln!(
                f,
                "lost: phases or frequencies of {joined} series that changed them, for {} holds one run a series; with \
                 them {joined_away} values",
                self.to
            )?;
        }
        Ok(())
    }
}
