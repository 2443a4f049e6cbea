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
    let references = replacement.text().matches('$').count();
    let mut room = Room::default();
    let change = |head: &Head| {
        let text = head.labels.value(source);
        let Some(found) = regex.captures(text) else { return Ok(head.clone()) };
        room.take(replacement.text().len() + references * text.len(), "label_replace")?;
        let mut value = String::new();
        found.expand(replacement.text(), &mut value);
        Ok(with_label(head, target, value))
    };
    let heads = inner.heads().iter().map(change).collect::<Result<Vec<Head>, QueryError>>()?;
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
    let mut room = Room::default();
    let change = |head: &Head| {
        let values: Vec<&str> = sources.iter().map(|source| head.labels.value(source.text())).collect();
        let bytes = values.iter().map(|value| value.len() + separator.text().len()).sum();
        room.take(bytes, "label_join")?;
        Ok(with_label(head, target.text(), values.join(separator.text())))
    };
    let heads = inner.heads().iter().map(change).collect::<Result<Vec<Head>, QueryError>>()?;
    Relabel::op(ev, inner, heads, steps)
}

/// Bytes of one label that a function makes.
const LABEL_BYTES_MAX: usize = 64 << 10;
/// Bytes of all labels that one call makes.
const LABELS_BYTES_MAX: usize = 256 << 20;

/// How much of what may be made is made: a replacement that names its group a thousand times makes a label a thousand
/// times as long, and three such calls around each other a thousand million times.
#[derive(Default)]
struct Room {
    bytes: usize,
}

impl Room {
    /// Takes room for a label of at most so many bytes.
    fn take(&mut self, bytes: usize, function: &str) -> Result<(), QueryError> {
        self.bytes += bytes;
        if bytes > LABEL_BYTES_MAX {
            return Err(QueryError::Execution(format!(
                "{function}() makes a label of up to {bytes} bytes, at most {LABEL_BYTES_MAX} are allowed"
            )));
        }
        if self.bytes > LABELS_BYTES_MAX {
            return Err(QueryError::Execution(format!(
                "{function}() makes labels of more than {LABELS_BYTES_MAX} bytes in all"
            )));
        }
        Ok(())
    }
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
