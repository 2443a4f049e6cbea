//! A grid series as a [`Series`]: a sample's time is its row's second.

use crate::model::Labels;
use crate::store::{SampleReader, SampleSeries};

use super::super::source::{Cursor, Samples, Series, SourceError};

/// A series of slots.
pub(super) struct GridSeries {
    pub(super) labels: Labels,
    pub(super) samples: SampleSeries,
    /// Its own lookback, where its samples come more rarely than the query's lets them.
    pub(super) lookback_ms: Option<i64>,
}

impl Series for GridSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn lookback_ms(&self) -> Option<i64> {
        self.lookback_ms
    }

    fn cursor(&self, start_ms: i64, end_ms: i64) -> Box<dyn Cursor + '_> {
        Box::new(GridCursor(self.samples.reader(start_ms, end_ms)))
    }
}

struct GridCursor<'a>(SampleReader<'a>);

impl Cursor for GridCursor<'_> {
    fn next_batch(&mut self, batch: &mut Samples) -> Result<bool, SourceError> {
        Ok(self.0.next(&mut batch.times, &mut batch.values))
    }
}

/// The first whole second at or after a time.
pub(super) fn seconds_from(time_ms: i64) -> i64 {
    time_ms.saturating_add(999).div_euclid(1000)
}

/// The last whole second at or before a time.
pub(super) fn seconds_to(time_ms: i64) -> i64 {
    time_ms.div_euclid(1000)
}
