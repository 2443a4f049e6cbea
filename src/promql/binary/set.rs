//! `and`, `or`, `unless`: which series there are, whatever their values.

use super::super::ast::BinaryOp;
use super::super::column::Steps;
use super::super::error::QueryError;
use super::super::evaluator::Evaluator;
use super::super::operator::Table;
use super::super::output::merge_same;
use super::matching::Sides;

/// Runs the operation.
pub fn run(ev: &Evaluator<'_>, op: BinaryOp, sides: Sides, steps: Steps) -> Result<Table, QueryError> {
    let Sides { mut left, mut right, left_groups, right_groups, .. } = sides;
    match op {
        BinaryOp::Or => {
            keep(ev, (&mut right, &right_groups), (&left, &left_groups), steps, false)?;
            left.heads.append(&mut right.heads);
            left.columns.append(&mut right.columns);
        }
        _ => keep(ev, (&mut left, &left_groups), (&right, &right_groups), steps, op == BinaryOp::And)?,
    }
    let table = left.without_empty();
    if steps.is_instant && ev.options.delayed_name_removal { Ok(table) } else { merge_same(table, steps.count) }
}

/// Keeps the points of one side at steps where the other side's part of the group is there, or where it is not.
///
/// One group after the other: the steps of all groups at once could be far more than the points of their series.
fn keep(
    ev: &Evaluator<'_>,
    (table, groups): (&mut Table, &[usize]),
    (other, other_groups): (&Table, &[usize]),
    steps: Steps,
    if_there: bool,
) -> Result<(), QueryError> {
    let mut others = by_group(other_groups).into_iter().peekable();
    let mut there = vec![0_u64; steps.count.div_ceil(64)];
    let mut group = None;
    for row in by_group(groups) {
        if group.replace(groups[row]) != Some(groups[row]) {
            ev.poll()?;
            there.fill(0);
            while let Some(other_row) = others.next_if(|&other_row| other_groups[other_row] <= groups[row]) {
                if other_groups[other_row] == groups[row] {
                    other.columns[other_row].mark(&mut there);
                }
            }
        }
        table.columns[row].retain(&there, if_there);
    }
    Ok(())
}

/// The rows of a side, those of one group behind each other.
fn by_group(groups: &[usize]) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..groups.len()).collect();
    rows.sort_by_key(|&row| groups[row]);
    rows
}
