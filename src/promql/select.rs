//! Instant selectors: of each series the latest sample at each step.
//!
//! The latest sample counts unless it is older than the lookback or says that the series ended.

use crate::model::{Labels, is_stale};

use super::annotations::Position;
use super::ast::RangeMode;
use super::column::{Column, Steps};
use super::error::QueryError;
use super::evaluator::Evaluator;
use super::operator::{Head, Lane, Op, Operator};
use super::plan::Select;
use super::samples::{drop_buckets, has_stale, is_regular};
use super::smooth;
use super::source::{Hints, Samples, Series};

/// What of the latest sample is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The sample itself.
    Value,
    /// Its time, in seconds.
    Time,
    /// Its time, in milliseconds, if it is a float; a histogram itself.
    FloatMillis,
    /// When its counting began, in seconds; 0 for unknown.
    Start,
}

/// The operator of an instant selector.
pub fn prepare<'a>(
    ev: &Evaluator<'a>,
    select: &'a Select,
    steps: Steps,
    position: Position,
) -> Result<Op<'a>, QueryError> {
    if select.mode == RangeMode::Smoothed {
        return Ok(Box::new(smooth::Smooth::new(*ev, select, steps, position)?));
    }
    Ok(Box::new(Latest::new(*ev, select, select.offset_ms, steps, Take::Value)?))
}

/// Series and their labels.
type Selected<'a> = (Vec<Box<dyn Series + 'a>>, Vec<Labels>);

/// The series of a selector, for data from one time to another, both inclusive.
pub fn series<'a>(ev: &Evaluator<'a>, select: &Select, hints: Hints) -> Result<Selected<'a>, QueryError> {
    let selection = ev.source.select(&select.matchers, &hints)?;
    // A source that was stopped has handed out a part.
    ev.poll()?;
    if let Some(most) = selection.exceeds {
        return Err(QueryError::TooManySeries(most));
    }
    for warning in selection.warnings {
        ev.note(super::annotations::Note::from_source(warning));
    }
    let labels = selection.series.iter().map(|series| series.labels().clone()).collect();
    Ok((selection.series, labels))
}

/// What the source is told about a selector.
pub fn hints(select: &Select, start_ms: i64, end_ms: i64, steps: Steps, range_ms: i64) -> Hints {
    Hints {
        start_ms,
        end_ms,
        step_ms: if steps.is_instant { 0 } else { steps.step_ms },
        range_ms,
        function: select.function.to_owned(),
        grouping: select.grouping.clone(),
        by: select.by,
    }
}

/// The latest samples of series.
pub struct Latest<'a> {
    ev: Evaluator<'a>,
    /// The times whose data the steps see; one and the same if the selector says so.
    data: Steps,
    take: Take,
    stats_only: bool,
    series: Vec<Box<dyn Series + 'a>>,
    heads: Vec<Head>,
}

impl<'a> Latest<'a> {
    /// Selects the series; the selector's own offset does not count, `offset_ms` does.
    pub fn new(
        ev: Evaluator<'a>,
        select: &Select,
        offset_ms: i64,
        steps: Steps,
        take: Take,
    ) -> Result<Latest<'a>, QueryError> {
        let data = match select.at_ms {
            Some(at) => Steps { first_ms: at - offset_ms, step_ms: 0, ..steps },
            None => Steps { first_ms: steps.first_ms - offset_ms, ..steps },
        };
        let hints = hints(select, data.first_ms - ev.options.lookback_ms + 1, data.last_ms(), steps, 0);
        let (series, labels) = series(&ev, select, hints)?;
        let heads = labels.into_iter().map(|labels| Head { labels, drop_name: false }).collect();
        Ok(Latest { ev, data, take, stats_only: select.stats_only, series, heads })
    }
}

/// Appends all samples of a series between two times.
pub fn read(
    ev: &Evaluator<'_>,
    series: &dyn Series,
    start_ms: i64,
    end_ms: i64,
    samples: &mut Samples,
) -> Result<(), QueryError> {
    let mut cursor = series.cursor(start_ms, end_ms);
    while cursor.next_batch(samples)? {
        ev.poll()?;
    }
    Ok(())
}

