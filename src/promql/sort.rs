//! `sort` and its kin: the order of an instant query's answer.

use std::cmp::Ordering;

use super::annotations::Note;
use super::ast::FunctionId as Id;
use super::column::{Column, Steps};
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::function::Call;
use super::map::{Name, map};
use super::operator::{Head, Op, Table};
use super::order::{ascending, descending, natural};
use super::plan::Node;

/// The operator of `sort`, `sort_desc`, `sort_by_label` or `sort_by_label_desc`.
pub fn prepare<'a>(ev: &Evaluator<'a>, call: &Call<'a>, steps: Steps) -> Result<Op<'a>, QueryError> {
    let is_by_value = matches!(call.id, Id::Sort | Id::SortDesc);
    let inner = ev.prepare(&call.args[0], steps)?;
    let floats_only = |inner| map(ev, inner, Name::Keep, steps, |_, value| Some(value), |_, _| None);
    if !steps.is_instant {
        let text = "sort is ineffective for range queries since results are always ordered by labels";
        ev.note(Note::warning(call.node.begins, text));
        return if is_by_value { floats_only(inner) } else { Ok(inner) };
    }
    let inner = if is_by_value { floats_only(inner)? } else { inner };
    let table = ev.collect(inner, steps.count)?;
    let mut rows: Vec<(Head, Column)> = table.heads.into_iter().zip(table.columns).collect();
    let value = |row: &(Head, Column)| row.1.float(0).unwrap_or(f64::NAN);
    match call.id {
        Id::Sort => rows.sort_by(|a, b| ascending(value(a), value(b))),
        Id::SortDesc => rows.sort_by(|a, b| descending(value(a), value(b))),
        Id::SortByLabel => rows.sort_by(|a, b| by_labels(&a.0, &b.0, &call.args[1..])),
        _ => rows.sort_by(|a, b| by_labels(&b.0, &a.0, &call.args[1..])),
    }
    let (heads, columns) = rows.into_iter().unzip();
    Ok(Box::new(Table { heads, columns }))
}

fn by_labels(a: &Head, b: &Head, names: &[Node]) -> Ordering {
    for name in names {
        let (own, other) = (a.labels.value(name.text()), b.labels.value(name.text()));
        let order = natural(own, other);
        if order.is_ne() {
            return order;
        }
    }
    a.labels.cmp(&b.labels)
}
