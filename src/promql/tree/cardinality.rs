//! How many series there are, and of what: the way to the metric that makes too many.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::METRIC_NAME;

use super::catalogue::{Wanted, value};
use super::component::NAMES;
use super::source::TreeSource;
use super::stamped_hosts;

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
    /// Series: grid series with data, and stamped ones.
    pub series: u64,
    /// Different pairs of label and value.
    pub label_pairs: u64,
    /// Sealed chunks of stamped series.
    pub stamped_chunks: u64,
    /// The first and the last millisecond of stamped samples, if there are any.
    pub stamped_range_ms: Option<(i64, i64)>,
    /// Series of each metric.
    pub series_by_metric: Vec<Count>,
    /// Different values of each label.
    pub values_by_label: Vec<Count>,
    /// Bytes of the values of each label, once for each series.
    pub bytes_by_label: Vec<Count>,
    /// Series with each pair of label and value.
    pub series_by_pair: Vec<Count>,
}

/// Entries of the lists of stamped series that are looked at: beyond that many, what is in a list of both kinds may be
/// counted for one of them only.
const LISTED: usize = 20_000;

impl TreeSource<'_> {
    /// Counts series and their labels; lists have at most `limit` entries.
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        let mut series = 0;
        let mut pairs: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
        let wanted = Wanted { matcher_sets: &[], start_ms: i64::MIN, end_ms: i64::MAX };
        self.visit_grid(wanted, |table, on_host, found| {
            series += 1;
            for name in NAMES {
                let value = value(table, on_host, found, name);
                if !value.is_empty() {
                    *pairs.entry((name, value.to_owned())).or_default() += 1;
                }
            }
        });
        let stamped = self.store.stamped_cardinality(LISTED.max(limit));
        let mut values: BTreeMap<String, u64> = of_list(&stamped.values_by_label);
        let mut label_pairs = stamped.label_pairs;
        for name in NAMES {
            let own: BTreeSet<&str> = pairs.keys().filter(|(own, _)| *own == name).map(|(_, value)| &**value).collect();
            // Those of both kinds are one value each.
            let new = own.len() as u64 - self.also_stamped(name, &own);
            label_pairs += new;
            if new > 0 {
                *values.entry(name.to_owned()).or_default() += new;
            }
        }
        let (mut by_metric, mut bytes) = (of_list(&stamped.series_by_metric), of_list(&stamped.bytes_by_label));
        let mut by_pair = of_list(&stamped.series_by_pair);
        for ((name, value), count) in pairs {
            *bytes.entry(name.to_owned()).or_default() += value.len() as u64 * count;
            *by_pair.entry(format!("{name}={value}")).or_default() += count;
            if name == METRIC_NAME {
                *by_metric.entry(value).or_default() += count;
            }
        }
        Cardinality {
            series: series + stamped.series,
            label_pairs,
            stamped_chunks: stamped.chunks,
            stamped_range_ms: (stamped.min_ms <= stamped.max_ms && stamped.series > 0)
                .then_some((stamped.min_ms, stamped.max_ms)),
            series_by_metric: top(by_metric, limit),
            values_by_label: top(values, limit),
            bytes_by_label: top(bytes, limit),
            series_by_pair: top(by_pair, limit),
        }
    }

    /// How many of these values of a label stamped series have too.
    fn also_stamped(&self, name: &str, own: &BTreeSet<&str>) -> u64 {
        let mut both: BTreeSet<&str> = BTreeSet::new();
        if own.is_empty() {
            return 0;
        }
        stamped_hosts::visit((self.store, self.interrupt), |host| {
            host.stamped_label_values(name, &mut |value| {
                both.extend(own.get(&**value));
            });
            ControlFlow::Continue(())
        });
        both.len() as u64
    }
}

fn of_list(list: &[(Arc<str>, u64)]) -> BTreeMap<String, u64> {
    list.iter().map(|(name, count)| (name.to_string(), *count)).collect()
}

fn top(counts: BTreeMap<String, u64>, limit: usize) -> Vec<Count> {
    let mut counts: Vec<Count> = counts.into_iter().map(|(name, value)| Count { name, value }).collect();
    counts.sort_by(|a, b| b.value.cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
    counts.truncate(limit);
    counts
}
