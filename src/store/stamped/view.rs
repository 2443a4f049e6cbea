//! Reading a series: handles are taken under the host's lock, samples are decoded outside of it.

use std::sync::Arc;

use crate::model::histogram::FloatHistogram;

/// What a series held when it was taken; cheap to keep, shared times are shared.
#[derive(Debug, Clone, Default)]
pub struct StampedView {
    _private: (),
}

impl StampedView {
    /// A reader of the samples with `from_ms <= time <= to_ms`.
    pub fn reader(&self, _from_ms: i64, _to_ms: i64) -> StampedReader<'_> {
        StampedReader { _view: self }
    }
}

/// Hands out the samples of one series, ascending by time, no time twice.
#[derive(Debug)]
pub struct StampedReader<'a> {
    _view: &'a StampedView,
}

impl StampedReader<'_> {
    /// Appends the next samples, a few hundred at once, and tells whether there were any. Columns are those of
    /// `promql`'s samples: a value for each time, whatever where a histogram is; histograms with their places in
    /// `times`; starts either none at all or one for each time, 0 for unknown.
    pub fn next(
        &mut self,
        _times: &mut Vec<i64>,
        _values: &mut Vec<f64>,
        _histograms: &mut Vec<(u32, Arc<FloatHistogram>)>,
        _starts: &mut Vec<i64>,
    ) -> bool {
        false
    }
}
