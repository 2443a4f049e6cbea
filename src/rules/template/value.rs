//! What templates see: labels, samples, vectors.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::Value;

use super::Subject;
use crate::model::Labels;
use crate::promql::Point;

/// The members of a sample.
pub(super) const LABELS: &str = "Labels";
pub(super) const VALUE: &str = "Value";

/// The dot of a template.
pub(super) fn of_subject(subject: &Subject<'_>) -> Value {
    object([
        (LABELS, of_labels(subject.labels)),
        (VALUE, of_point(subject.value)),
        ("ExternalLabels", of_labels(subject.external_labels)),
        ("ExternalURL", Value::String(subject.external_url.into())),
    ])
}

/// The answer to a query.
pub(super) fn of_vector(vector: &[(Labels, Point)]) -> Value {
    let sample = |(labels, point): &(Labels, Point)| object([(LABELS, of_labels(labels)), (VALUE, of_point(point))]);
    Value::List(vector.iter().map(sample).collect())
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Map(Arc::new(members.into_iter().map(|(name, value)| (Arc::from(name), value)).collect()))
}

fn of_labels(labels: &Labels) -> Value {
    let pair = |label: &crate::model::Label| (Arc::clone(&label.name), Value::String(Arc::clone(&label.value)));
    Value::Map(Arc::new(labels.iter().map(pair).collect()))
}

fn of_point(point: &Point) -> Value {
    match point {
        Point::Float(value) => Value::Float(*value),
        Point::Histogram(histogram) => Value::String(histogram.to_string().into()),
    }
}

/// A member of a value: of labels, the label, and an empty text where there is none.
pub(super) fn member(value: &Value, name: &str) -> Result<Value, String> {
    match value {
        Value::Map(members) => match members.get(name) {
            Some(member) => Ok(member.clone()),
            None if is_labels(members) => Ok(Value::String("".into())),
            None => Err(format!("can't evaluate field {name} in type {}", kind(value))),
        },
        Value::Nil => Err(format!("nil pointer evaluating {name}")),
        _ => Err(format!("can't evaluate field {name} in type {}", kind(value))),
    }
}

/// Whether members are texts throughout, as labels are.
fn is_labels(members: &BTreeMap<Arc<str>, Value>) -> bool {
    members.values().all(|member| matches!(member, Value::String(_)))
}

/// The labels of a sample.
pub(super) fn labels_of(sample: &Value) -> Result<&BTreeMap<Arc<str>, Value>, String> {
    match sample {
        Value::Map(members) => match members.get(LABELS) {
            Some(Value::Map(labels)) => Ok(labels),
            _ => Err(format!("wrong type for value; expected *template.sample; got {}", kind(sample))),
        },
        other => Err(format!("wrong type for value; expected *template.sample; got {}", kind(other))),
    }
}

/// What Go calls a value, for errors.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Uint(_) => "uint",
        Value::Float(_) => "float64",
        Value::String(_) => "string",
        Value::List(_) => "template.queryResult",
        Value::Map(members) if members.contains_key(VALUE) && members.contains_key(LABELS) => "*template.sample",
        Value::Map(_) => "map[string]string",
        _ => "func",
    }
}
