//! One operation between two points.

use std::sync::Arc;

use crate::model::histogram::{Combined, CounterReset, FloatHistogram, HistogramError, Trim};

use super::super::annotations::{Note, Position};
use super::super::ast::BinaryOp;
use super::super::column::Point;

/// What came of an operation.
pub struct Outcome {
    /// The result.
    pub value: Option<Point>,
    /// Whether a comparison holds; true for everything else.
    pub keep: bool,
    /// What is to be said.
    pub note: Option<Note>,
    /// Whether there is no result, and the note says why.
    pub is_failed: bool,
}

impl Outcome {
    fn keep(value: Point) -> Outcome {
        Outcome { value: Some(value), keep: true, note: None, is_failed: false }
    }

    fn compared(value: &Point, keep: bool) -> Outcome {
        Outcome { value: Some(value.clone()), keep, note: None, is_failed: false }
    }

    fn failed(note: Note) -> Outcome {
        Outcome { value: None, keep: false, note: Some(note), is_failed: true }
    }
}

/// An operation between two numbers; a comparison is 1 or 0.
pub fn scalars(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Mod => left % right,
        BinaryOp::Atan2 => left.atan2(right),
        op => f64::from(compare(op, left, right)),
    }
}

fn compare(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Eq => left == right,
        BinaryOp::Ne => left != right,
        BinaryOp::Gt => left > right,
        BinaryOp::Lt => left < right,
        BinaryOp::Ge => left >= right,
        BinaryOp::Le => left <= right,
        _ => false,
    }
}

/// An operation between two points.
pub fn element(op: BinaryOp, left: &Point, right: &Point, position: Position) -> Outcome {
    use BinaryOp::{Add, Div, Eq, Mul, Ne, Sub, TrimLower, TrimUpper};
    let incompatible = |left: &str, right: &str| {
        let text = format!("incompatible sample types encountered for binary operator \"{op}\": {left} {op} {right}");
        Outcome::failed(Note::info(position, text))
    };
    let changed = |histogram: &FloatHistogram, change: &dyn Fn(&mut FloatHistogram)| {
        let mut changed = histogram.clone();
        change(&mut changed);
        Outcome::keep(Point::Histogram(Arc::new(changed)))
    };
    match (left, right) {
        (Point::Float(_), Point::Float(_)) if matches!(op, TrimLower | TrimUpper) => incompatible("float", "float"),
        (Point::Float(a), Point::Float(b)) if op.is_comparison() => Outcome::compared(left, compare(op, *a, *b)),
        (Point::Float(a), Point::Float(b)) => Outcome::keep(Point::Float(scalars(op, *a, *b))),
        (Point::Float(factor), Point::Histogram(histogram)) if op == Mul => changed(histogram, &|histogram| {
            histogram.mul(*factor);
            histogram.compact(0);
        }),
        (Point::Float(_), Point::Histogram(_)) => incompatible("float", "histogram"),
        (Point::Histogram(histogram), Point::Float(number)) => match op {
            Mul => changed(histogram, &|histogram| {
                histogram.mul(*number);
                histogram.compact(0);
            }),
            Div => changed(histogram, &|histogram| {
                histogram.div(*number);
                histogram.compact(0);
            }),
            TrimUpper => changed(histogram, &|histogram| histogram.trim(*number, Trim::KeepBelow)),
            TrimLower => changed(histogram, &|histogram| histogram.trim(*number, Trim::KeepAbove)),
            _ => incompatible("histogram", "float"),
        },
        (Point::Histogram(a), Point::Histogram(b)) => match op {
            Add => {
                let mut sum = (**a).clone();
                let outcome = sum.add(b);
                combined(op, sum, outcome, "addition", position)
            }
            Sub => {
                let mut difference = (**a).clone();
                let outcome = difference.sub(b);
                difference.counter_reset_hint = CounterReset::Gauge;
                combined(op, difference, outcome, "subtraction", position)
            }
            Eq => Outcome::compared(left, a == b),
            Ne => Outcome::compared(left, a != b),
            _ => incompatible("histogram", "histogram"),
        },
    }
}

fn combined(
    op: BinaryOp,
    mut histogram: FloatHistogram,
    outcome: Result<Combined, HistogramError>,
    operation: &str,
    position: Position,
) -> Outcome {
    match outcome {
        Err(_) => Outcome::failed(Note::warning(
            position,
            format_args!("incompatible bucket layout encountered for binary operator {op}"),
        )),
        // Prometheus gives no result here, although it could.
        Ok(combined) if combined.hints_collide => Outcome::failed(Note::warning(
            position,
            format_args!("conflicting counter resets during histogram {operation}"),
        )),
        Ok(combined) => {
            histogram.compact(0);
            let note = combined.bounds_reconciled.then(|| {
                let text = format!("mismatched custom buckets were reconciled during {operation}");
                Note::info(position, text)
            });
            Outcome { note, ..Outcome::keep(Point::Histogram(Arc::new(histogram))) }
        }
    }
}
