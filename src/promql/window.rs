//! Functions of range vectors: for each series a window that slides over its samples.
//!
//! The window of a step reaches from `range` before the step's time (excluded) to that time (included). A series is
//! read once; its windows are slices of what was read.

use std::sync::Arc;

use crate::model::Labels;
use crate::model::histogram::FloatHistogram;

use super::annotations::{Annotations, Note, Position};
use super::ast::{FunctionId, RangeMode};
use super::column::{Column, Point, Steps};
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::function::Call;
use super::operator::{Head, Lane, Op, Operator, Table};
use super::output::{has_same, heads_have_same};
use super::plan::{Kind, Node, Select};
use super::samples::{Points, RangeSamples, drop_buckets};
use super::source::Series;
use super::{select, slide, subquery, window_functions};

/// What a function sees at one step.
#[derive(Debug, Clone, Copy)]
pub struct Window<'w> {
    /// The floats.
    pub floats: Points<'w, f64>,
    /// The histograms.
    pub histograms: Points<'w, Arc<FloatHistogram>>,
    /// The time of the step, in milliseconds.
    pub step_ms: i64,
    /// The left end of the range, in milliseconds, itself excluded.
    pub start_ms: i64,
    /// The right end of the range, in milliseconds, itself included.
    pub end_ms: i64,
}

/// What stays the same for all windows of a series.
pub struct Context<'c> {
    /// Where notes go.
    pub notes: &'c Annotations,
    /// The series' labels as selected.
    pub labels: &'c Labels,
    /// Where the function's first argument begins.
    pub position: Position,
    /// The length of the range, in seconds.
    pub range_secs: f64,
    /// What happens at the edges of the range.
    pub mode: RangeMode,
    /// The function's numbers at this step.
    pub params: [f64; 2],
    /// Memory to sort in.
    pub values: Vec<f64>,
}

impl Context<'_> {
    /// Says that something ought to be known.
    pub fn warn(&self, text: impl std::fmt::Display) {
        self.notes.add(Note::warning(self.position, text));
    }

    /// Says that something may be interesting.
    pub fn info(&self, text: impl std::fmt::Display) {
        self.notes.add(Note::info(self.position, text));
    }

    /// The metric's name, quoted.
    pub fn name(&self) -> String {
        let mut quoted = String::new();
        // Writing to a string cannot fail.
        let _ = crate::model::write_quoted(&mut quoted, self.labels.metric_name());
        quoted
    }
}

/// A function of one window.
pub type Function = fn(&Window<'_>, &mut Context<'_>) -> Result<Option<Point>, QueryError>;

/// Where samples come from.
enum Input<'a> {
    Series { series: Vec<Box<dyn Series + 'a>>, stats_only: bool },
    Subquery { op: Op<'a>, steps: Steps },
}

/// A function over windows.
struct Windows<'a> {
    ev: Evaluator<'a>,
    steps: Steps,
    id: FunctionId,
    function: Function,
    input: Input<'a>,
    /// The labels as selected, and as they come out.
    selected: Vec<Labels>,
    heads: Vec<Head>,
    offset_ms: i64,
    at_ms: Option<i64>,
    range_ms: i64,
    mode: RangeMode,
    position: Position,
    params: [Option<Vec<f64>>; 2],
}

/// The operator of a function whose argument number `range_at` is a range vector.
pub fn prepare<'a>(ev: &Evaluator<'a>, call: &Call<'a>, range_at: usize, steps: Steps) -> Result<Op<'a>, QueryError> {
    let windows = Windows::new(ev, call, range_at, steps)?;
    if call.id == FunctionId::AbsentOverTime {
        return windows.absent(call);
    }
    // Whether two series of one name are an error depends on whether both have points.
    if !ev.options.delayed_name_removal && heads_have_same(&windows.heads) {
        let table = ev.collect(Box::new(windows), steps.count)?;
        return if has_same(&table) { Err(QueryError::same_labels()) } else { Ok(Box::new(table)) };
    }
    Ok(Box::new(windows))
}

