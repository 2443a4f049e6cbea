//! Fast ways through the windows of a series that has floats only.
//!
//! Each window's values are added in the same order and with the same roundings as in [`over_time`](super::over_time),
//! so the answers are the same to the bit. What is faster: windows of neighbouring steps that are equally long and
//! equally far apart, the usual case, are added side by side, a lane each, which the processor does several at a time.

use super::ast::FunctionId;
use super::column::Column;
use super::number::{KahanSum, Mean, kahan_add_finite, kahan_total};
use super::rate::{self, Kind};
use super::samples::{Track, is_regular};
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

/// Samples after which a slide asks whether to go on.
pub const SAMPLES_UNASKED: u64 = 1 << 20;

/// Windows added side by side.
const LANES: usize = 8;

/// Fills a column, if there is a fast way for the function. Now and then it asks whether it should stop; then the
/// column is worth nothing.
pub fn floats(
    id: FunctionId,
    track: &Track<f64>,
    bounds: Bounds,
    range_secs: f64,
    should_stop: &dyn Fn() -> bool,
    out: &mut Column,
) -> Option<Seen> {
    let slide = Slide::new(track, bounds, should_stop);
    let first_that = |better: fn(f64, f64) -> bool| {
        move |values: &[f64]| {
            values
                .iter()
                .fold(values[0], |best, value| if better(*value, best) || best.is_nan() { *value } else { best })
        }
    };
    Some(match id {
        FunctionId::SumOverTime => slide.in_lanes(out, sum_lanes, sum),
        FunctionId::AvgOverTime => slide.in_lanes(out, mean_lanes, mean),
        FunctionId::StdvarOverTime => slide.in_lanes(out, variance_lanes, variance),
        FunctionId::StddevOverTime => slide.in_lanes(
            out,
            |values, length, apart| variance_lanes(values, length, apart).map(f64::sqrt),
            |values| variance(values).sqrt(),
        ),
        FunctionId::MaxOverTime => slide.one_by_one(out, first_that(|value, best| value > best)),
        FunctionId::MinOverTime => slide.one_by_one(out, first_that(|value, best| value < best)),
        FunctionId::CountOverTime => slide.one_by_one(out, |values| values.len() as f64),
        FunctionId::PresentOverTime | FunctionId::AbsentOverTime => slide.one_by_one(out, |_| 1.0),
        FunctionId::LastOverTime => slide.one_by_one(out, |values| values[values.len() - 1]),
        FunctionId::FirstOverTime => slide.one_by_one(out, |values| values[0]),
        FunctionId::Rate | FunctionId::Increase | FunctionId::Delta if track.starts.is_empty() => {
            let kind = Kind { is_counter: id != FunctionId::Delta, is_rate: id == FunctionId::Rate };
            rate::slide(slide, kind, range_secs, out)
        }
        _ => return None,
    })
}

/// Windows over a track.
#[derive(Clone, Copy)]
pub struct Slide<'t> {
    /// The samples.
    pub track: &'t Track<f64>,
    bounds: Bounds,
    /// Where windows lie, if samples come once a step, or several times at even intervals.
    even: Option<Even>,
    should_stop: &'t dyn Fn() -> bool,
}

/// Windows over samples at even intervals.
#[derive(Clone, Copy)]
struct Even {
    /// Where the first window would begin and end in a track without ends.
    from: i64,
    to: i64,
    /// How many samples one window is further than the one before.
    apart: i64,
}

impl Even {
    fn new(times: &[i64], bounds: Bounds) -> Option<Even> {
        let first = times.first().copied().unwrap_or(0);
        let every_ms = times.get(1).map_or(Some(bounds.step_ms), |second| second.checked_sub(first))?;
        if every_ms <= 0 || bounds.step_ms % every_ms != 0 || !is_regular(times, first, every_ms) {
            return None;
        }
        let after = |time: i64| (time - first).div_euclid(every_ms) + 1;
        let (from, to) = (after(bounds.start_ms), after(bounds.end_ms));
        Some(Even { from, to, apart: bounds.step_ms / every_ms })
    }

    /// Where the window of a step begins and ends.
    #[inline]
    fn window(self, step: usize) -> (i64, i64) {
        let ahead = self.apart * step as i64;
        (self.from + ahead, self.to + ahead)
    }
}

