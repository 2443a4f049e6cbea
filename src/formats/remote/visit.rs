//! What a receiver sees of a remote write body.

use super::error::SeriesError;
use super::series::Series;
use crate::model::{Metadata, MetricKind};

/// A receiver of series. What it was shown counts only if the decoder ends without an error.
pub trait WriteVisitor {
    /// The [key](Series::key) that the next series is taken to have: one that an earlier series of the same protocol
    /// version had, or nothing. A 1.0 series that has it is recognised without a look at its labels.
    fn expected(&self) -> &[u8] {
        &[]
    }

    /// A series. Its labels are not validated yet: [`Series::labels`] does so; the receiver that cannot use the series
    /// counts the refusal itself.
    fn series(&mut self, series: &mut Series<'_, '_>);

    /// A series that cannot be used, whatever its labels are.
    fn refused(&mut self, error: SeriesError, counts: Counts);

    /// What is known about a metric, apart from series: only 1.0 bodies have this.
    fn metadata(&mut self, metric: &str, metadata: MetadataRef<'_>);
}

/// How much a series holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Float samples.
    pub samples: usize,
    /// Native histograms.
    pub histograms: usize,
    /// Exemplars.
    pub exemplars: usize,
}

/// What a metric measures, in the words of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetadataRef<'a> {
    /// Its type; one that is not known counts as none.
    pub kind: MetricKind,
    /// What it means, in words.
    pub help: &'a str,
    /// The unit of its values; empty without one.
    pub unit: &'a str,
}

impl MetadataRef<'_> {
    /// The same, kept beyond the body's life.
    pub fn to_metadata(self) -> Metadata {
        Metadata { kind: self.kind, help: self.help.into(), unit: self.unit.into() }
    }
}

/// The type of that number in both versions.
pub(super) fn metric_kind(number: u64) -> MetricKind {
    usize::try_from(number).ok().and_then(|number| MetricKind::ALL.get(number)).copied().unwrap_or_default()
}

/// The start of a text that is at most this long, cut between two characters; nothing if it is no UTF-8.
pub(super) fn cut_text(bytes: &[u8], bytes_max: usize) -> &str {
    let Ok(text) = std::str::from_utf8(bytes) else { return "" };
    &text[..text.floor_char_boundary(bytes_max)]
}