impl<'a> Windows<'a> {
    fn new(ev: &Evaluator<'a>, call: &Call<'a>, range_at: usize, steps: Steps) -> Result<Windows<'a>, QueryError> {
        let mut params = [None, None];
        let others = call.args.iter().enumerate().filter(|(i, _)| *i != range_at);
        let subquery = match &call.args[range_at].kind {
            Kind::Subquery(subquery) => {
                let inner = subquery::steps(subquery, steps);
                ev.budget.reserve_steps(inner.count as u64)?;
                let op = ev.prepare(&subquery.inner, inner)?;
                Some((subquery, op, inner))
            }
            _ => None,
        };
        for (param, (_, arg)) in params.iter_mut().zip(others) {
            *param = Some(ev.scalar(arg, steps)?);
        }
        let keeps_name = matches!(call.id, FunctionId::LastOverTime | FunctionId::FirstOverTime);
        let (input, selected, dropped, offset_ms, at_ms, range_ms, mode) = match (subquery, &call.args[range_at].kind) {
            (Some((subquery, op, inner)), _) => {
                let labels: Vec<Labels> = op.heads().iter().map(|head| head.labels.clone()).collect();
                let dropped: Vec<bool> = op.heads().iter().map(|head| head.drop_name).collect();
                let input = Input::Subquery { op, steps: inner };
                (input, labels, dropped, subquery.offset_ms, subquery.at_ms, subquery.range_ms, RangeMode::Plain)
            }
            (None, Kind::Window { select, range_ms }) => {
                window_functions::check_mode(select.mode, call)?;
                let (start, end) = reach(select, *range_ms, steps, ev.options.lookback_ms);
                let hints = select::hints(select, start, end, steps, *range_ms);
                let (series, labels) = select::series(ev, select, hints)?;
                let dropped = vec![false; labels.len()];
                (
                    Input::Series { series, stats_only: select.stats_only },
                    labels,
                    dropped,
                    select.offset_ms,
                    select.at_ms,
                    *range_ms,
                    select.mode,
                )
            }
            _ => return Err(QueryError::execution("no range of samples where one is expected")),
        };
        let heads = selected.iter().zip(dropped).map(|(labels, dropped)| {
            let drop_name = dropped || !keeps_name;
            let labels =
                if drop_name && !ev.options.delayed_name_removal { labels.without_metadata() } else { labels.clone() };
            Head { labels, drop_name }
        });
        Ok(Windows {
            ev: *ev,
            steps,
            id: call.id,
            function: window_functions::function(call.id, mode)?,
            input,
            heads: heads.collect(),
            selected,
            offset_ms,
            at_ms,
            range_ms,
            mode,
            position: call.args[0].position,
            params,
        })
    }

    /// Reads the samples of a series and sorts them out.
    fn read(&self, at: usize, lane: &mut Lane) -> Result<(), QueryError> {
        match &self.input {
            Input::Series { series, stats_only } => {
                let series = &*series[at];
                let (start, end) = self.window_ends(0, series.lookback_ms());
                let (_, last) = self.window_ends(self.steps.count - 1, series.lookback_ms());
                lane.samples.clear();
                select::read(&self.ev, series, start + 1, last.max(end), &mut lane.samples)?;
                if *stats_only {
                    drop_buckets(&mut lane.samples);
                }
                lane.range.sort_out(&mut lane.samples);
                if !self.looks_at_starts() {
                    lane.range.floats.starts.clear();
                    lane.range.histograms.starts.clear();
                }
            }
            Input::Subquery { op, steps } => {
                let mut column = std::mem::take(&mut lane.column);
                column.reset(steps.count);
                op.column(at, lane, &mut column)?;
                lane.range.take_column(&column, *steps);
                lane.column = column;
            }
        }
        Ok(())
    }

    /// The times between which a step's samples lie, the first excluded; beyond the range where its edges look further.
    fn window_ends(&self, step: usize, lookback_ms: Option<i64>) -> (i64, i64) {
        let lookback_ms = lookback_ms.unwrap_or(self.ev.options.lookback_ms);
        let (start, end) = self.range_ends(step);
        match self.mode {
            RangeMode::Plain => (start, end),
            RangeMode::Anchored => (start - lookback_ms, end),
            RangeMode::Smoothed => (start - lookback_ms, end + lookback_ms),
        }
    }

    fn range_ends(&self, step: usize) -> (i64, i64) {
        let end = self.at_ms.unwrap_or_else(|| self.steps.time_ms(step)) - self.offset_ms;
        (end - self.range_ms, end)
    }

    fn looks_at_starts(&self) -> bool {
        use FunctionId::{Increase, Irate, Rate, Resets};
        self.ev.options.start_timestamps && matches!(self.id, Rate | Irate | Increase | Resets)
    }

    /// Says that a counter's function was used on what may be none.
    fn judge_counter(&self, context: &Context<'_>) {
        let labels = context.labels;
        let name = labels.metric_name();
        if name.is_empty() {
            return;
        }
        if self.ev.options.type_and_unit_labels {
            let kind = labels.value(crate::model::METRIC_TYPE);
            if kind != "counter" && kind != "histogram" {
                context.info(format_args!(
                    "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", \
                     got {:?}: {}",
                    kind,
                    context.name()
                ));
            }
        } else if !["_total", "_sum", "_count", "_bucket"].iter().any(|end| name.ends_with(end)) {
            context.info(format_args!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                context.name()
            ));
        }
    }

    /// One series that is there where no other is.
    fn absent(self, call: &Call<'a>) -> Result<Op<'a>, QueryError> {
        let steps = self.steps;
        let mut found = vec![0_u64; steps.count.div_ceil(64)];
        let mut column = Column::new(steps.count);
        let mut lane = Lane::default();
        for at in 0..self.heads.len() {
            self.ev.poll()?;
            column.reset(steps.count);
            self.column(at, &mut lane, &mut column)?;
            column.mark(&mut found);
        }
        let mut absent = Column::full(vec![1.0; steps.count]);
        absent.retain(&found, false);
        let mut table = Table::default();
        let labels = super::absent::labels(call.args.first());
        table.push(Head { labels, drop_name: true }, absent);
        Ok(Box::new(table))
    }
}

