//! Which series of two sides belong together, and what labels their results have.

use std::collections::HashMap;

use crate::model::{Labels, METRIC_NAME};

use super::super::ast::{BinaryOp, Cardinality, VectorMatching};
use super::super::operator::Table;

/// Two sides, each series with the number of its match group.
pub struct Sides {
    /// The left side.
    pub left: Table,
    /// The right side.
    pub right: Table,
    /// The group of each series on the left.
    pub left_groups: Vec<usize>,
    /// The group of each series on the right.
    pub right_groups: Vec<usize>,
    /// Number of groups.
    pub groups: usize,
}

impl Sides {
    /// Groups the series of both sides by the labels that match.
    pub fn new(left: Table, right: Table, matching: &VectorMatching) -> Sides {
        let mut groups: HashMap<Labels, usize> = HashMap::new();
        let mut number = |table: &Table| -> Vec<usize> {
            let group = |labels: &Labels| {
                let next = groups.len();
                *groups.entry(match_labels(labels, matching)).or_insert(next)
            };
            table.heads.iter().map(|head| &head.labels).map(group).collect()
        };
        let (left_groups, right_groups) = (number(&left), number(&right));
        let groups = groups.len();
        Sides { left, right, left_groups, right_groups, groups }
    }
}

/// The labels by which a series is matched.
pub fn match_labels(labels: &Labels, matching: &VectorMatching) -> Labels {
    let is_listed = |name: &str| matching.labels.iter().any(|listed| listed == name);
    if matching.on {
        labels.filter(|label| is_listed(&label.name))
    } else {
        labels.filter(|label| &*label.name != METRIC_NAME && !is_listed(&label.name))
    }
}

/// The labels of a result. `many` is the side that may have several series for one of the other, `one` the other.
pub fn result_labels(many: &Labels, one: &Labels, op: BinaryOp, matching: &VectorMatching, drops_name: bool) -> Labels {
    let is_listed = |name: &str| matching.labels.iter().any(|listed| listed == name);
    let mut builder = many.edit();
    if drops_name || super::changes_metric(op) {
        builder.retain(|label| !crate::model::is_metadata(&label.name));
    }
    if matching.cardinality == Cardinality::OneToOne {
        builder.retain(|label| is_listed(&label.name) == matching.on);
    }
    for name in &matching.include {
        builder.set(name, one.value(name));
    }
    builder.build()
}
