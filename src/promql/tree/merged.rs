//! Several series with the same labels as one.

use crate::model::Labels;

use super::super::source::{Cursor, Samples, Series, SourceError};

/// Series that nothing tells apart; of one time the sample of the first that has one counts.
pub(super) struct MergedSeries<'a> {
    /// At least one.
    parts: Vec<Box<dyn Series + 'a>>,
    labels: Labels,
}

impl<'a> MergedSeries<'a> {
    /// The series of parts, those that count first in front.
    pub(super) fn new(labels: Labels, parts: Vec<Box<dyn Series + 'a>>) -> Self {
        MergedSeries { parts, labels }
    }
}

impl Series for MergedSeries<'_> {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The longest of its parts: what one of them sends seldom stays for as long as it does alone.
    fn lookback_ms(&self) -> Option<i64> {
        self.parts.iter().filter_map(|part| part.lookback_ms()).max()
    }

    fn cursor(&self, start_ms: i64, end_ms: i64) -> Box<dyn Cursor + '_> {
        let parts = self.parts.iter().map(|series| Part::new(series.cursor(start_ms, end_ms))).collect();
        Box::new(MergedCursor { parts })
    }
}

/// Samples that are handed out at once.
const BATCH: usize = 512;

struct MergedCursor<'a> {
    parts: Vec<Part<'a>>,
}

impl Cursor for MergedCursor<'_> {
    fn next_batch(&mut self, batch: &mut Samples) -> Result<bool, SourceError> {
        let before = batch.len();
        while batch.len() - before < BATCH {
            let mut earliest: Option<(i64, usize)> = None;
            for (at, part) in self.parts.iter_mut().enumerate() {
                // Of equal times the first part's is taken.
                if let Some(time_ms) = part.time_ms()?
                    && earliest.is_none_or(|(earliest_ms, _)| time_ms < earliest_ms)
                {
                    earliest = Some((time_ms, at));
                }
            }
            let Some((time_ms, at)) = earliest else { break };
            self.parts[at].copy_to(batch);
            for part in &mut self.parts {
                part.skip(time_ms);
            }
        }
        Ok(batch.len() > before)
    }
}

/// A series with what was read of it.
struct Part<'a> {
    cursor: Box<dyn Cursor + 'a>,
    samples: Samples,
    /// The sample that comes next.
    next: usize,
    /// The first histogram at or behind it.
    histogram: usize,
    is_over: bool,
}

impl<'a> Part<'a> {
    fn new(cursor: Box<dyn Cursor + 'a>) -> Self {
        Part { cursor, samples: Samples::default(), next: 0, histogram: 0, is_over: false }
    }

    /// The time of the next sample; reads on when there is none left.
    fn time_ms(&mut self) -> Result<Option<i64>, SourceError> {
        while self.next == self.samples.len() && !self.is_over {
            self.samples.clear();
            (self.next, self.histogram) = (0, 0);
            self.is_over = !self.cursor.next_batch(&mut self.samples)?;
        }
        Ok(self.samples.times.get(self.next).copied())
    }

    /// Appends the next sample, which there is.
    fn copy_to(&self, batch: &mut Samples) {
        let time_ms = self.samples.times[self.next];
        match self.samples.histograms.get(self.histogram) {
            Some((at, histogram)) if *at as usize == self.next => batch.push_histogram(time_ms, histogram.clone()),
            _ => batch.push_float(time_ms, self.samples.values[self.next]),
        }
        batch.set_last_start(self.samples.starts.get(self.next).copied().unwrap_or(0));
    }

    /// Leaves the next sample out if it is at this time.
    fn skip(&mut self, time_ms: i64) {
        if self.samples.times.get(self.next) == Some(&time_ms) {
            if self.samples.histograms.get(self.histogram).is_some_and(|(at, _)| *at as usize == self.next) {
                self.histogram += 1;
            }
            self.next += 1;
        }
    }
}
