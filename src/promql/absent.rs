//! `absent`: a series that is there where no other is.

use std::collections::HashSet;

use crate::model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp};

use super::column::{Column, Steps};
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::operator::{Head, Op, Table};
use super::plan::{Kind, Node};

/// The operator of `absent`.
pub fn prepare<'a>(ev: &Evaluator<'a>, arg: &'a Node, steps: Steps) -> Result<Op<'a>, QueryError> {
    let held = ev.budget.held();
    let table = ev.table(arg, steps)?;
    let mut there = vec![0; steps.count.div_ceil(64)];
    table.columns.iter().for_each(|column| column.mark(&mut there));
    let mut absent = Column::full(vec![1.0; steps.count]);
    absent.retain(&there, false);
    let mut result = Table::default();
    result.push(Head { labels: labels(Some(arg)), drop_name: false }, absent);
    ev.budget.set_held(held + result.size())?;
    Ok(Box::new(result))
}

/// The labels that a selector asks for with `=`, each once.
pub fn labels(arg: Option<&Node>) -> Labels {
    let (Some(Kind::Select(select)) | Some(Kind::Window { select, .. })) = arg.map(|arg| &arg.kind) else {
        return Labels::empty();
    };
    let mut builder = LabelsBuilder::default();
    let mut seen = HashSet::new();
    for matcher in select.matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME) {
        if matcher.op() == MatchOp::Equal && seen.insert(matcher.name()) {
            builder.set(matcher.name(), matcher.value());
        } else {
            builder.remove(matcher.name());
        }
    }
    builder.build()
}
