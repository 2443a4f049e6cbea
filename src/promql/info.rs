//! `info`: gives series the labels of info metrics that describe the same target.
//!
//! A target is told by `instance` and `job`. Of several info series for one target the one with the latest sample
//! counts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};

use super::ast::RangeMode;
use super::column::Steps;
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::operator::{Head, Op, Table};
use super::output::Output;
use super::plan::{Kind, Node, Select};
use super::select::{Latest, Take};

/// The info metric, unless the query names others.
const TARGET_INFO: &str = "target_info";
/// The labels that tell targets apart, sorted.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// The operator of `info(vector)` or `info(vector, {labels…})`.
pub fn prepare<'a>(ev: &Evaluator<'a>, args: &'a [Node], steps: Steps) -> Result<Op<'a>, QueryError> {
    let held = ev.budget.held();
    let base = ev.table(&args[0], steps)?;
    let matchers: &[Matcher] = match args.get(1).map(|arg| &arg.kind) {
        Some(Kind::Select(select)) => &select.matchers,
        _ => &[],
    };
    let (names, data): (Vec<Matcher>, Vec<Matcher>) =
        matchers.iter().cloned().partition(|matcher| matcher.name() == METRIC_NAME);
    let names = effective_names(names)?;
    // An info series is not described by another.
    let is_info = |head: &Head| names.iter().all(|matcher| matcher.matches(head.labels.metric_name()));
    let is_info: Vec<bool> = base.heads.iter().map(is_info).collect();
    let anchor = anchor(&args[0]);
    let infos = infos(ev, &base, &is_info, &data, names, anchor, steps)?;
    let table = Join { ev: *ev, base, is_info, infos, data }.run(steps)?;
    ev.budget.set_held(held + table.size())?;
    Ok(Box::new(table))
}

/// The matchers for the names of info metrics.
fn effective_names(names: Vec<Matcher>) -> Result<Vec<Matcher>, QueryError> {
    if names.is_empty() {
        return Ok(vec![Matcher::equal(METRIC_NAME, TARGET_INFO)]);
    }
    if names.iter().any(|matcher| matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex)) {
        return Ok(names);
    }
    let mut all = vec![regex(METRIC_NAME, ".+_info")?];
    all.extend(names);
    Ok(all)
}

fn regex(name: &str, pattern: &str) -> Result<Matcher, QueryError> {
    Matcher::new(name, MatchOp::Regex, pattern).map_err(|error| QueryError::execution(error.to_string()))
}

/// The time and the offset at which the first selector reads; these govern the info series, too.
fn anchor(node: &Node) -> (Option<i64>, i64) {
    fn find(node: &Node) -> Option<(Option<i64>, i64)> {
        match &node.kind {
            Kind::Select(select) | Kind::Window { select, .. } => Some((select.at_ms, select.offset_ms)),
            Kind::Number(_) | Kind::Text(_) => None,
            Kind::Subquery(subquery) => find(&subquery.inner).map(|(at, offset)| match at {
                Some(_) => (at, offset),
                None => (subquery.at_ms, offset + subquery.offset_ms),
            }),
            Kind::Call { args, .. } => args.iter().find_map(find),
            Kind::Aggregate(aggregate) => find(&aggregate.inner).or_else(|| aggregate.param.as_ref().and_then(find)),
            Kind::Binary(binary) => find(&binary.left).or_else(|| find(&binary.right)),
            Kind::Negate(inner) | Kind::Invariant(inner) => find(inner),
        }
    }
    find(node).unwrap_or((None, 0))
}

/// The info series of the targets of all series, with the times of their samples for values.
fn infos(
    ev: &Evaluator<'_>,
    base: &Table,
    is_info: &[bool],
    data: &[Matcher],
    names: Vec<Matcher>,
    (at_ms, offset_ms): (Option<i64>, i64),
    steps: Steps,
) -> Result<Table, QueryError> {
    let (mut matchers, mut has_targets) = (Vec::new(), false);
    for name in IDENTIFYING {
        let described = base.heads.iter().zip(is_info).filter(|(_, is_info)| !**is_info);
        let values: BTreeSet<&str> = described.filter_map(|(head, _)| head.labels.get(name)).collect();
        if !values.is_empty() {
            has_targets = true;
            let values: Vec<String> = values.into_iter().map(escape).collect();
            // Too many targets for a pattern: other targets' series do no harm, they are joined with nothing.
            matchers.extend(regex(name, &values.join("|")).ok());
        }
    }
    if !has_targets {
        return Ok(Table::default());
    }
    matchers.extend(data.iter().cloned());
    matchers.extend(names);
    let select = Select {
        matchers,
        offset_ms,
        at_ms,
        mode: RangeMode::Plain,
        stats_only: false,
        function: "info",
        grouping: Vec::new(),
        by: false,
    };
    let latest = Latest::new(*ev, &select, offset_ms, steps, Take::FloatMillis)?;
    let table = ev.collect(Box::new(latest), steps.count)?;
    let odd = table.columns.iter().position(|column| !column.histograms().is_empty());
    match odd {
        Some(odd) => Err(QueryError::Execution(format!(
            "this should be an info metric, with float samples: {}",
            table.heads[odd].labels
        ))),
        None => Ok(table),
    }
}

