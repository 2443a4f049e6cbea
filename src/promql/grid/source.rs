//! The tree as a [`Source`] of samples: a sample's time is its row's second.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::{Labels, Matcher, MetricId};
use crate::store::{SampleReader, SampleSeries, Store};

use super::super::limits::Interrupt;
use super::super::source::{Cursor, Hints, Samples, Selection, Series, Source, SourceError};
use super::component::Names;
use super::search::Search;

/// What is in the tree, as PromQL sees it.
pub struct GridSource<'s> {
    pub(super) store: &'s Store,
    lookback_ms: i64,
    pub(super) interrupt: &'s dyn Interrupt,
}

impl<'s> GridSource<'s> {
    /// The series of a store, for queries with this lookback. A series whose samples come more rarely looks back for
    /// two of its periods. The interrupt is polled per host: what is found until it stops is a part, which the caller
    /// is to throw away.
    pub fn new(store: &'s Store, lookback_ms: i64, interrupt: &'s dyn Interrupt) -> Self {
        GridSource { store, lookback_ms, interrupt }
    }
}

impl Source for GridSource<'_> {
    fn select(&self, matchers: &[Matcher], hints: &Hints) -> Result<Selection<'_>, SourceError> {
        let search = Search::new(matchers);
        let table = self.store.metrics();
        let metrics = search.metrics(&table);
        let of_metric = |&id: &MetricId| {
            let metric = table.get(id);
            let own_ms = 2000 * i64::from(metric.frequency_secs);
            (id, (Arc::<str>::from(&*metric.name), (own_ms > self.lookback_ms).then_some(own_ms)))
        };
        let known: HashMap<MetricId, (Arc<str>, Option<i64>)> = metrics.iter().map(of_metric).collect();
        // The hints count with the usual lookback; series that have a longer one of their own are read from earlier on.
        let longest_ms = known.values().filter_map(|(_, lookback_ms)| *lookback_ms).max().unwrap_or(0);
        let range = (seconds_from(hints.start_ms.saturating_sub(longest_ms)), seconds_to(hints.end_ms));
        let names = Names::default();
        let mut series: Vec<Box<dyn Series + '_>> = Vec::new();
        search.visit((self.store, self.interrupt), &metrics, range, |on_host| {
            for (found, samples) in on_host.host.take_samples(&on_host.found, range.0, range.1) {
                let (Some(component), Some((metric, lookback_ms))) =
                    (on_host.component(&found), known.get(&found.metric))
                else {
                    continue;
                };
                let labels = component.of_series(metric, &on_host.host, &names);
                series.push(Box::new(GridSeries { labels, samples, lookback_ms: *lookback_ms }));
            }
        });
        Ok(Selection { series, warnings: Vec::new() })
    }
}

struct GridSeries {
    labels: Labels,
    samples: SampleSeries,
    lookback_ms: Option<i64>,
}

impl Series for GridSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn lookback_ms(&self) -> Option<i64> {
        self.lookback_ms
    }

    fn cursor(&self, start_ms: i64, end_ms: i64) -> Box<dyn Cursor + '_> {
        Box::new(GridCursor(self.samples.reader(seconds_from(start_ms), seconds_to(end_ms))))
    }
}

struct GridCursor<'a>(SampleReader<'a>);

impl Cursor for GridCursor<'_> {
    fn next_batch(&mut self, batch: &mut Samples) -> Result<bool, SourceError> {
        let before = batch.times.len();
        if !self.0.next(&mut batch.times, &mut batch.values) {
            return Ok(false);
        }
        for time in &mut batch.times[before..] {
            *time = time.saturating_mul(1000);
        }
        Ok(true)
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
