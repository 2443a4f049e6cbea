//! Operators between two parts of a plan: numbers, series and numbers, series and series.

mod element;
mod matching;
mod pairs;
mod set;
mod vector;

use std::collections::BTreeMap;

use super::annotations::{Note, Position};
use super::ast::{BinaryOp, VectorMatching};
use super::column::{Column, Point, Steps};
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::map::{Name, heads as renamed};
use super::operator::{Head, Lane, Op, Operator, Table};
use super::output::{heads_have_same, merge_same};
use super::plan::Binary;
use element::{Outcome, element, scalars};

/// The operator of a binary operation.
pub fn prepare<'a>(ev: &Evaluator<'a>, binary: &'a Binary, steps: Steps) -> Result<Op<'a>, QueryError> {
    let held = ev.budget.held();
    match (binary.left.is_scalar(), binary.right.is_scalar()) {
        (true, true) => {
            let (left, right) = (ev.scalar(&binary.left, steps)?, ev.scalar(&binary.right, steps)?);
            let values = left.into_iter().zip(right).map(|(left, right)| scalars(binary.op, left, right));
            ev.budget.set_held(held + steps.count as u64)?;
            Ok(Box::new(Table::scalar(values.collect())))
        }
        (false, true) => {
            let vector = ev.prepare(&binary.left, steps)?;
            let scalar = ev.scalar(&binary.right, steps)?;
            with_scalar(ev, binary, vector, scalar, false, steps)
        }
        (true, false) => {
            let scalar = ev.scalar(&binary.left, steps)?;
            let vector = ev.prepare(&binary.right, steps)?;
            with_scalar(ev, binary, vector, scalar, true, steps)
        }
        (false, false) => {
            let (left, right) = (ev.table(&binary.left, steps)?, ev.table(&binary.right, steps)?);
            let default = VectorMatching::default();
            let matching = binary.matching.as_ref().unwrap_or(&default);
            let sides = matching::Sides::new(left, right, matching);
            let table = if binary.op.is_set() {
                set::run(ev, binary.op, sides, steps)?
            } else if let Some(pairs) = pairs::find(ev, binary, matching, &sides) {
                pairs::run(ev, binary, &sides, &pairs, steps)?
            } else {
                vector::run(ev, binary, matching, &sides, steps)?
            };
            ev.budget.set_held(held + table.size())?;
            Ok(Box::new(table))
        }
    }
}

/// Whether the operator makes values that are no longer those of the metric.
fn changes_metric(op: BinaryOp) -> bool {
    use BinaryOp::{Add, Atan2, Div, Mod, Mul, Pow, Sub};
    matches!(op, Add | Sub | Div | Mul | Pow | Mod | Atan2)
}

/// The last thing to say of each step, as Prometheus says no more.
#[derive(Default)]
struct LastNotes(BTreeMap<u32, Note>);

impl LastNotes {
    fn set(&mut self, step: usize, note: Note) {
        self.0.insert(step as u32, note);
    }

    fn tell(self, ev: &Evaluator<'_>) {
        self.0.into_values().for_each(|note| ev.note(note));
    }
}

/// An operation of each point with the number of its step.
struct WithScalar<'a> {
    ev: Evaluator<'a>,
    inner: Op<'a>,
    heads: Vec<Head>,
    scalar: Vec<f64>,
    op: BinaryOp,
    return_bool: bool,
    /// Whether the number stands on the left.
    is_swapped: bool,
    position: Position,
}

fn with_scalar<'a>(
    ev: &Evaluator<'a>,
    binary: &Binary,
    inner: Op<'a>,
    scalar: Vec<f64>,
    is_swapped: bool,
    steps: Steps,
) -> Result<Op<'a>, QueryError> {
    let drops = changes_metric(binary.op) || binary.return_bool;
    let heads = renamed(ev, inner.heads(), if drops { Name::Drop } else { Name::Keep });
    let has_same = drops && !ev.options.delayed_name_removal && heads_have_same(&heads);
    let (op, return_bool, position) = (binary.op, binary.return_bool, binary.position);
    let op = WithScalar { ev: *ev, inner, heads, scalar, op, return_bool, is_swapped, position };
    if has_same {
        let table = ev.collect(Box::new(op), steps.count)?;
        return Ok(Box::new(merge_same(table, steps.count)?));
    }
    Ok(Box::new(op))
}

impl WithScalar<'_> {
    /// The arithmetic of floats, in one loop over all steps.
    fn arithmetic(&self, out: &mut Column) -> bool {
        let function: fn(f64, f64) -> f64 = match self.op {
            BinaryOp::Add => |a, b| a + b,
            BinaryOp::Sub => |a, b| a - b,
            BinaryOp::Mul => |a, b| a * b,
            BinaryOp::Div => |a, b| a / b,
            op if changes_metric(op) => {
                let values = out.values_mut().iter_mut().zip(&self.scalar);
                values.for_each(|(value, number)| {
                    *value = if self.is_swapped { scalars(op, *number, *value) } else { scalars(op, *value, *number) };
                });
                return true;
            }
            _ => return false,
        };
        let values = out.values_mut().iter_mut().zip(&self.scalar);
        if self.is_swapped {
            values.for_each(|(value, number)| *value = function(*number, *value));
        } else {
            values.for_each(|(value, number)| *value = function(*value, *number));
        }
        true
    }

    fn point(&self, step: usize, point: &Point, notes: &mut LastNotes) -> Option<Point> {
        let number = Point::Float(self.scalar[step]);
        let (left, right) = if self.is_swapped { (&number, point) } else { (point, &number) };
        let Outcome { value, keep, note, is_failed } = element(self.op, left, right, self.position);
        if is_failed {
            if let Some(note) = note {
                notes.set(step, note);
            }
            return None;
        }
        if self.return_bool {
            return Some(Point::Float(f64::from(keep)));
        }
        // A comparison keeps the series' own value, on whichever side it stands.
        let value = if self.op.is_comparison() && self.is_swapped { Some(point.clone()) } else { value };
        if keep { value } else { None }
    }
}

impl Operator for WithScalar<'_> {
    fn heads(&self) -> &[Head] {
        &self.heads
    }

    fn column(&self, at: usize, lane: &mut Lane, out: &mut Column) -> Result<(), QueryError> {
        self.inner.column(at, lane, out)?;
        let histograms = out.take_histograms();
        let mut notes = LastNotes::default();
        if !self.arithmetic(out) {
            let steps = out.steps();
            for step in 0..steps {
                let Some(value) = out.float(step) else { continue };
                match self.point(step, &Point::Float(value), &mut notes) {
                    Some(Point::Float(value)) => out.values_mut()[step] = value,
                    _ => out.mask_mut()[step / 64] &= !(1 << (step % 64)),
                }
            }
        }
        for (step, histogram) in histograms {
            if let Some(point) = self.point(step as usize, &Point::Histogram(histogram), &mut notes) {
                out.push(step as usize, point);
            }
        }
        notes.tell(&self.ev);
        Ok(())
    }
}