/// The data that all windows of a selector see, both ends included.
pub fn reach(select: &Select, range_ms: i64, steps: Steps, lookback_ms: i64) -> (i64, i64) {
    let (first, last) = (select.data_ms(steps.first_ms), select.data_ms(steps.last_ms()));
    match select.mode {
        RangeMode::Plain => (first - range_ms + 1, last),
        RangeMode::Anchored => (first - range_ms - lookback_ms + 1, last),
        RangeMode::Smoothed => (first - range_ms - lookback_ms + 1, last + lookback_ms),
    }
}

impl Operator for Windows<'_> {
    fn heads(&self) -> &[Head] {
        &self.heads
    }

    fn column(&self, at: usize, lane: &mut Lane, out: &mut Column) -> Result<(), QueryError> {
        self.read(at, lane)?;
        let mut context = Context {
            notes: self.ev.notes,
            labels: &self.selected[at],
            position: self.position,
            range_secs: self.range_ms as f64 / 1000.0,
            mode: self.mode,
            params: [0.0; 2],
            values: std::mem::take(&mut lane.values),
        };
        let lookback_ms = match &self.input {
            Input::Series { series, .. } => series[at].lookback_ms(),
            Input::Subquery { .. } => None,
        };
        let outcome = self.slide(&lane.range, lookback_ms, &mut context, out);
        if outcome.is_ok() && matches!(self.id, FunctionId::Rate | FunctionId::Increase) && out.floats() > 0 {
            self.judge_counter(&context);
        }
        lane.values = context.values;
        outcome?;
        self.ev.budget.hold(out.size())
    }
}

impl Windows<'_> {
    /// Calls the function for every step whose window has samples.
    fn slide(
        &self,
        samples: &RangeSamples,
        lookback_ms: Option<i64>,
        context: &mut Context<'_>,
        out: &mut Column,
    ) -> Result<(), QueryError> {
        let (floats, histograms) = (&samples.floats, &samples.histograms);
        if self.at_ms.is_none() && self.mode == RangeMode::Plain && histograms.times.is_empty() {
            let (start_ms, end_ms) = self.window_ends(0, lookback_ms);
            let bounds = slide::Bounds { start_ms, end_ms, step_ms: self.steps.step_ms, count: self.steps.count };
            let should_stop = || self.ev.poll().is_err();
            let seen = slide::floats(self.id, floats, bounds, context.range_secs, &should_stop, out);
            if let Some(seen) = seen {
                self.ev.poll()?;
                self.ev.budget.read(seen.total);
                return self.ev.budget.pass(seen.longest);
            }
        }
        let mut float_ends = Ends::default();
        let mut histogram_ends = Ends::default();
        let (mut total, mut longest) = (0, 0);
        for step in 0..self.steps.count {
            let (start_ms, end_ms) = self.range_ends(step);
            let (after, until) = self.window_ends(step, lookback_ms);
            float_ends.advance(&floats.times, after, until);
            histogram_ends.advance(&histograms.times, after, until);
            let window = Window {
                floats: floats.slice(float_ends.from, float_ends.to),
                histograms: histograms.slice(histogram_ends.from, histogram_ends.to),
                step_ms: self.steps.time_ms(step),
                start_ms,
                end_ms,
            };
            if window.floats.is_empty() && window.histograms.is_empty() {
                continue;
            }
            let weight: usize = window.histograms.values.iter().map(|histogram| histogram.sample_weight()).sum();
            let size = (window.floats.len() + weight) as u64;
            if (total + size) / slide::SAMPLES_UNASKED != total / slide::SAMPLES_UNASKED {
                self.ev.poll()?;
            }
            (total, longest) = (total + size, size.max(longest));
            for (param, values) in context.params.iter_mut().zip(&self.params) {
                *param = values.as_ref().map_or(0.0, |values| values[step]);
            }
            if let Some(point) = (self.function)(&window, context)? {
                out.push(step, point);
            }
        }
        self.ev.budget.read(total);
        self.ev.budget.pass(longest)
    }
}

/// The samples of a window, as indices; both only ever grow.
#[derive(Debug, Default, Clone, Copy)]
pub struct Ends {
    /// The first sample.
    pub from: usize,
    /// The one after the last.
    pub to: usize,
}

impl Ends {
    /// Moves on to the samples after one time, up to another.
    #[inline]
    pub fn advance(&mut self, times: &[i64], after_ms: i64, until_ms: i64) {
        while times.get(self.to).is_some_and(|time| *time <= until_ms) {
            self.to += 1;
        }
        while self.from < self.to && times[self.from] <= after_ms {
            self.from += 1;
        }
    }
}

impl Node {
    /// Whether the node answers a range vector.
    pub fn is_range(&self) -> bool {
        matches!(self.kind, Kind::Window { .. } | Kind::Subquery(_))
    }
}
