//! What series there are: their labels, and the names and values of those.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, MetricId, MetricTable};
use crate::store::{Found, StampedFound};

use super::component::{CLUSTER, HOSTNAME, NAMES, Names};
use super::grid_series::{seconds_from, seconds_to};
use super::search::{OnHost, Search};
use super::source::TreeSource;
use super::stamped_hosts;

/// Which series a question is about.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'m> {
    /// Series that fit all matchers of any set; no set at all means every series.
    pub matcher_sets: &'m [Vec<Matcher>],
    /// Series with samples at or after this time, in milliseconds.
    pub start_ms: i64,
    /// Series with samples at or before this time, in milliseconds.
    pub end_ms: i64,
}

impl Wanted<'_> {
    /// Whether every series is wanted, whenever it has samples.
    fn is_everything(&self) -> bool {
        self.matcher_sets.is_empty() && self.start_ms <= i64::MIN / 2 && self.end_ms >= i64::MAX / 2
    }

    /// The sets of matchers, at least one.
    fn sets(&self) -> &[Vec<Matcher>] {
        const EVERYTHING: &[Vec<Matcher>] = &[Vec::new()];
        if self.matcher_sets.is_empty() { EVERYTHING } else { self.matcher_sets }
    }
}

impl TreeSource<'_> {
    /// The labels of series, sorted, each set once; at most `limit` of them.
    pub fn series(&self, wanted: Wanted<'_>, limit: usize) -> Vec<Labels> {
        let names = Names::default();
        let mut metric_names: BTreeMap<MetricId, Arc<str>> = BTreeMap::new();
        let mut series = BTreeSet::new();
        let insert = |series: &mut BTreeSet<Labels>, labels: Labels| {
            series.insert(labels);
            if series.len() > limit {
                series.pop_last();
            }
        };
        self.visit_grid(wanted, |table, on_host, found| {
            let Some(component) = on_host.component(found) else { return };
            let metric = metric_names.entry(found.metric).or_insert_with(|| Arc::from(&*table.get(found.metric).name));
            insert(&mut series, component.of_series(metric, &on_host.host, &names));
        });
        self.visit_stamped(wanted, None, |found| insert(&mut series, found.labels));
        series.into_iter().collect()
    }

    /// The names of the labels of series, sorted.
    pub fn label_names(&self, wanted: Wanted<'_>) -> Vec<String> {
        let mut is_there = [false; NAMES.len()];
        self.visit_grid(wanted, |table, on_host, found| {
            for (is_there, name) in is_there.iter_mut().zip(NAMES) {
                *is_there |= !value(table, on_host, found, name).is_empty();
            }
        });
        let of_grid = NAMES.iter().zip(is_there).filter(|(_, is_there)| *is_there).map(|(name, _)| (*name).to_owned());
        let mut names: BTreeSet<String> = of_grid.collect();
        let mut insert = |name: &str| {
            if !names.contains(name) {
                names.insert(name.to_owned());
            }
        };
        if wanted.is_everything() {
            stamped_hosts::visit((self.store, self.interrupt), |host| {
                host.stamped_label_names(&mut |name| insert(name));
                ControlFlow::Continue(())
            });
        } else {
            self.visit_stamped(wanted, None, |found| found.labels.iter().for_each(|label| insert(&label.name)));
        }
        names.into_iter().collect()
    }

    /// The values of a label of series, sorted.
    pub fn label_values(&self, name: &str, wanted: Wanted<'_>) -> Vec<String> {
        let mut values: BTreeSet<String> = BTreeSet::new();
        let mut insert = |value: &str| {
            if !value.is_empty() && !values.contains(value) {
                values.insert(value.to_owned());
            }
        };
        if NAMES.contains(&name) {
            self.visit_grid(wanted, |table, on_host, found| insert(value(table, on_host, found, name)));
        }
        if wanted.is_everything() {
            stamped_hosts::visit((self.store, self.interrupt), |host| {
                host.stamped_label_values(name, &mut |value| insert(value));
                ControlFlow::Continue(())
            });
        } else {
            self.visit_stamped(wanted, Some(name), |found| insert(found.labels.value(name)));
        }
        values.into_iter().collect()
    }

    pub(super) fn visit_grid(&self, wanted: Wanted<'_>, mut visit: impl FnMut(&MetricTable, &OnHost, &Found)) {
        let table = self.store.metrics();
        let range = (seconds_from(wanted.start_ms), seconds_to(wanted.end_ms));
        for matchers in wanted.sets() {
            let search = Search::new(matchers);
            search.visit((self.store, self.interrupt), &search.metrics(&table), range, |on_host| {
                on_host.found.iter().for_each(|found| visit(&table, &on_host, found));
                ControlFlow::Continue(())
            });
        }
    }

    /// Visits stamped series, only those with a label if one is named.
    fn visit_stamped(&self, wanted: Wanted<'_>, label: Option<&str>, mut visit: impl FnMut(StampedFound)) {
        let has_label = label.and_then(|label| Matcher::new(label, MatchOp::NotEqual, "").ok());
        for matchers in wanted.sets() {
            let matchers: Vec<Matcher> = matchers.iter().chain(&has_label).cloned().collect();
            let range = (wanted.start_ms, wanted.end_ms);
            stamped_hosts::find((self.store, self.interrupt), &matchers, range, |_, found| {
                found.into_iter().for_each(&mut visit);
                ControlFlow::Continue(())
            });
        }
    }
}

/// The value of a grid series' label; empty without one.
pub(super) fn value<'a>(table: &'a MetricTable, on_host: &'a OnHost, found: &Found, name: &str) -> &'a str {
    match name {
        METRIC_NAME => &table.get(found.metric).name,
        CLUSTER => on_host.host.cluster(),
        HOSTNAME => on_host.host.name(),
        name => on_host.component(found).map_or("", |component| component.value(name)),
    }
}
