//! One series over all steps of an evaluation: a column of floats with a mask of who is there, histograms beside it.
//!
//! A step holds a float, or a histogram, or nothing; never both. Columns are reused: `reset` keeps the memory.

use std::sync::Arc;

use crate::model::histogram::FloatHistogram;

/// The times at which an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// The first step, in milliseconds since 1970.
    pub first_ms: i64,
    /// Milliseconds from one step to the next, positive.
    pub step_ms: i64,
    /// Number of steps.
    pub count: usize,
    /// Whether start and end are the same: results then keep the order in which functions put them.
    pub is_instant: bool,
}

impl Steps {
    /// One step.
    pub fn instant(time_ms: i64) -> Steps {
        Steps { first_ms: time_ms, step_ms: 1, count: 1, is_instant: true }
    }

    /// The steps from start to end, both inclusive; none if the end lies before the start.
    pub fn range(start_ms: i64, end_ms: i64, step_ms: i64) -> Steps {
        let step_ms = step_ms.max(1);
        let count = if end_ms < start_ms { 0 } else { end_ms.abs_diff(start_ms) / step_ms.unsigned_abs() + 1 };
        Steps { first_ms: start_ms, step_ms, count: count as usize, is_instant: start_ms == end_ms }
    }

    /// Only the first of the steps.
    pub fn first(self) -> Steps {
        Steps { count: self.count.min(1), is_instant: true, ..self }
    }

    /// The time of a step.
    #[inline]
    pub fn time_ms(self, step: usize) -> i64 {
        self.first_ms + self.step_ms * step as i64
    }

    /// The time of the last step; of the first, if there is none.
    pub fn last_ms(self) -> i64 {
        self.time_ms(self.count.saturating_sub(1))
    }
}

/// What stands at a step.
#[derive(Debug, Clone)]
pub enum Point {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
}

impl Point {
    /// How many samples the point counts as.
    pub fn size(&self) -> u64 {
        match self {
            Point::Float(_) => 1,
            Point::Histogram(histogram) => histogram_size(histogram),
        }
    }
}

/// How many samples a histogram counts as: its bytes and its time's, in units of a float and its time.
pub fn histogram_size(histogram: &FloatHistogram) -> u64 {
    histogram.sample_weight() as u64
}

/// One series over all steps.
#[derive(Debug, Clone, Default)]
pub struct Column {
    values: Vec<f64>,
    /// A bit for each step with a float; bits beyond the steps are 0.
    mask: Vec<u64>,
    /// Ascending by step, at steps without a float.
    histograms: Vec<(u32, Arc<FloatHistogram>)>,
}

impl Column {
    /// A column without points.
    pub fn new(steps: usize) -> Column {
        let mut column = Column::default();
        column.reset(steps);
        column
    }

    /// The same float at every step.
    pub fn constant(steps: usize, value: f64) -> Column {
        let mut column = Column::new(steps);
        column.values.fill(value);
        column.fill_mask();
        column
    }

    /// A float at every step.
    pub fn full(values: Vec<f64>) -> Column {
        let mut column = Column { mask: vec![0; values.len().div_ceil(64)], values, histograms: Vec::new() };
        column.fill_mask();
        column
    }

    /// The floats of the steps whose bits are set.
    pub fn from_parts(values: Vec<f64>, mask: Vec<u64>) -> Column {
        debug_assert_eq!(mask.len(), values.len().div_ceil(64));
        Column { values, mask, histograms: Vec::new() }
    }

    /// Forgets all points, for so many steps.
    pub fn reset(&mut self, steps: usize) {
        self.values.resize(steps, 0.0);
        self.mask.clear();
        self.mask.resize(steps.div_ceil(64), 0);
        self.histograms.clear();
    }

    fn fill_mask(&mut self) {
        self.mask.fill(!0);
        if let Some(last) = self.mask.last_mut()
            && !self.values.len().is_multiple_of(64)
        {
            *last = (1 << (self.values.len() % 64)) - 1;
        }
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.values.len()
    }

    /// Sets a float, at a step without a histogram.
    #[inline]
    pub fn set(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        self.mask[step / 64] |= 1 << (step % 64);
    }

