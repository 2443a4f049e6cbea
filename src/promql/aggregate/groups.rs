//! Groups: which series are aggregated with which, found out once per query from labels alone.

use std::collections::HashMap;

use crate::model::{Labels, METRIC_NAME};

use super::super::operator::Head;
use super::super::plan::Aggregate;

/// The groups of an operator's series.
pub struct Groups {
    /// The labels of each group.
    pub labels: Vec<Labels>,
    /// The series of each group, in their order.
    pub members: Vec<Vec<usize>>,
    /// The group of each series.
    pub of: Vec<usize>,
}

impl Groups {
    /// Groups series as an aggregation says.
    pub fn new(aggregate: &Aggregate, heads: &[Head]) -> Groups {
        let mut groups = Groups { labels: Vec::new(), members: Vec::new(), of: Vec::with_capacity(heads.len()) };
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for (series, head) in heads.iter().enumerate() {
            let labels = key(&head.labels, &aggregate.grouping, aggregate.without);
            let group = *places.entry(labels).or_insert_with_key(|labels| {
                groups.labels.push(labels.clone());
                groups.members.push(Vec::new());
                groups.labels.len() - 1
            });
            groups.members[group].push(series);
            groups.of.push(group);
        }
        groups
    }
}

/// The labels that a group of series shares; `grouping` is sorted.
pub fn key(labels: &Labels, grouping: &[String], without: bool) -> Labels {
    if grouping.is_empty() && !without {
        return Labels::empty();
    }
    let is_listed = |name: &str| grouping.binary_search_by(|listed| listed.as_str().cmp(name)).is_ok();
    if without {
        labels.filter(|label| &*label.name != METRIC_NAME && !is_listed(&label.name))
    } else {
        labels.filter(|label| is_listed(&label.name))
    }
}