impl Operator for Latest<'_> {
    fn heads(&self) -> &[Head] {
        &self.heads
    }

    fn column(&self, at: usize, lane: &mut Lane, out: &mut Column) -> Result<(), QueryError> {
        let series = &*self.series[at];
        let lookback_ms = series.lookback_ms().unwrap_or(self.ev.options.lookback_ms);
        lane.samples.clear();
        let times = self.data;
        read(&self.ev, series, times.first_ms - lookback_ms + 1, times.last_ms(), &mut lane.samples)?;
        if self.stats_only {
            drop_buckets(&mut lane.samples);
        }
        if self.take == Take::Value && lane.samples.histograms.is_empty() {
            latest_floats(&mut lane.samples, times, lookback_ms, out);
        } else {
            latest(&lane.samples, times, lookback_ms, self.take, out);
        }
        let size = out.size();
        self.ev.budget.read(size);
        self.ev.budget.hold(size)
    }
}

/// Fills a column with the latest of samples that are all floats.
fn latest_floats(samples: &mut Samples, times: Steps, lookback_ms: i64, out: &mut Column) {
    let is_on_grid = samples.times.len() == times.count
        && times.step_ms > 0
        && is_regular(&samples.times, times.first_ms, times.step_ms);
    if is_on_grid {
        let has_stale = has_stale(&samples.values);
        out.swap_values(&mut samples.values);
        if has_stale {
            take_out_stale(out);
        }
        return;
    }
    if latest_even(samples, times, lookback_ms, out) {
        return;
    }
    latest_one_by_one(samples, times, lookback_ms, out);
}

/// Takes the floats that say that the series ended out of a dense column.
fn take_out_stale(out: &mut Column) {
    let is_stale_word =
        |values: &[f64]| values.iter().enumerate().fold(0, |bits, (i, value)| bits | u64::from(is_stale(*value)) << i);
    let stale: Vec<u64> = out.values().chunks(64).map(is_stale_word).collect();
    out.mask_mut().iter_mut().zip(stale).for_each(|(word, stale)| *word &= !stale);
}

/// Fills a column, if samples come at even intervals into which steps can be divided; tells whether it did.
///
/// Each step then sees a sample that lies as many samples behind that of the step before, so whole runs are copied.
fn latest_even(samples: &Samples, times: Steps, lookback_ms: i64, out: &mut Column) -> bool {
    let [first_ms, second_ms, ..] = samples.times[..] else { return false };
    let Some(every_ms) = second_ms.checked_sub(first_ms).filter(|every_ms| (1..=lookback_ms).contains(every_ms)) else {
        return false;
    };
    if times.step_ms <= 0 || times.step_ms % every_ms != 0 || !is_regular(&samples.times, first_ms, every_ms) {
        return false;
    }
    let (stride, last) = (times.step_ms / every_ms, samples.times.len() as i64 - 1);
    // The sample of the first step, had the series neither begin nor end.
    let base = (times.first_ms - first_ms).div_euclid(every_ms);
    let step_at = |sample: i64| (sample - base).div_euclid(stride).clamp(-1, times.count as i64 - 1) + 1;
    // The first step that is not before the first sample, and the one behind the last that has a sample of its own.
    let (begin, end) = (step_at(-1) as usize, step_at(last) as usize);
    if begin < end {
        let first = (base + stride * begin as i64) as usize;
        let run = &mut out.values_mut()[begin..end];
        if stride == 1 {
            run.copy_from_slice(&samples.values[first..first + run.len()]);
        } else {
            let own = samples.values[first..].iter().step_by(stride as usize);
            run.iter_mut().zip(own).for_each(|(value, own)| *value = *own);
        }
        out.mark_run(begin, end);
        if has_stale(&out.values()[begin..end]) {
            take_out_stale(out);
        }
    }
    let (last_ms, value) = (samples.times[last as usize], samples.values[last as usize]);
    if !is_stale(value) {
        let is_current = |step: &usize| last_ms > times.time_ms(*step) - lookback_ms;
        (end.max(begin)..times.count).take_while(is_current).for_each(|step| out.set(step, value));
    }
    true
}

