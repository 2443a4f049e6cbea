//! `label_replace` and `label_join`: the same points under other labels.

use crate::model::{METRIC_NAME, compile_anchored};

use super::column::Steps;
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::map::Relabel;
use super::operator::{Head, Op};
use super::plan::Node;

/// `label_replace(v, dst, replacement, src, regex)`.
pub fn replace<'a>(ev: &Evaluator<'a>, args: &'a [Node], steps: Steps) -> Result<Op<'a>, QueryError> {
    let [vector, target, replacement, source, pattern] = args else {
        return Err(QueryError::execution("label_replace() takes five arguments"));
    };
    let (target, source) = (target.text(), source.text());
    let regex = compile_anchored(pattern.text()).map_err(|_| {
        QueryError::Execution(format!("invalid regular expression in label_replace(): {}", pattern.text()))
    })?;
    check_name(target, "destination", "label_replace")?;
    let inner = ev.prepare(vector, steps)?;
    let change = |head: &Head| {
        let Some(found) = regex.captures(head.labels.value(source)) else { return head.clone() };
        let mut value = String::new();
        found.expand(replacement.text(), &mut value);
        with_label(head, target, value)
    };
    let heads = inner.heads().iter().map(change).collect();
    Relabel::op(ev, inner, heads, steps)
}

/// `label_join(v, dst, separator, src…)`.
pub fn join<'a>(ev: &Evaluator<'a>, args: &'a [Node], steps: Steps) -> Result<Op<'a>, QueryError> {
    let [vector, target, separator, sources @ ..] = args else {
        return Err(QueryError::execution("label_join() takes at least three arguments"));
    };
    for source in sources {
        check_name(source.text(), "source", "label_join")?;
    }
    check_name(target.text(), "destination", "label_join")?;
    let inner = ev.prepare(vector, steps)?;
    let change = |head: &Head| {
        let values: Vec<&str> = sources.iter().map(|source| head.labels.value(source.text())).collect();
        with_label(head, target.text(), values.join(separator.text()))
    };
    let heads = inner.heads().iter().map(change).collect();
    Relabel::op(ev, inner, heads, steps)
}

/// Names may be any text but an empty one.
fn check_name(name: &str, role: &str, function: &str) -> Result<(), QueryError> {
    if name.is_empty() {
        return Err(QueryError::Execution(format!("invalid {role} label name in {function}(): {name}")));
    }
    Ok(())
}

fn with_label(head: &Head, name: &str, value: String) -> Head {
    let mut builder = head.labels.edit();
    builder.set(name, value);
    // A name that was written just now is no leftover of the metric.
    Head { labels: builder.build(), drop_name: head.drop_name && name != METRIC_NAME }
}