    /// Sets floats at all steps by hand: the values, for the caller to fill, with every step marked.
    pub fn fill_all(&mut self) -> &mut [f64] {
        self.fill_mask();
        self.histograms.clear();
        &mut self.values
    }

    /// Sets a histogram, after all earlier ones.
    pub fn push_histogram(&mut self, step: usize, histogram: Arc<FloatHistogram>) {
        debug_assert!(self.histograms.last().is_none_or(|(last, _)| (*last as usize) < step));
        self.histograms.push((step as u32, histogram));
    }

    /// Sets a point, after all earlier ones.
    pub fn push(&mut self, step: usize, point: Point) {
        match point {
            Point::Float(value) => self.set(step, value),
            Point::Histogram(histogram) => self.push_histogram(step, histogram),
        }
    }

    /// Whether the step has a float.
    #[inline]
    pub fn has_float(&self, step: usize) -> bool {
        self.mask[step / 64] >> (step % 64) & 1 == 1
    }

    /// The float of a step.
    #[inline]
    pub fn float(&self, step: usize) -> Option<f64> {
        self.has_float(step).then(|| self.values[step])
    }

    /// The histogram of a step.
    pub fn histogram(&self, step: usize) -> Option<&Arc<FloatHistogram>> {
        let at = self.histograms.binary_search_by_key(&(step as u32), |(step, _)| *step).ok()?;
        Some(&self.histograms[at].1)
    }

    /// What stands at a step.
    pub fn point(&self, step: usize) -> Option<Point> {
        match self.float(step) {
            Some(value) => Some(Point::Float(value)),
            None if self.histograms.is_empty() => None,
            None => self.histogram(step).cloned().map(Point::Histogram),
        }
    }

    /// Whether anything stands at the step.
    #[inline]
    pub fn has(&self, step: usize) -> bool {
        self.has_float(step) || (!self.histograms.is_empty() && self.histogram(step).is_some())
    }

    /// Whether there is no point at all.
    pub fn is_empty(&self) -> bool {
        self.histograms.is_empty() && self.mask.iter().all(|word| *word == 0)
    }

    /// The values of all steps; those without a float mean nothing.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The values of all steps, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// A bit for each step with a float, the lowest bit first.
    pub fn mask(&self) -> &[u64] {
        &self.mask
    }

    /// The bits, to be changed in place.
    pub fn mask_mut(&mut self) -> &mut [u64] {
        &mut self.mask
    }

    /// The histograms with their steps, ascending.
    pub fn histograms(&self) -> &[(u32, Arc<FloatHistogram>)] {
        &self.histograms
    }

    /// Sets all histograms, ascending by step, at steps without a float.
    pub fn set_histograms(&mut self, histograms: Vec<(u32, Arc<FloatHistogram>)>) {
        debug_assert!(histograms.is_sorted_by_key(|(step, _)| *step));
        self.histograms = histograms;
    }

    /// Takes the histograms out.
    pub fn take_histograms(&mut self) -> Vec<(u32, Arc<FloatHistogram>)> {
        std::mem::take(&mut self.histograms)
    }

    /// Number of floats.
    pub fn floats(&self) -> usize {
        self.mask.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many samples the column counts as.
    pub fn size(&self) -> u64 {
        self.floats() as u64 + self.histograms.iter().map(|(_, histogram)| histogram_size(histogram)).sum::<u64>()
    }

    /// Calls `visit` for every float with its step.
    #[inline]
    pub fn for_floats(&self, mut visit: impl FnMut(usize, f64)) {
        for_bits(&self.mask, |step| visit(step, self.values[step]));
    }

    /// Every point with its step, ascending.
    pub fn points(&self) -> impl Iterator<Item = (usize, Point)> + '_ {
        (0..self.steps()).filter_map(|step| Some((step, self.point(step)?)))
    }
}

/// Calls `visit` for each bit that is set.
#[inline]
pub fn for_bits(mask: &[u64], mut visit: impl FnMut(usize)) {
    for (i, word) in mask.iter().enumerate() {
        let base = i * 64;
        if *word == !0 {
            (base..base + 64).for_each(&mut visit);
            continue;
        }
        let mut left = *word;
        while left != 0 {
            visit(base + left.trailing_zeros() as usize);
            left &= left - 1;
        }
    }
}