/// Fills a column step by step.
fn latest_one_by_one(samples: &Samples, times: Steps, lookback_ms: i64, out: &mut Column) {
    let mut next = 0;
    for step in 0..times.count {
        let time = times.time_ms(step);
        while samples.times.get(next).is_some_and(|sample| *sample <= time) {
            next += 1;
        }
        if next == 0 || samples.times[next - 1] <= time - lookback_ms || is_stale(samples.values[next - 1]) {
            continue;
        }
        out.set(step, samples.values[next - 1]);
    }
}

/// Fills a column with the latest samples of any kind.
fn latest(samples: &Samples, times: Steps, lookback_ms: i64, take: Take, out: &mut Column) {
    let mut next = 0;
    let mut histograms = samples.histograms.iter().peekable();
    let mut histogram = None;
    for step in 0..times.count {
        let time = times.time_ms(step);
        while samples.times.get(next).is_some_and(|sample| *sample <= time) {
            histogram = histograms.next_if(|(at, _)| *at as usize == next).map(|(_, histogram)| histogram);
            next += 1;
        }
        if next == 0 || samples.times[next - 1] <= time - lookback_ms {
            continue;
        }
        let value = samples.values[next - 1];
        if histogram.map_or_else(|| is_stale(value), |histogram| is_stale(histogram.sum)) {
            continue;
        }
        match (take, histogram) {
            (Take::Value | Take::FloatMillis, Some(histogram)) => out.push_histogram(step, histogram.clone()),
            (Take::Value, None) => out.set(step, value),
            (Take::FloatMillis, None) => out.set(step, samples.times[next - 1] as f64),
            (Take::Time, _) => out.set(step, samples.times[next - 1] as f64 / 1000.0),
            (Take::Start, _) => {
                out.set(step, samples.starts.get(next - 1).copied().unwrap_or(0) as f64 / 1000.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::STALE;
    use crate::testing::Random;

    fn bits(column: &Column) -> Vec<Option<u64>> {
        (0..column.steps()).map(|step| column.float(step).map(f64::to_bits)).collect()
    }

    /// Runs that are copied, and steps that are looked at one by one.
    #[test]
    fn even_samples_are_found_as_any_are() {
        let mut copied = 0;
        for seed in 0..4000 {
            let mut random = Random::new(seed);
            let every_ms = *random.pick(&[1, 7, 1000, 60_000]);
            let begin_ms = random.within(-300..300) * every_ms + random.within(-3..4);
            let mut samples = Samples::default();
            let (gaps, stale) = (random.below(3) * 3, random.below(3) * 3);
            for at in 0..random.below(300) as i64 {
                if !random.percent(gaps) {
                    let value = if random.percent(stale) { STALE } else { random.unit() };
                    samples.push_float(begin_ms + at * every_ms, value);
                }
            }
            let times = Steps {
                first_ms: random.within(-300..300) * every_ms + random.within(-3..4),
                step_ms: every_ms * random.within(1..5) + i64::from(random.percent(10)),
                count: 1 + random.below(300),
                is_instant: false,
            };
            let lookback_ms = (every_ms * random.within(1..6) + random.within(-1..2)).max(1);
            let mut plain = Column::new(times.count);
            latest(&samples, times, lookback_ms, Take::Value, &mut plain);
            let mut even = Column::new(times.count);
            if latest_even(&samples, times, lookback_ms, &mut even) {
                assert_eq!(bits(&even), bits(&plain), "seed {seed}: {times:?}, lookback {lookback_ms}");
                copied += 1;
            }
            let mut fast = Column::new(times.count);
            latest_floats(&mut samples, times, lookback_ms, &mut fast);
            assert_eq!(bits(&fast), bits(&plain), "seed {seed}: {times:?}, lookback {lookback_ms}");
        }
        assert!(copied > 1000, "{copied}");
    }
}
