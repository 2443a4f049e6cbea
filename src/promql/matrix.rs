//! A range selector by itself: the samples of one window are the answer.

use crate::model::Labels;

use super::ast::RangeMode;
use super::column::Steps;
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::plan::Select;
use super::samples::RangeSamples;
use super::source::Samples;
use super::window::{Ends, reach};
use super::{extended, histograms_over_time, select};

/// The samples of each series at the first step.
pub fn read<'a>(
    ev: &Evaluator<'a>,
    select: &'a Select,
    range_ms: i64,
    steps: Steps,
) -> Result<Vec<(Labels, Samples)>, QueryError> {
    let (start, end) = reach(select, range_ms, steps, ev.options.lookback_ms);
    let (series, labels) = select::series(ev, select, select::hints(select, start, end, steps, range_ms))?;
    let mut found = Vec::new();
    let mut range = RangeSamples::default();
    for (series, labels) in series.iter().zip(labels) {
        ev.poll()?;
        let mut samples = Samples::default();
        select::read(ev, &**series, start, end, &mut samples)?;
        range.sort_out(&mut samples);
        let (mut floats, mut histograms) = (Ends::default(), Ends::default());
        floats.advance(&range.floats.times, start - 1, end);
        histograms.advance(&range.histograms.times, start - 1, end);
        let floats = range.floats.slice(floats.from, floats.to);
        let histograms = range.histograms.slice(histograms.from, histograms.to);
        let samples = match select.mode {
            RangeMode::Plain => histograms_over_time::interleave(floats, histograms),
            mode if !histograms.is_empty() => {
                let word = if mode == RangeMode::Anchored { "anchored" } else { "smoothed" };
                return Err(QueryError::Execution(format!("{word} modifier is not supported with histograms")));
            }
            mode => {
                let end_ms = select.data_ms(steps.first_ms);
                extended::extend(floats, end_ms - range_ms, end_ms, mode == RangeMode::Smoothed)
            }
        };
        if !samples.is_empty() {
            let weight: usize = samples.histograms.iter().map(|(_, histogram)| histogram.sample_weight()).sum();
            let size = (samples.len() - samples.histograms.len() + weight) as u64;
            ev.budget.read(size);
            ev.budget.hold(size)?;
            found.push((labels, samples));
        }
    }
    Ok(found)
}
