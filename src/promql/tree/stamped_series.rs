//! A stamped series as a [`Series`]: its samples are handed on as they are.

use crate::model::Labels;
use crate::store::{StampedReader, StampedView};

use super::super::source::{Cursor, Samples, Series, SourceError};

/// A series of samples with times of their own; its lookback is the query's.
pub(super) struct StampedSeries {
    pub(super) labels: Labels,
    pub(super) view: StampedView,
}

impl Series for StampedSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn cursor(&self, start_ms: i64, end_ms: i64) -> Box<dyn Cursor + '_> {
        Box::new(StampedCursor(self.view.reader(start_ms, end_ms)))
    }
}

struct StampedCursor<'a>(StampedReader<'a>);

impl Cursor for StampedCursor<'_> {
    fn next_batch(&mut self, batch: &mut Samples) -> Result<bool, SourceError> {
        Ok(self.0.next(&mut batch.times, &mut batch.values, &mut batch.histograms, &mut batch.starts))
    }
}
