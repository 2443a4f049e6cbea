//! Metrics: names with a frequency and an aggregation, and the table of them.
//!
//! Invariant of the table: an id, once given to a name, stays that name's, whatever a reload of the config brings, for
//! series keep ids.

use hashbrown::HashMap;

/// A metric's place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricId(pub u32);

/// How a level answers for its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Aggregation {
    /// Not at all: asking is an error when more than one child holds the metric.
    #[default]
    None,
    /// The sum of the children.
    Sum,
    /// The sum divided by the number of contributors.
    Avg,
}

/// A text that names no aggregation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown aggregation {0:?}: expected \"sum\", \"avg\" or null")]
pub struct UnknownAggregation(pub String);

impl std::str::FromStr for Aggregation {
    type Err = UnknownAggregation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Ok(Aggregation::None),
            "sum" => Ok(Aggregation::Sum),
            "avg" => Ok(Aggregation::Avg),
            other => Err(UnknownAggregation(other.to_owned())),
        }
    }
}

/// A configured metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Its name, the measurement of the line protocol.
    pub name: Box<str>,
    /// Seconds between two slots, at least 1.
    pub frequency_secs: u32,
    /// How levels combine their children.
    pub aggregation: Aggregation,
}

/// All metrics that the config names, or named once since the start.
#[derive(Debug, Clone, Default)]
pub struct MetricTable {
    metrics: Vec<Metric>,
    configured: Vec<bool>,
    by_name: HashMap<Box<str>, MetricId, foldhash::fast::RandomState>,
}

impl MetricTable {
    /// A table of these metrics; of two with one name the later wins.
    pub fn new(metrics: impl IntoIterator<Item = Metric>) -> Self {
        MetricTable::default().reloaded(metrics)
    }

    /// The table after a reload of the config: known names keep their ids, missing ones are no longer found by name.
    #[must_use]
    pub fn reloaded(&self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        let mut table = self.clone();
        table.configured.fill(false);
        for metric in metrics {
            match table.by_name.get(&metric.name) {
                Some(&id) => {
                    table.configured[id.0 as usize] = true;
                    table.metrics[id.0 as usize] = metric;
                }
                None => {
                    // 2^32 metrics do not fit into memory, so the cast cannot cut.
                    let id = MetricId(table.metrics.len() as u32);
                    table.by_name.insert(metric.name.clone(), id);
                    table.metrics.push(metric);
                    table.configured.push(true);
                }
            }
        }
        table
    }

    /// Finds a configured metric.
    pub fn find(&self, name: &str) -> Option<MetricId> {
        self.by_name.get(name).copied().filter(|id| self.configured[id.0 as usize])
    }

    /// The metric of an id that this table, or one that it was reloaded from, gave out.
    pub fn get(&self, id: MetricId) -> &Metric {
        &self.metrics[id.0 as usize]
    }

    /// The configured metrics with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (MetricId, &Metric)> {
        (0u32..).map(MetricId).zip(&self.metrics).filter(|(id, _)| self.configured[id.0 as usize])
    }

    /// How many ids were given out.
    pub fn len(&self) -> usize {
        self.metrics.len()
    }

    /// Whether there is no metric at all.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, frequency_secs: u32) -> Metric {
        Metric { name: name.into(), frequency_secs, aggregation: Aggregation::Sum }
    }

    #[test]
    fn a_reload_keeps_ids() {
        let first = MetricTable::new([metric("a", 60), metric("b", 60)]);
        let b = first.find("b").unwrap();
        let second = first.reloaded([metric("c", 10), metric("b", 30)]);
        assert_eq!(second.find("b"), Some(b));
        assert_eq!(second.get(b).frequency_secs, 30);
        assert_eq!(second.find("a"), None, "no longer configured");
        let third = second.reloaded([metric("a", 60)]);
        assert_eq!(third.find("a"), first.find("a"));
    }
}
