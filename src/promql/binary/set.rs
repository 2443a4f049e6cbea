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
    let Sides { mut left, mut right, left_groups, right_groups, groups } = sides;
    ev.poll()?;
    match op {
        BinaryOp::Or => {
            let there = presence(&left, &left_groups, groups, steps);
            keep(&mut right, &right_groups, &there, false);
            left.heads.append(&mut right.heads);
            left.columns.append(&mut right.columns);
        }
        _ => {
            let there = presence(&right, &right_groups, groups, steps);
            keep(&mut left, &left_groups, &there, op == BinaryOp::And);
        }
    }
    let table = left.without_empty();
    if steps.is_instant && ev.options.delayed_name_removal { Ok(table) } else { merge_same(table, steps.count) }
}

/// At which steps each group has any series.
fn presence(table: &Table, groups_of: &[usize], groups: usize, steps: Steps) -> Vec<Vec<u64>> {
    let mut there = vec![vec![0_u64; steps.count.div_ceil(64)]; groups];
    for (column, group) in table.columns.iter().zip(groups_of) {
        column.mark(&mut there[*group]);
    }
    there
}

/// Keeps the points at steps where the other side is there, or where it is not.
fn keep(table: &mut Table, groups_of: &[usize], there: &[Vec<u64>], if_there: bool) {
    for (column, group) in table.columns.iter_mut().zip(groups_of) {
        column.retain(&there[*group], if_there);
    }
}
