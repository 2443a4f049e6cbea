//! Smoothed instant selectors: values on the line between the samples around each step.

use std::sync::Arc;

use crate::model::histogram::CounterReset;

use super::annotations::{Note, Position};
use super::column::{Column, Point, Steps};
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::extended::{between, histogram_between};
use super::histograms_over_time::mixed_schemas;
use super::operator::{Head, Lane, Operator};
use super::plan::Select;
use super::select;
use super::source::Series;
use super::window::Ends;

/// The smoothed values of series.
pub struct Smooth<'a> {
    ev: Evaluator<'a>,
    select: &'a Select,
    steps: Steps,
    position: Position,
    series: Vec<Box<dyn Series + 'a>>,
    heads: Vec<Head>,
}

impl<'a> Smooth<'a> {
    /// Selects the series.
    pub fn new(
        ev: Evaluator<'a>,
        select: &'a Select,
        steps: Steps,
        position: Position,
    ) -> Result<Smooth<'a>, QueryError> {
        let lookback_ms = ev.options.lookback_ms;
        let start = select.data_ms(steps.first_ms) - lookback_ms + 1;
        let end = select.data_ms(steps.last_ms()) + lookback_ms;
        let (series, labels) = select::series(&ev, select, select::hints(select, start, end, steps, 0))?;
        let heads = labels.into_iter().map(|labels| Head { labels, drop_name: false }).collect();
        Ok(Smooth { ev, select, steps, position, series, heads })
    }
}

impl Operator for Smooth<'_> {
    fn heads(&self) -> &[Head] {
        &self.heads
    }

    fn column(&self, at: usize, lane: &mut Lane, out: &mut Column) -> Result<(), QueryError> {
        let series = &*self.series[at];
        let lookback_ms = series.lookback_ms().unwrap_or(self.ev.options.lookback_ms);
        let data_ms = |step: usize| self.select.data_ms(self.steps.time_ms(step));
        lane.samples.clear();
        let (start, end) = (data_ms(0) - lookback_ms + 1, data_ms(self.steps.count - 1) + lookback_ms);
        select::read(&self.ev, series, start, end, &mut lane.samples)?;
        lane.range.sort_out(&mut lane.samples);
        let (floats, histograms) = (&lane.range.floats, &lane.range.histograms);
        let mut quoted = String::new();
        // Writing to a string cannot fail.
        let _ = crate::model::write_quoted(&mut quoted, self.heads[at].labels.metric_name());
        let warn = |text: String| self.ev.note(Note::warning(self.position, text));
        let (mut float_ends, mut histogram_ends) = (Ends::default(), Ends::default());
        for step in 0..self.steps.count {
            let time = data_ms(step);
            float_ends.advance(&floats.times, time - lookback_ms, time + lookback_ms);
            histogram_ends.advance(&histograms.times, time - lookback_ms, time + lookback_ms);
            let near = floats.slice(float_ends.from, float_ends.to);
            let near_histograms = histograms.slice(histogram_ends.from, histogram_ends.to);
            if !near.is_empty() && !near_histograms.is_empty() {
                warn(format!("encountered a mix of histograms and floats for metric name {quoted}"));
                continue;
            }
            if let Some(value) = float_at(near, time) {
                out.set(step, value);
                continue;
            }
            let next = near_histograms.times.partition_point(|sample| *sample < time);
            let Some(after) = near_histograms.times.get(next) else {
                if let Some(last) = near_histograms.values.last() {
                    let mut last = (**last).clone();
                    last.counter_reset_hint = CounterReset::Unknown;
                    out.push(step, Point::Histogram(Arc::new(last)));
                }
                continue;
            };
            if *after == time {
                out.push_histogram(step, near_histograms.values[next].clone());
                continue;
            }
            if next == 0 {
                continue;
            }
            let pair = [&near_histograms.values[next - 1], &near_histograms.values[next]];
            if pair[0].uses_custom_buckets() != pair[1].uses_custom_buckets() {
                warn(mixed_schemas(&quoted));
                continue;
            }
            let is_counter = pair.iter().any(|histogram| histogram.counter_reset_hint != CounterReset::Gauge);
            let notes = (self.ev.notes, self.position, &*quoted);
            if let Some(histogram) = histogram_between(near_histograms, next - 1, time, is_counter, notes) {
                out.push(step, Point::Histogram(Arc::new(histogram)));
            }
        }
        self.ev.budget.hold(out.size())
    }
}

/// The value at a time: a sample's, or one between two, or the last one's.
fn float_at(points: super::samples::Points<'_, f64>, time: i64) -> Option<f64> {
    let next = points.times.partition_point(|sample| *sample < time);
    match points.times.get(next) {
        Some(after) if *after == time => Some(points.values[next]),
        Some(_) if next > 0 => Some(between(points, next - 1, time, false)),
        Some(_) => None,
        None => points.values.last().copied(),
    }
}
