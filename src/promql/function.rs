//! Which operator a call of a function becomes.

use crate::model::Labels;

use super::ast::FunctionId as Id;
use super::calendar::Date;
use super::column::{Column, Point, Steps};
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::map::{Name, floats, histograms, map};
use super::operator::{Head, Op, Table};
use super::plan::{Kind, Node, Select};
use super::quantile::{histogram_mean, histogram_variance};
use super::select::{Latest, Take};
use super::{absent, buckets, info, math, relabel, sort, window};

/// A call of a function.
pub struct Call<'a> {
    /// Of which one.
    pub id: Id,
    /// Its name.
    pub name: &'static str,
    /// With what.
    pub args: &'a [Node],
    /// The node of the call.
    pub node: &'a Node,
}

/// The operator of a call.
pub fn prepare<'a>(ev: &Evaluator<'a>, call: &Call<'a>, steps: Steps) -> Result<Op<'a>, QueryError> {
    if let Some(range_at) = call.args.iter().position(Node::is_range) {
        return window::prepare(ev, call, range_at, steps);
    }
    let args = call.args;
    let scalar = |at: usize| ev.scalar(&args[at], steps);
    if let Some(change) = math::function(call.id) {
        return floats(ev, &args[0], steps, move |_, value| Some(change(value)));
    }
    match call.id {
        Id::Time => number(ev, (0..steps.count).map(|step| steps.time_ms(step) as f64 / 1000.0).collect()),
        Id::Pi => number(ev, vec![std::f64::consts::PI; steps.count]),
        Id::MaxOf => number(ev, scalar(0)?.into_iter().zip(scalar(1)?).map(|(a, b)| math::max(a, b)).collect()),
        Id::MinOf => number(ev, scalar(0)?.into_iter().zip(scalar(1)?).map(|(a, b)| math::min(a, b)).collect()),
        Id::Scalar => to_scalar(ev, &args[0], steps),
        Id::Vector => ev.prepare(&args[0], steps),
        Id::Absent => absent::prepare(ev, &args[0], steps),
        Id::Round => {
            let nearest = if args.len() > 1 { scalar(1)? } else { vec![1.0; steps.count] };
            floats(ev, &args[0], steps, move |step, value| {
                let inverse = 1.0 / nearest[step];
                Some((value * inverse + 0.5).floor() / inverse)
            })
        }
        Id::Clamp => clamp(ev, &args[0], steps, scalar(1)?, scalar(2)?),
        Id::ClampMin => clamp(ev, &args[0], steps, scalar(1)?, vec![f64::INFINITY; steps.count]),
        Id::ClampMax => clamp(ev, &args[0], steps, vec![f64::NEG_INFINITY; steps.count], scalar(1)?),
        Id::Timestamp => timestamp(ev, &args[0], steps),
        Id::StartTimestamp => start_timestamp(ev, &args[0], steps),
        Id::HistogramCount => histograms(ev, &args[0], steps, |histogram| histogram.count),
        Id::HistogramSum => histograms(ev, &args[0], steps, |histogram| histogram.sum),
        Id::HistogramAvg => histograms(ev, &args[0], steps, histogram_mean),
        Id::HistogramStdvar => histograms(ev, &args[0], steps, histogram_variance),
        Id::HistogramStddev => histograms(ev, &args[0], steps, |histogram| histogram_variance(histogram).sqrt()),
        Id::HistogramQuantile => buckets::quantile(ev, args, steps),
        Id::HistogramQuantiles => buckets::quantiles(ev, args, steps),
        Id::HistogramFraction => buckets::fraction(ev, args, steps),
        Id::LabelReplace => relabel::replace(ev, args, steps),
        Id::LabelJoin => relabel::join(ev, args, steps),
        Id::Sort | Id::SortDesc | Id::SortByLabel | Id::SortByLabelDesc => sort::prepare(ev, call, steps),
        Id::Info => info::prepare(ev, args, steps),
        id => match date_part(id) {
            Some(part) => dates(ev, args, steps, part),
            None => Err(QueryError::Execution(format!("function {} expects a range of samples", call.name))),
        },
    }
}

fn number<'a>(ev: &Evaluator<'a>, values: Vec<f64>) -> Result<Op<'a>, QueryError> {
    ev.budget.hold(values.len() as u64)?;
    Ok(Box::new(Table::scalar(values)))
}

