//! What series there are: their labels, the names and values of those, and how many of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{Labels, METRIC_NAME, Matcher, MetricId};

use super::component::{CLUSTER, HOSTNAME, NAMES, Names};
use super::search::{OnHost, Search};
use super::source::{GridSource, seconds_from, seconds_to};
use crate::model::MetricTable;
use crate::store::Found;

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

/// So many of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Of what.
    pub name: String,
    /// How many.
    pub value: u64,
}

/// How many series there are, and what makes them many. The lists are sorted, the largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// Series with data.
    pub series: u64,
    /// Different pairs of label and value.
    pub label_pairs: u64,
    /// Series of each metric.
    pub series_by_metric: Vec<Count>,
    /// Different values of each label.
    pub values_by_label: Vec<Count>,
    /// Bytes of the values of each label.
    pub bytes_by_label: Vec<Count>,
    /// Series with each pair of label and value.
    pub series_by_pair: Vec<Count>,
}

impl GridSource<'_> {
    /// The labels of series, sorted, each set once; at most `limit` of them.
    pub fn series(&self, wanted: Wanted<'_>, limit: usize) -> Vec<Labels> {
        let names = Names::default();
        let mut metric_names: BTreeMap<MetricId, Arc<str>> = BTreeMap::new();
        let mut series = BTreeSet::new();
        self.visit(wanted, |table, on_host, found| {
            let Some(component) = on_host.component(found) else { return };
            let metric = metric_names.entry(found.metric).or_insert_with(|| Arc::from(&*table.get(found.metric).name));
            series.insert(component.of_series(metric, &on_host.host, &names));
            if series.len() > limit {
                series.pop_last();
            }
        });
        series.into_iter().collect()
    }

    /// The names of the labels of series, sorted.
    pub fn label_names(&self, wanted: Wanted<'_>) -> Vec<String> {
        let mut is_there = [false; NAMES.len()];
        self.visit(wanted, |table, on_host, found| {
            for (is_there, name) in is_there.iter_mut().zip(NAMES) {
                *is_there |= !value(table, on_host, found, name).is_empty();
            }
        });
        NAMES.iter().zip(is_there).filter(|(_, is_there)| *is_there).map(|(name, _)| (*name).to_owned()).collect()
    }

    /// The values of a label of series, sorted.
    pub fn label_values(&self, name: &str, wanted: Wanted<'_>) -> Vec<String> {
        let mut values: BTreeSet<String> = BTreeSet::new();
        if NAMES.contains(&name) {
            self.visit(wanted, |table, on_host, found| {
                let value = value(table, on_host, found, name);
                if !value.is_empty() && !values.contains(value) {
                    values.insert(value.to_owned());
                }
            });
        }
        values.into_iter().collect()
    }

    /// Counts series and their labels; lists have at most `limit` entries.
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        let mut series = 0;
        let mut pairs: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
        let wanted = Wanted { matcher_sets: &[], start_ms: i64::MIN, end_ms: i64::MAX };
        self.visit(wanted, |table, on_host, found| {
            series += 1;
            for name in NAMES {
                let value = value(table, on_host, found, name);
                if !value.is_empty() {
                    *pairs.entry((name, value.to_owned())).or_default() += 1;
                }
            }
        });
        let (mut values, mut bytes) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in pairs.keys() {
            *values.entry(*name).or_insert(0) += 1;
            *bytes.entry(*name).or_insert(0) += value.len() as u64;
        }
        let by_metric = pairs.iter().filter(|((name, _), _)| *name == METRIC_NAME);
        Cardinality {
            series,
            label_pairs: pairs.len() as u64,
            series_by_metric: top(by_metric.map(|((_, metric), count)| (metric.clone(), *count)), limit),
            values_by_label: top(values.into_iter().map(|(name, count)| (name.to_owned(), count)), limit),
            bytes_by_label: top(bytes.into_iter().map(|(name, count)| (name.to_owned(), count)), limit),
            series_by_pair: top(pairs.iter().map(|((name, value), count)| (format!("{name}={value}"), *count)), limit),
        }
    }

    fn visit(&self, wanted: Wanted<'_>, mut visit: impl FnMut(&MetricTable, &OnHost, &Found)) {
        let table = self.store.metrics();
        let range = (seconds_from(wanted.start_ms), seconds_to(wanted.end_ms));
        let everything = [Vec::new()];
        let sets = if wanted.matcher_sets.is_empty() { &everything } else { wanted.matcher_sets };
        for matchers in sets {
            let search = Search::new(matchers);
            search.visit((self.store, self.interrupt), &search.metrics(&table), range, |on_host| {
                on_host.found.iter().for_each(|found| visit(&table, &on_host, found));
            });
        }
    }
}

/// The value of a series' label; empty without one.
fn value<'a>(table: &'a MetricTable, on_host: &'a OnHost, found: &Found, name: &str) -> &'a str {
    match name {
        METRIC_NAME => &table.get(found.metric).name,
        CLUSTER => on_host.host.cluster(),
        HOSTNAME => on_host.host.name(),
        name => on_host.component(found).map_or("", |component| component.value(name)),
    }
}

fn top(counts: impl Iterator<Item = (String, u64)>, limit: usize) -> Vec<Count> {
    let mut counts: Vec<Count> = counts.map(|(name, value)| Count { name, value }).collect();
    counts.sort_by(|a, b| b.value.cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
    counts.truncate(limit);
    counts
}
