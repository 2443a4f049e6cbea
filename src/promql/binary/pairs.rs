//! The usual case between two vectors: labels alone tell which series belong together.
//!
//! If no match group has several series on its "one" side, and no two results have the same labels, then every step
//! matches the same pairs, no step can fail, and each pair is one loop over two columns.

use std::collections::HashSet;

use super::super::ast::{Cardinality, VectorMatching};
use super::super::column::{Column, Point, Steps};
use super::super::error::QueryError;
use super::super::evaluator::Evaluator;
use super::super::operator::{Head, Table};
use super::super::plan::Binary;
use super::element::{Outcome, element, scalars};
use super::matching::{Sides, result_labels};
use super::{LastNotes, changes_metric};

/// Two series and the labels of their result.
pub struct Pair {
    left: usize,
    right: usize,
    head: Head,
}

/// The pairs, if labels tell them.
pub fn find(ev: &Evaluator<'_>, binary: &Binary, matching: &VectorMatching, sides: &Sides) -> Option<Vec<Pair>> {
    if matching.fill.is_any() {
        return None;
    }
    let is_one_left = matching.cardinality == Cardinality::OneToMany;
    let (many, one) = if is_one_left { (&sides.right, &sides.left) } else { (&sides.left, &sides.right) };
    let (many_groups, one_groups) =
        if is_one_left { (&sides.right_groups, &sides.left_groups) } else { (&sides.left_groups, &sides.right_groups) };
    let mut ones = vec![None; sides.groups];
    for (row, group) in one_groups.iter().enumerate() {
        if ones[*group].replace(row).is_some() {
            return None;
        }
    }
    let mut taken = vec![false; sides.groups];
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    for (row, group) in many_groups.iter().enumerate() {
        let Some(partner) = ones[*group] else { continue };
        if matching.cardinality == Cardinality::OneToOne && std::mem::replace(&mut taken[*group], true) {
            return None;
        }
        let (many, one) = (&many.heads[row].labels, &one.heads[partner].labels);
        let drops_name = binary.return_bool && !ev.options.delayed_name_removal;
        let labels = result_labels(many, one, binary.op, matching, drops_name);
        if !seen.insert(labels.clone()) {
            return None;
        }
        let (left, right) = if is_one_left { (partner, row) } else { (row, partner) };
        pairs.push(Pair { left, right, head: Head { labels, drop_name: binary.return_bool } });
    }
    Some(pairs)
}

/// Works all pairs out.
pub fn run(
    ev: &Evaluator<'_>,
    binary: &Binary,
    sides: &Sides,
    pairs: &[Pair],
    steps: Steps,
) -> Result<Table, QueryError> {
    let mut table = Table::default();
    let mut notes = LastNotes::default();
    for pair in pairs {
        ev.poll()?;
        let (left, right) = (&sides.left.columns[pair.left], &sides.right.columns[pair.right]);
        let mut column = match (left.dense_floats(), right.dense_floats()) {
            (Some(left), Some(right)) if changes_metric(binary.op) => arithmetic(binary, left, right),
            _ => by_points(binary, left, right, steps, &mut notes),
        };
        column.compact();
        ev.budget.hold(column.size())?;
        if !column.is_empty() {
            table.push(pair.head.clone(), column);
        }
    }
    notes.tell(ev);
    Ok(table)
}

/// Arithmetic of two columns of floats: also at steps where one is missing, since nobody will look there.
fn arithmetic(binary: &Binary, left: (&[f64], &[u64]), right: (&[f64], &[u64])) -> Column {
    let pairs = left.0.iter().zip(right.0);
    let values = pairs.map(|(left, right)| scalars(binary.op, *left, *right)).collect();
    let mask = left.1.iter().zip(right.1).map(|(left, right)| left & right).collect();
    Column::from_parts(values, mask)
}

fn by_points(binary: &Binary, left: &Column, right: &Column, steps: Steps, notes: &mut LastNotes) -> Column {
    let mut column = Column::new(steps.count);
    for step in 0..steps.count {
        let (Some(left), Some(right)) = (left.point(step), right.point(step)) else { continue };
        let Outcome { value, keep, note, is_failed } = element(binary.op, &left, &right, binary.position);
        if let Some(note) = note {
            notes.set(step, note);
        }
        if is_failed {
            continue;
        }
        if binary.return_bool {
            column.push(step, Point::Float(f64::from(keep)));
        } else if let (true, Some(value)) = (keep, value) {
            column.push(step, value);
        }
    }
    column
}
