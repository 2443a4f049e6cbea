//! What makes stamped series so many: counts over all hosts.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};

use crate::model::METRIC_NAME;

use super::data::Stamped;

/// How many stamped series there are, and what makes them so many. Lists are sorted by number, largest first, then by
/// name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// Series.
    pub series: u64,
    /// Different pairs of a label's name and value.
    pub label_pairs: u64,
    /// Sealed chunks.
    pub chunks: u64,
    /// The first millisecond of any sample; `i64::MAX` without one.
    pub min_ms: i64,
    /// The last millisecond of any sample; `i64::MIN` without one.
    pub max_ms: i64,
    /// Series of each metric name.
    pub series_by_metric: Vec<(Arc<str>, u64)>,
    /// Different values of each label name.
    pub values_by_label: Vec<(Arc<str>, u64)>,
    /// Bytes of the values of each label name, counted once a series.
    pub bytes_by_label: Vec<(Arc<str>, u64)>,
    /// Series of each pair, printed as `name=value`.
    pub series_by_pair: Vec<(Arc<str>, u64)>,
}

type Counts = HashMap<Arc<str>, u64, RandomState>;

/// A label's name and value.
type NameAndValue = (Arc<str>, Arc<str>);

/// Counts host after host.
#[derive(Debug)]
pub(super) struct Counting {
    total: Cardinality,
    metrics: Counts,
    bytes: Counts,
    pairs: HashMap<NameAndValue, u64, RandomState>,
    names: HashSet<Arc<str>, RandomState>,
}

impl Counting {
    /// Nothing counted yet.
    pub(super) fn new() -> Self {
        Counting {
            total: Cardinality { min_ms: i64::MAX, max_ms: i64::MIN, ..Cardinality::default() },
            metrics: Counts::default(),
            bytes: Counts::default(),
            pairs: HashMap::default(),
            names: HashSet::default(),
        }
    }

    /// Adds a host.
    pub(super) fn add(&mut self, data: &Stamped) {
        self.total.series += data.table.live() as u64;
        self.total.chunks += data.table.iter().map(|(_, series)| series.chunks.len() as u64).sum::<u64>();
        self.total.min_ms = self.total.min_ms.min(data.oldest_ms().unwrap_or(i64::MAX));
        self.total.max_ms = self.total.max_ms.max(data.newest_ms);
        for pair in data.index.pairs() {
            let (name, value) = (data.index.symbols.text(pair.name), data.index.symbols.text(pair.value));
            let series = pair.series.len() as u64;
            // One copy of a name for all hosts.
            let name = match self.names.get(name) {
                Some(known) => Arc::clone(known),
                None => {
                    self.names.insert(Arc::clone(name));
                    Arc::clone(name)
                }
            };
            if &*name == METRIC_NAME {
                *self.metrics.entry(Arc::clone(value)).or_default() += series;
            }
            *self.bytes.entry(Arc::clone(&name)).or_default() += series * value.len() as u64;
            *self.pairs.entry((name, Arc::clone(value))).or_default() += series;
        }
    }

    /// The counts; of each list the `top` largest.
    pub(super) fn finish(self, top: usize) -> Cardinality {
        let mut values = Counts::default();
        for (name, _) in self.pairs.keys() {
            *values.entry(Arc::clone(name)).or_default() += 1;
        }
        let label_pairs = self.pairs.len() as u64;
        let mut pairs: Vec<(NameAndValue, u64)> = self.pairs.into_iter().collect();
        pairs.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        pairs.truncate(top);
        let printed = pairs.into_iter().map(|((name, value), count)| (format!("{name}={value}").into(), count));
        Cardinality {
            label_pairs,
            series_by_metric: largest(self.metrics, top),
            values_by_label: largest(values, top),
            bytes_by_label: largest(self.bytes, top),
            series_by_pair: printed.collect(),
            ..self.total
        }
    }
}

fn largest(counts: Counts, top: usize) -> Vec<(Arc<str>, u64)> {
    let mut all: Vec<(Arc<str>, u64)> = counts.into_iter().collect();
    all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(top);
    all
}
