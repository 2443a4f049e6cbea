//! What became of a body, for its sender.

use super::super::stamped::StampedReport;

/// Bytes of a complaint: it goes into the log, too.
const COMPLAINT_BYTES_MAX: usize = 4096;

/// What became of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteReport {
    /// What the store says.
    pub stored: StampedReport,
    /// Numbers that a rule drops.
    pub dropped: u64,
    /// Histograms that a rule drops.
    pub dropped_histograms: u64,
    /// Exemplars of series that are dropped or on the grid.
    pub dropped_exemplars: u64,
    /// Ends of grid series, which need no place.
    pub ended: u64,
    /// Numbers that were stored twice: on the grid, and as they are.
    pub doubled: u64,
}

impl RemoteReport {
    /// Numbers that were taken as they should be: stored, or left out because a rule says so. A sender that hears of
    /// none takes the whole body for lost.
    pub fn samples(&self) -> u64 {
        (self.stored.samples + self.dropped + self.ended).saturating_sub(self.doubled)
    }

    /// Histograms that were taken as they should be.
    pub fn histograms(&self) -> u64 {
        self.stored.histograms + self.dropped_histograms
    }

    /// Exemplars that were taken as they should be.
    pub fn exemplars(&self) -> u64 {
        self.stored.exemplars + self.dropped_exemplars
    }

    /// What is wrong with the body, if anything was left out that should not have been.
    pub fn complaint(&self) -> Option<String> {
        complaint(&self.stored)
    }
}

/// What was left out, if anything was.
pub(super) fn complaint(stored: &StampedReport) -> Option<String> {
    let left_out = stored.skipped_in_all();
    if left_out == 0 {
        return None;
    }
    let mut text = stored.explanations.join("\n");
    if text.len() > COMPLAINT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(COMPLAINT_BYTES_MAX));
        text.push('…');
    }
    let reasons: Vec<String> = stored.skipped.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
    Some(format!("{text}\n{left_out} left out ({}), the rest is stored", reasons.join(", ")))
}
