//! The tree as a [`Source`].

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::{Matcher, MetricId, StampedId};
use crate::store::Store;

use super::super::limits::Interrupt;
use super::super::source::{Hints, Selection, Series, Source, SourceError};
use super::component::Names;
use super::grid_series::{GridSeries, seconds_from, seconds_to};
use super::search::Search;
use super::stamped_hosts;
use super::stamped_series::StampedSeries;
use super::together::Together;

/// Series that one selector may select: the open rows of each are copied, which is up to half a KiB.
const SERIES_MAX: usize = 2_000_000;

/// What is in the tree, as PromQL sees it.
pub struct TreeSource<'s> {
    pub(super) store: &'s Store,
    lookback_ms: i64,
    pub(super) interrupt: &'s dyn Interrupt,
    series_max: usize,
}

impl<'s> TreeSource<'s> {
    /// The series of a store, for queries with this lookback. A grid series whose samples come more rarely looks back
    /// for two of its periods. The interrupt is polled per host: what is found until it stops is a part, which the
    /// caller is to throw away.
    pub fn new(store: &'s Store, lookback_ms: i64, interrupt: &'s dyn Interrupt) -> Self {
        TreeSource { store, lookback_ms, interrupt, series_max: SERIES_MAX }
    }

    /// With another limit on the series of one selector.
    #[must_use]
    pub fn series_max(mut self, series_max: usize) -> Self {
        self.series_max = series_max;
        self
    }
}

impl Source for TreeSource<'_> {
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
        // The hints count with the usual lookback; series that have a longer one of their own are read from earlier on,
        // and so is what is merged with them.
        let longest_ms = known.values().filter_map(|(_, lookback_ms)| *lookback_ms).max().unwrap_or(0);
        let (start_ms, end_ms) = (hints.start_ms.saturating_sub(longest_ms), hints.end_ms);

        let mut together = Together::new();
        let mut is_too_much = false;
        let mut go_on = |count: usize| {
            is_too_much |= count > self.series_max;
            if is_too_much { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        stamped_hosts::find((self.store, self.interrupt), matchers, (start_ms, end_ms), |host, found| {
            go_on(together.len() + found.len())?;
            let ids: Vec<StampedId> = found.iter().map(|series| series.id).collect();
            let views = host.take_stamped(&ids, start_ms, end_ms);
            let series = found
                .into_iter()
                .zip(views)
                .map(|(found, view)| -> Box<dyn Series> { Box::new(StampedSeries { labels: found.labels, view }) });
            together.add(series.collect());
            ControlFlow::Continue(())
        });
        let names = Names::default();
        let mut grid: Vec<Box<dyn Series + '_>> = Vec::new();
        let range = (seconds_from(start_ms), seconds_to(end_ms));
        search.visit((self.store, self.interrupt), &metrics, range, |on_host| {
            go_on(together.len() + grid.len() + on_host.found.len())?;
            for (found, samples) in on_host.host.take_samples(&on_host.found, range.0, range.1) {
                let (Some(component), Some((metric, lookback_ms))) =
                    (on_host.component(&found), known.get(&found.metric))
                else {
                    continue;
                };
                let labels = component.of_series(metric, &on_host.host, &names);
                grid.push(Box::new(GridSeries { labels, samples, lookback_ms: *lookback_ms }));
            }
            ControlFlow::Continue(())
        });
        if is_too_much {
            return Ok(Selection { exceeds: Some(self.series_max), ..Selection::default() });
        }
        together.add(grid);
        Ok(Selection { series: together.finish(), ..Selection::default() })
    }
}