/// A text as a pattern that matches it alone.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// What a series has to share with an info series: the info metric's name and the target.
type Signature = (String, [String; 2]);

fn target(labels: &Labels) -> [String; 2] {
    IDENTIFYING.map(|name| labels.value(name).to_owned())
}

/// Joins series with info series.
struct Join<'a> {
    ev: Evaluator<'a>,
    base: Table,
    is_info: Vec<bool>,
    infos: Table,
    data: Vec<Matcher>,
}

impl Join<'_> {
    fn run(&self, steps: Steps) -> Result<Table, QueryError> {
        let names: BTreeSet<&str> = self.infos.heads.iter().map(|head| head.labels.metric_name()).collect();
        let infos = self.infos.heads.iter();
        let signatures: Vec<Signature> =
            infos.map(|head| (head.labels.metric_name().to_owned(), target(&head.labels))).collect();
        let targets: Vec<[String; 2]> = self.base.heads.iter().map(|head| target(&head.labels)).collect();
        let needs_info = self.data.iter().any(|matcher| !matcher.matches(""));
        // The heads of series joined with certain info series.
        let mut known: HashMap<(usize, Vec<usize>), Head> = HashMap::new();
        let mut output = Output::new(Steps { is_instant: false, ..steps }, false);
        for step in 0..steps.count {
            self.ev.poll()?;
            let latest = self.latest(step, &signatures)?;
            for (row, column) in self.base.columns.iter().enumerate() {
                let Some(point) = column.point(step) else { continue };
                if self.is_info[row] {
                    output.push(step, &self.base.heads[row], point)?;
                    continue;
                }
                let of_target = |name: &&str| latest.get(&((*name).to_owned(), targets[row].clone())).copied();
                let found: Vec<usize> = names.iter().filter_map(of_target).collect();
                if found.is_empty() && needs_info {
                    continue;
                }
                let key = (row, found);
                if !known.contains_key(&key) {
                    let head = self.head(row, &key.1)?;
                    known.insert(key.clone(), head);
                }
                output.push(step, &known[&key], point)?;
            }
        }
        Ok(output.finish())
    }

    /// For each signature the info series with the latest sample.
    fn latest<'s>(
        &self,
        step: usize,
        signatures: &'s [Signature],
    ) -> Result<HashMap<&'s Signature, usize>, QueryError> {
        let mut latest: HashMap<&Signature, usize> = HashMap::new();
        for (row, column) in self.infos.columns.iter().enumerate() {
            let Some(time) = column.float(step) else { continue };
            let Some(other) = latest.get(&signatures[row]).copied() else {
                latest.insert(&signatures[row], row);
                continue;
            };
            let other_time = self.infos.columns[other].float(step).unwrap_or(f64::NEG_INFINITY);
            if other_time == time {
                return Err(QueryError::Execution(format!(
                    "found duplicate series for info metric: existing {} @ {other_time}, new {} @ {time}",
                    self.infos.heads[other].labels, self.infos.heads[row].labels
                )));
            }
            if other_time < time {
                latest.insert(&signatures[row], row);
            }
        }
        Ok(latest)
    }

    /// A series' labels with those of its info series.
    fn head(&self, row: usize, infos: &[usize]) -> Result<Head, QueryError> {
        let wanted: HashSet<&str> = self.data.iter().map(Matcher::name).collect();
        let head = &self.base.heads[row];
        let mut added: BTreeMap<&str, &str> = BTreeMap::new();
        for info in infos {
            for label in self.infos.heads[*info].labels.iter() {
                let (name, value) = (&*label.name, &*label.value);
                if name == METRIC_NAME || (!wanted.is_empty() && !wanted.contains(name)) {
                    continue;
                }
                if added.get(name).is_some_and(|other| *other != value) {
                    return Err(QueryError::Execution(format!("conflicting label: {name}")));
                }
                if head.labels.get(name).is_none() {
                    added.insert(name, value);
                }
            }
        }
        let mut builder: LabelsBuilder = head.labels.edit();
        for (name, value) in added {
            builder.set(name, value);
        }
        Ok(Head { labels: builder.build(), drop_name: head.drop_name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_texts_match_themselves_alone() {
        let matcher = regex("a", &escape("a.b|c(d)")).unwrap();
        assert!(matcher.matches("a.b|c(d)"));
        assert!(!matcher.matches("axb|c(d)"));
    }
}