/// The float at each step, where there is exactly one; else NaN.
fn to_scalar<'a>(ev: &Evaluator<'a>, arg: &'a Node, steps: Steps) -> Result<Op<'a>, QueryError> {
    let held = ev.budget.held();
    let table = ev.table(arg, steps)?;
    let mut values = vec![f64::NAN; steps.count];
    let mut found = vec![0_u8; steps.count];
    for column in &table.columns {
        column.for_floats(|step, value| {
            found[step] = found[step].saturating_add(1);
            values[step] = if found[step] == 1 { value } else { f64::NAN };
        });
    }
    ev.budget.set_held(held)?;
    number(ev, values)
}

fn clamp<'a>(
    ev: &Evaluator<'a>,
    arg: &'a Node,
    steps: Steps,
    lower: Vec<f64>,
    upper: Vec<f64>,
) -> Result<Op<'a>, QueryError> {
    floats(ev, arg, steps, move |step, value| {
        let (lower, upper) = (lower[step], upper[step]);
        if upper < lower { None } else { Some(math::max(lower, math::min(upper, value))) }
    })
}

/// The offset of a selector whose times are asked for.
///
/// Prometheus forgets it here when the selector is pinned to a time, but reads no samples behind the time that it leads
/// to: an offset to the past counts nevertheless, one to the future does not.
fn offset_for_times(select: &Select) -> i64 {
    if select.at_ms.is_some() { select.offset_ms.max(0) } else { select.offset_ms }
}

/// The times of the latest samples; of anything but a selector, the times of the steps.
fn timestamp<'a>(ev: &Evaluator<'a>, arg: &'a Node, steps: Steps) -> Result<Op<'a>, QueryError> {
    if let Kind::Select(select) = &arg.kind {
        let latest = Latest::new(*ev, select, offset_for_times(select), steps, Take::Time)?;
        return map(ev, Box::new(latest), Name::Drop, steps, |_, time| Some(time), |_, _| None);
    }
    let secs = move |step: usize| steps.time_ms(step) as f64 / 1000.0;
    let op = ev.prepare(arg, steps)?;
    map(ev, op, Name::Drop, steps, move |step, _| Some(secs(step)), move |step, _| Some(Point::Float(secs(step))))
}

/// When the counting of the latest samples began; nothing for anything but a selector.
fn start_timestamp<'a>(ev: &Evaluator<'a>, arg: &'a Node, steps: Steps) -> Result<Op<'a>, QueryError> {
    let Kind::Select(select) = &arg.kind else { return Ok(Box::new(Table::default())) };
    if !ev.options.start_timestamps {
        return Ok(Box::new(Table::default()));
    }
    let latest = Latest::new(*ev, select, offset_for_times(select), steps, Take::Start)?;
    map(ev, Box::new(latest), Name::Drop, steps, |_, time| Some(time), |_, _| None)
}

/// What a function takes from a date.
fn date_part(id: Id) -> Option<fn(Date) -> f64> {
    Some(match id {
        Id::DayOfMonth => |date| f64::from(date.day),
        Id::DayOfWeek => |date| f64::from(date.weekday),
        Id::DayOfYear => |date| f64::from(date.year_day),
        Id::DaysInMonth => |date| f64::from(date.days_in_month()),
        Id::Hour => |date| f64::from(date.secs / 3600),
        Id::Minute => |date| f64::from(date.secs / 60 % 60),
        Id::Month => |date| f64::from(date.month),
        Id::Year => |date| date.year as f64,
        _ => return None,
    })
}

/// Seconds as Go's dates see those of a float: what is no number, or too large on either side, is the latest time.
fn whole_secs(secs: f64) -> i64 {
    if secs.abs() < i64::MAX as f64 { secs as i64 } else { i64::MAX }
}

fn dates<'a>(ev: &Evaluator<'a>, args: &'a [Node], steps: Steps, part: fn(Date) -> f64) -> Result<Op<'a>, QueryError> {
    if let Some(arg) = args.first() {
        return floats(ev, arg, steps, move |_, secs| Some(part(Date::from_unix(whole_secs(secs)))));
    }
    let values = (0..steps.count).map(|step| part(Date::from_unix(steps.time_ms(step) / 1000)));
    let mut table = Table::default();
    table.push(Head { labels: Labels::empty(), drop_name: false }, Column::full(values.collect()));
    Ok(Box::new(table))
}