impl<'t> Slide<'t> {
    fn new(track: &'t Track<f64>, bounds: Bounds, should_stop: &'t dyn Fn() -> bool) -> Slide<'t> {
        Slide { track, bounds, even: Even::new(&track.times, bounds), should_stop }
    }

    /// Moves on to the window of a step.
    #[inline]
    fn advance(&self, step: usize, ends: &mut Ends) {
        if let Some(even) = self.even {
            let clamp = |at: i64| at.clamp(0, self.track.times.len() as i64) as usize;
            let (from, to) = even.window(step);
            *ends = Ends { from: clamp(from), to: clamp(to) };
            return;
        }
        let ahead = self.bounds.step_ms * step as i64;
        ends.advance(&self.track.times, self.bounds.start_ms + ahead, self.bounds.end_ms + ahead);
    }

    /// The values of the windows of a step and its followers, how many each of them has and how far apart they are, if
    /// samples come at even intervals and no window reaches over an end.
    #[inline]
    fn whole_lanes(&self, step: usize, here: usize) -> Option<(&'t [f64], usize, usize)> {
        let even = self.even?;
        let (from, to) = even.window(step);
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
        let apart = usize::try_from(even.apart).ok()?;
        if here < LANES || from >= to {
            return None;
        }
        let end = to.checked_add(apart.checked_mul(LANES - 1)?)?;
        Some((self.track.values.get(from..end)?, to - from, apart))
    }

    /// Calls `visit` for each window with samples: with its step, its first sample, the one after its last, and its
    /// ends in time.
    pub fn each(self, mut visit: impl FnMut(usize, usize, usize, (i64, i64))) -> Seen {
        let (mut ends, mut seen) = (Ends::default(), Seen::default());
        for step in 0..self.bounds.count {
            self.advance(step, &mut ends);
            if ends.to > ends.from {
                if seen.add(1, ends.to - ends.from) && (self.should_stop)() {
                    return seen;
                }
                let ahead = self.bounds.step_ms * step as i64;
                visit(step, ends.from, ends.to, (self.bounds.start_ms + ahead, self.bounds.end_ms + ahead));
            }
        }
        seen
    }

    fn one_by_one(self, out: &mut Column, function: impl Fn(&[f64]) -> f64) -> Seen {
        self.each(|step, from, to, _| out.set(step, function(&self.track.values[from..to])))
    }

    fn in_lanes(
        self,
        out: &mut Column,
        lanes: impl Fn(&[f64], usize, usize) -> [f64; LANES],
        one: impl Fn(&[f64]) -> f64,
    ) -> Seen {
        let (mut ends, mut seen) = (Ends::default(), Seen::default());
        let mut step = 0;
        while step < self.bounds.count {
            let here = LANES.min(self.bounds.count - step);
            if let Some((values, length, apart)) = self.whole_lanes(step, here) {
                out.set_run(step, &lanes(values, length, apart));
                if seen.add(LANES, length) && (self.should_stop)() {
                    return seen;
                }
                step += LANES;
                continue;
            }
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
                let values = lanes(&self.track.values[from..to + LANES - 1], to - from, 1);
                out.set_run(step, &values);
                seen.add(LANES, to - from);
            } else {
                for (i, window) in windows[..here].iter().enumerate() {
                    let values = &self.track.values[window.from..window.to];
                    if !values.is_empty() {
                        if seen.add(1, values.len()) && (self.should_stop)() {
                            return seen;
                        }
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
    /// Counts windows of so many samples; tells whether it is time to ask whether to go on.
    fn add(&mut self, windows: usize, samples: usize) -> bool {
        let before = self.total;
        self.total += (windows * samples) as u64;
        self.longest = self.longest.max(samples as u64);
        before / SAMPLES_UNASKED != self.total / SAMPLES_UNASKED
    }
}

/// The compensated sum of values.
pub fn sum(values: &[f64]) -> f64 {
    let mut sum = KahanSum::default();
    values.iter().for_each(|value| sum.add(*value));
    kahan_total(sum.sum, sum.compensation)
}

/// The mean of values, of which there is at least one.
pub fn mean(values: &[f64]) -> f64 {
    let mut mean = Mean::new(values[0]);
    values[1..].iter().for_each(|value| mean.add(*value));
    mean.get()
}

/// The variance of values, of which there is at least one: Welford's, with compensated sums.
pub fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares, mut count) = (KahanSum::default(), KahanSum::default(), 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean.total();
        mean.add(delta / count);
        squares.add(delta * (value - mean.total()));
    }
    squares.total() / count
}

/// Calls `visit` with a value of each of the windows at a time, from the value `skipped` on.
#[inline(always)]
fn for_lanes(values: &[f64], (length, apart): (usize, usize), skipped: usize, mut visit: impl FnMut(&[f64; LANES])) {
    if apart == 1 {
        for window in values.windows(LANES).take(length).skip(skipped) {
            let Some((chunk, _)) = window.split_first_chunk::<LANES>() else { break };
            visit(chunk);
        }
        return;
    }
    for at in skipped..length {
        visit(&std::array::from_fn(|lane| values[at + lane * apart]));
    }
}

/// The variances of windows of `length` values, each `apart` values further than the one before.
fn variance_lanes(values: &[f64], length: usize, apart: usize) -> [f64; LANES] {
    let (mut means, mut mean_lost) = ([0.0; LANES], [0.0; LANES]);
    let (mut squares, mut squares_lost) = ([0.0; LANES], [0.0; LANES]);
    let mut count = 0.0;
    for_lanes(values, (length, apart), 0, |chunk| {
        count += 1.0;
        for lane in 0..LANES {
            let delta = chunk[lane] - (means[lane] + mean_lost[lane]);
            (means[lane], mean_lost[lane]) = kahan_add_finite(delta / count, means[lane], mean_lost[lane]);
            let square = delta * (chunk[lane] - (means[lane] + mean_lost[lane]));
            (squares[lane], squares_lost[lane]) = kahan_add_finite(square, squares[lane], squares_lost[lane]);
        }
    });
    let sums: [(f64, f64); LANES] = std::array::from_fn(|lane| (squares[lane], squares_lost[lane]));
    if is_finite(&sums) {
        sums.map(|(sum, lost)| (sum + lost) / count)
    } else {
        std::array::from_fn(|lane| variance(&values[lane * apart..lane * apart + length]))
    }
}

/// Sums and compensations of windows of `length` values, each `apart` values further than the one before; the first
/// `skipped` values of each are in `sums` already.
#[inline(always)]
fn add_lanes(values: &[f64], length_apart: (usize, usize), skipped: usize, sums: [f64; LANES]) -> [(f64, f64); LANES] {
    // By value, so that they stay in registers.
    let (mut sums, mut lost) = (sums, [0.0; LANES]);
    for_lanes(values, length_apart, skipped, |chunk| {
        for lane in 0..LANES {
            (sums[lane], lost[lane]) = kahan_add_finite(chunk[lane], sums[lane], lost[lane]);
        }
    });
    std::array::from_fn(|lane| (sums[lane], lost[lane]))
}

fn is_finite(sums: &[(f64, f64); LANES]) -> bool {
    sums.iter().fold(true, |is_finite, (sum, lost)| is_finite & (sum + lost).is_finite())
}

fn sum_lanes(values: &[f64], length: usize, apart: usize) -> [f64; LANES] {
    let sums = add_lanes(values, (length, apart), 0, [0.0; LANES]);
    if is_finite(&sums) {
        sums.map(|(sum, lost)| sum + lost)
    } else {
        std::array::from_fn(|lane| sum(&values[lane * apart..lane * apart + length]))
    }
}

fn mean_lanes(values: &[f64], length: usize, apart: usize) -> [f64; LANES] {
    let sums = add_lanes(values, (length, apart), 1, std::array::from_fn(|lane| values[lane * apart]));
    if is_finite(&sums) {
        let count = length as f64;
        sums.map(|(sum, lost)| sum / count + lost / count)
    } else {
        // A sum passed the largest number (or met a NaN) on its way: the careful way knows what to do.
        std::array::from_fn(|lane| mean(&values[lane * apart..lane * apart + length]))
    }
}
