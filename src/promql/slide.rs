//! Fast ways through the windows of a series that has floats only.
//!
//! Each window's values are added in the same order and with the same roundings as in [`over_time`](super::over_time), so
//! the answers are the same to the bit. What is faster: windows of neighbouring steps that are equally long and one
//! sample apart, the usual case, are added side by side, a lane each, which the processor does several at a time.

use super::ast::FunctionId;
use super::column::Column;
use super::number::{KahanSum, Mean, kahan_add};
use super::samples::Track;
use super::window::Ends;

/// Where windows lie.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The left end of the first window, excluded, in milliseconds.
    pub start_ms: i64,
    /// The right end of the first window, included, in milliseconds.
    pub end_ms: i64,
    /// How far the next window is, in milliseconds.
    pub step_ms: i64,
    /// Number of windows.
    pub count: usize,
}

/// How many samples were looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// In all windows.
    pub total: u64,
    /// In the longest of them.
    pub longest: u64,
}

/// Windows added side by side.
const LANES: usize = 8;

/// Fills a column, if there is a fast way for the function.
pub fn floats(id: FunctionId, track: &Track<f64>, bounds: Bounds, out: &mut Column) -> Option<Seen> {
    let slide = Slide { track, bounds };
    let first_that = |better: fn(f64, f64) -> bool| {
        move |values: &[f64]| {
            values.iter().fold(values[0], |best, value| if better(*value, best) || best.is_nan() { *value } else { best })
        }
    };
    Some(match id {
        FunctionId::SumOverTime => slide.in_lanes(out, sum_lanes, sum),
        FunctionId::AvgOverTime => slide.in_lanes(out, mean_lanes, mean),
        FunctionId::MaxOverTime => slide.one_by_one(out, first_that(|value, best| value > best)),
        FunctionId::MinOverTime => slide.one_by_one(out, first_that(|value, best| value < best)),
        FunctionId::CountOverTime => slide.one_by_one(out, |values| values.len() as f64),
        FunctionId::PresentOverTime | FunctionId::AbsentOverTime => slide.one_by_one(out, |_| 1.0),
        FunctionId::LastOverTime => slide.one_by_one(out, |values| values[values.len() - 1]),
        FunctionId::FirstOverTime => slide.one_by_one(out, |values| values[0]),
        _ => return None,
    })
}

/// Windows over a track.
#[derive(Clone, Copy)]
struct Slide<'t> {
    track: &'t Track<f64>,
    bounds: Bounds,
}

impl Slide<'_> {
    fn advance(&self, step: usize, ends: &mut Ends) {
        let ahead = self.bounds.step_ms * step as i64;
        ends.advance(&self.track.times, self.bounds.start_ms + ahead, self.bounds.end_ms + ahead);
    }

    fn one_by_one(self, out: &mut Column, function: impl Fn(&[f64]) -> f64) -> Seen {
        let (mut ends, mut seen) = (Ends::default(), Seen::default());
        for step in 0..self.bounds.count {
            self.advance(step, &mut ends);
            let values = &self.track.values[ends.from..ends.to];
            if !values.is_empty() {
                seen.add(values.len());
                out.set(step, function(values));
            }
        }
        seen
    }

    fn in_lanes(
        self,
        out: &mut Column,
        lanes: impl Fn(&[f64], usize) -> [f64; LANES],
        one: impl Fn(&[f64]) -> f64,
    ) -> Seen {
        let (mut ends, mut seen) = (Ends::default(), Seen::default());
        let mut step = 0;
        while step < self.bounds.count {
            let here = LANES.min(self.bounds.count - step);
            let mut windows = [Ends::default(); LANES];
            for (i, window) in windows[..here].iter_mut().enumerate() {
                self.advance(step + i, &mut ends);
                *window = ends;
            }
            let Ends { from, to } = windows[0];
            let is_even = here == LANES
                && to > from
                && windows.iter().enumerate().all(|(i, window)| window.from == from + i && window.to == to + i);
            if is_even {
                let values = lanes(&self.track.values[from..to + LANES - 1], to - from);
                values.iter().enumerate().for_each(|(i, value)| out.set(step + i, *value));
                seen.total += ((to - from) * LANES) as u64;
                seen.longest = seen.longest.max((to - from) as u64);
            } else {
                for (i, window) in windows[..here].iter().enumerate() {
                    let values = &self.track.values[window.from..window.to];
                    if !values.is_empty() {
                        seen.add(values.len());
                        out.set(step + i, one(values));
                    }
                }
            }
            step += here;
        }
        seen
    }
}

impl Seen {
    fn add(&mut self, samples: usize) {
        self.total += samples as u64;
        self.longest = self.longest.max(samples as u64);
    }
}

/// The compensated sum of values.
pub fn sum(values: &[f64]) -> f64 {
    let mut sum = KahanSum::default();
    values.iter().for_each(|value| sum.add(*value));
    if sum.sum.is_infinite() { sum.sum } else { sum.total() }
}

/// The mean of values, of which there is at least one.
pub fn mean(values: &[f64]) -> f64 {
    let mut mean = Mean::new(values[0]);
    values[1..].iter().for_each(|value| mean.add(*value));
    mean.get()
}

/// Sums and compensations of windows of `length` values, each one value further than the one before.
#[inline]
fn add_lanes(values: &[f64], length: usize, first: usize, sums: &mut [f64; LANES], lost: &mut [f64; LANES]) {
    for at in first..length {
        let (chunk, _) = values[at..].as_chunks::<LANES>();
        let Some(chunk) = chunk.first() else { return };
        for lane in 0..LANES {
            (sums[lane], lost[lane]) = kahan_add(chunk[lane], sums[lane], lost[lane]);
        }
    }
}

fn sum_lanes(values: &[f64], length: usize) -> [f64; LANES] {
    let (mut sums, mut lost) = ([0.0; LANES], [0.0; LANES]);
    add_lanes(values, length, 0, &mut sums, &mut lost);
    std::array::from_fn(|lane| if sums[lane].is_infinite() { sums[lane] } else { sums[lane] + lost[lane] })
}

fn mean_lanes(values: &[f64], length: usize) -> [f64; LANES] {
    let (mut sums, mut lost): ([f64; LANES], _) = (std::array::from_fn(|lane| values[lane]), [0.0; LANES]);
    add_lanes(values, length, 1, &mut sums, &mut lost);
    if sums.iter().all(|sum| sum.is_finite()) {
        let count = length as f64;
        std::array::from_fn(|lane| sums[lane] / count + lost[lane] / count)
    } else {
        // A sum passed the largest number (or met a NaN) on its way: the careful way knows what to do.
        std::array::from_fn(|lane| mean(&values[lane..lane + length]))
    }
}
