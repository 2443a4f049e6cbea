//! Operators that change each point by itself: arithmetic, time and histogram functions.

use std::sync::Arc;

use crate::model::METRIC_NAME;
use crate::model::histogram::FloatHistogram;

use super::column::{Column, Point, Steps};
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::operator::{Head, Lane, Op, Operator};
use super::output::{heads_have_same, merge_same};
use super::plan::Node;

/// What becomes of a metric's name when its values change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// It stays.
    Keep,
    /// It goes, with type and unit.
    Drop,
    /// It goes alone; of histograms whose count or sum is taken, the rest still holds.
    DropAlone,
}

/// Changes points one by one.
pub struct Map<'a, F, H> {
    inner: Op<'a>,
    heads: Vec<Head>,
    /// Of a step and its float.
    float: F,
    /// Of a step and its histogram.
    histogram: H,
}

/// Changes the points of an operator.
pub fn map<'a, F, H>(
    ev: &Evaluator<'a>,
    inner: Op<'a>,
    name: Name,
    steps: Steps,
    float: F,
    histogram: H,
) -> Result<Op<'a>, QueryError>
where
    F: Fn(usize, f64) -> Option<f64> + Sync + 'a,
    H: Fn(usize, &Arc<FloatHistogram>) -> Option<Point> + Sync + 'a,
{
    let heads = heads(ev, inner.heads(), name);
    let has_same = name != Name::Keep && !ev.options.delayed_name_removal && heads_have_same(&heads);
    let op = Map { inner, heads, float, histogram };
    if has_same {
        let table = ev.collect(Box::new(op), steps.count)?;
        return Ok(Box::new(merge_same(table, steps.count)?));
    }
    Ok(Box::new(op))
}

/// Changes the floats of an operator and leaves histograms out.
pub fn floats<'a>(
    ev: &Evaluator<'a>,
    inner: &'a Node,
    steps: Steps,
    change: impl Fn(usize, f64) -> Option<f64> + Sync + 'a,
) -> Result<Op<'a>, QueryError> {
    map(ev, ev.prepare(inner, steps)?, Name::Drop, steps, change, |_, _| None)
}

/// Makes floats of the histograms of an operator and leaves floats out.
pub fn histograms<'a>(
    ev: &Evaluator<'a>,
    inner: &'a Node,
    steps: Steps,
    change: impl Fn(&FloatHistogram) -> f64 + Sync + 'a,
) -> Result<Op<'a>, QueryError> {
    let change = move |_: usize, histogram: &Arc<FloatHistogram>| Some(Point::Float(change(histogram)));
    map(ev, ev.prepare(inner, steps)?, Name::DropAlone, steps, |_, _| None, change)
}

/// The negative of each point.
pub fn negate<'a>(ev: &Evaluator<'a>, inner: &'a Node, steps: Steps) -> Result<Op<'a>, QueryError> {
    let op = ev.prepare(inner, steps)?;
    let name = if inner.is_scalar() { Name::Keep } else { Name::Drop };
    let histogram = |_: usize, histogram: &Arc<FloatHistogram>| {
        let mut negative = (**histogram).clone();
        negative.mul(-1.0);
        Some(Point::Histogram(Arc::new(negative)))
    };
    map(ev, op, name, steps, |_, value| Some(-value), histogram)
}

/// The heads with their names gone, or marked to go.
pub fn heads(ev: &Evaluator<'_>, heads: &[Head], name: Name) -> Vec<Head> {
    let change = |head: &Head| match name {
        Name::Keep => head.clone(),
        _ if ev.options.delayed_name_removal => Head { labels: head.labels.clone(), drop_name: true },
        Name::Drop => Head { labels: head.labels.without_metadata(), drop_name: true },
        Name::DropAlone => Head { labels: head.labels.filter(|label| &*label.name != METRIC_NAME), drop_name: true },
    };
    heads.iter().map(change).collect()
}

impl<F, H> Operator for Map<'_, F, H>
where
    F: Fn(usize, f64) -> Option<f64> + Sync,
    H: Fn(usize, &Arc<FloatHistogram>) -> Option<Point> + Sync,
{
    fn heads(&self) -> &[Head] {
        &self.heads
    }

    fn column(&self, at: usize, lane: &mut Lane, out: &mut Column) -> Result<(), QueryError> {
        self.inner.column(at, lane, out)?;
        let histograms = out.take_histograms();
        for word in 0..out.mask().len() {
            let mut left = out.mask()[word];
            let mut kept = left;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                let step = word * 64 + bit as usize;
                match (self.float)(step, out.values()[step]) {
                    Some(value) => out.values_mut()[step] = value,
                    None => kept &= !(1 << bit),
                }
            }
            out.mask_mut()[word] = kept;
        }
        for (step, histogram) in &histograms {
            if let Some(point) = (self.histogram)(*step as usize, histogram) {
                out.push(*step as usize, point);
            }
        }
        Ok(())
    }
}

/// The same columns under other heads.
pub struct Relabel<'a> {
    /// Where the columns come from.
    pub inner: Op<'a>,
    /// As many heads.
    pub heads: Vec<Head>,
}

impl<'a> Relabel<'a> {
    /// An operator with these heads; series that now have the same labels are joined.
    pub fn op(ev: &Evaluator<'a>, inner: Op<'a>, heads: Vec<Head>, steps: Steps) -> Result<Op<'a>, QueryError> {
        let has_same = heads_have_same(&heads);
        let op = Relabel { inner, heads };
        if has_same {
            let table = ev.collect(Box::new(op), steps.count)?;
            return Ok(Box::new(merge_same(table, steps.count)?));
        }
        Ok(Box::new(op))
    }
}

impl Operator for Relabel<'_> {
    fn heads(&self) -> &[Head] {
        &self.heads
    }

    fn column(&self, at: usize, lane: &mut Lane, out: &mut Column) -> Result<(), QueryError> {
        self.inner.column(at, lane, out)
    }
}
