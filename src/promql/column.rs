//! One series over all steps of an evaluation: a column of floats with a mask of who is there, histograms beside it.
//!
//! A step holds a float, or a histogram, or nothing; never both. Columns that are worked on are dense, and reused:
//! `reset` keeps the memory. Columns that are kept may be sparse, a list of steps and floats, so that a hundred
//! thousand series with a few points each take no more memory than their points.

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
    steps: usize,
    /// A value for each step; empty if the column is sparse.
    values: Vec<f64>,
    /// A bit for each step with a float, 0 beyond the steps; empty if the column is sparse.
    mask: Vec<u64>,
    /// The floats with their steps, ascending; empty if the column is dense.
    sparse: Vec<(u32, f64)>,
    /// Ascending by step, at steps without a float.
    histograms: Vec<(u32, Arc<FloatHistogram>)>,
}

impl Column {
    /// A dense column without points.
    pub fn new(steps: usize) -> Column {
        let mut column = Column::default();
        column.reset(steps);
        column
    }

    /// A sparse column without points, to which points are pushed in the order of their steps.
    pub fn sparse(steps: usize) -> Column {
        Column { steps, ..Column::default() }
    }

    /// A float at every step.
    pub fn full(values: Vec<f64>) -> Column {
        let mask = vec![0; values.len().div_ceil(64)];
        let mut column = Column { steps: values.len(), mask, values, ..Column::default() };
        column.fill_mask();
        column
    }

    /// The floats of the steps whose bits are set.
    pub fn from_parts(values: Vec<f64>, mask: Vec<u64>) -> Column {
        debug_assert_eq!(mask.len(), values.len().div_ceil(64));
        Column { steps: values.len(), values, mask, ..Column::default() }
    }

    /// Forgets all points, for so many steps; the column is dense then.
    pub fn reset(&mut self, steps: usize) {
        self.steps = steps;
        self.values.resize(steps, 0.0);
        self.mask.clear();
        self.mask.resize(steps.div_ceil(64), 0);
        self.sparse.clear();
        self.histograms.clear();
    }

    /// Takes the less memory that floats need.
    pub fn compact(&mut self) {
        let floats = self.floats();
        let is_thin = floats * 2 < self.steps;
        if is_thin && self.is_dense() {
            let mut sparse = Vec::with_capacity(floats);
            self.for_floats(|step, value| sparse.push((step as u32, value)));
            (self.sparse, self.values, self.mask) = (sparse, Vec::new(), Vec::new());
        } else if !is_thin && !self.is_dense() {
            let mut dense = Column::new(self.steps);
            self.for_floats(|step, value| dense.set(step, value));
            (self.sparse, self.values, self.mask) = (Vec::new(), dense.values, dense.mask);
        }
    }

    /// Makes `out` the same column, but dense.
    pub fn expand_into(&self, out: &mut Column) {
        if self.is_dense() {
            out.clone_from(self);
            return;
        }
        out.reset(self.steps);
        self.sparse.iter().for_each(|(step, value)| out.set(*step as usize, *value));
        out.histograms.extend_from_slice(&self.histograms);
    }

    fn is_dense(&self) -> bool {
        self.values.len() == self.steps
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
        self.steps
    }

    /// Sets a float of a dense column, at a step without a histogram.
    #[inline]
    pub fn set(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        self.mask[step / 64] |= 1 << (step % 64);
    }

    /// Sets floats of neighbouring steps of a dense column.
    #[inline]
    pub fn set_run(&mut self, first: usize, values: &[f64]) {
        self.values[first..first + values.len()].copy_from_slice(values);
        let bits = if values.len() < 64 { (1 << values.len()) - 1 } else { !0 };
        let shift = first % 64;
        if values.len() + shift <= 64 {
            self.mask[first / 64] |= bits << shift;
        } else {
            (first..first + values.len()).for_each(|step| self.mask[step / 64] |= 1 << (step % 64));
        }
    }

    /// Marks the steps from one to another of a dense column, whose values stand there already.
    pub fn mark_run(&mut self, begin: usize, end: usize) {
        let bits_from = |at: usize| !0_u64 << (at % 64);
        let mut at = begin;
        while at < end {
            let next = (at / 64 + 1) * 64;
            let behind = if next <= end { 0 } else { bits_from(end) };
            self.mask[at / 64] |= bits_from(at) & !behind;
            at = next;
        }
    }

    /// Marks every step of a dense column, for the caller to fill in the values.
    pub fn fill_all(&mut self) -> &mut [f64] {
        self.fill_mask();
        self.histograms.clear();
        &mut self.values
    }

    /// Takes values for all steps of a dense column, as many as there are steps, and gives the old ones.
    pub fn swap_values(&mut self, values: &mut Vec<f64>) {
        debug_assert_eq!(values.len(), self.values.len());
        std::mem::swap(&mut self.values, values);
        self.fill_mask();
        self.histograms.clear();
    }

    /// Sets a histogram, after all earlier ones.
    pub fn push_histogram(&mut self, step: usize, histogram: Arc<FloatHistogram>) {
        debug_assert!(self.histograms.last().is_none_or(|(last, _)| (*last as usize) < step));
        self.histograms.push((step as u32, histogram));
    }

    /// Sets a point, after all earlier ones.
    pub fn push(&mut self, step: usize, point: Point) {
        match point {
            Point::Float(value) if self.is_dense() => self.set(step, value),
            Point::Float(value) => self.sparse.push((step as u32, value)),
            Point::Histogram(histogram) => self.push_histogram(step, histogram),
        }
    }

    /// Whether the step has a float.
    #[inline]
    pub fn has_float(&self, step: usize) -> bool {
        match self.mask.get(step / 64) {
            Some(word) => word >> (step % 64) & 1 == 1,
            None => self.sparse_at(step).is_some(),
        }
    }

    fn sparse_at(&self, step: usize) -> Option<f64> {
        // Mostly asked about the last one, while points are pushed.
        match self.sparse.last() {
            Some((last, value)) if *last as usize <= step => (*last as usize == step).then_some(*value),
            _ => {
                let at = self.sparse.binary_search_by_key(&(step as u32), |(step, _)| *step).ok()?;
                Some(self.sparse[at].1)
            }
        }
    }

    /// The float of a step.
    #[inline]
    pub fn float(&self, step: usize) -> Option<f64> {
        if self.mask.is_empty() { self.sparse_at(step) } else { self.has_float(step).then(|| self.values[step]) }
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
        self.histograms.is_empty() && self.sparse.is_empty() && self.mask.iter().all(|word| *word == 0)
    }

    /// The values of all steps of a dense column; those without a float mean nothing.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The values of a dense column, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// A bit for each step with a float, the lowest bit first; of a dense column.
    pub fn mask(&self) -> &[u64] {
        &self.mask
    }

    /// The bits of a dense column, to be changed in place.
    pub fn mask_mut(&mut self) -> &mut [u64] {
        &mut self.mask
    }

    /// Both values and bits, if the column is dense and has no histograms.
    pub fn dense_floats(&self) -> Option<(&[f64], &[u64])> {
        (self.is_dense() && self.histograms.is_empty()).then_some((&self.values, &self.mask))
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

    /// Keeps the points of steps that are (or are not) in a set of bits.
    pub fn retain(&mut self, set: &[u64], if_in: bool) {
        let is_kept = |step: u32| (set[step as usize / 64] >> (step % 64) & 1 == 1) == if_in;
        self.histograms.retain(|(step, _)| is_kept(*step));
        self.sparse.retain(|(step, _)| is_kept(*step));
        for (word, set) in self.mask.iter_mut().zip(set) {
            *word &= if if_in { *set } else { !set };
        }
    }

    /// Adds the steps that have a point to a set of bits.
    pub fn mark(&self, set: &mut [u64]) {
        set.iter_mut().zip(&self.mask).for_each(|(set, word)| *set |= word);
        let sparse = self.sparse.iter().map(|(step, _)| *step);
        for step in sparse.chain(self.histograms.iter().map(|(step, _)| *step)) {
            set[step as usize / 64] |= 1 << (step % 64);
        }
    }

    /// Number of floats.
    pub fn floats(&self) -> usize {
        self.sparse.len() + self.mask.iter().map(|word| word.count_ones() as usize).sum::<usize>()
    }

    /// How many samples the column counts as.
    pub fn size(&self) -> u64 {
        self.floats() as u64 + self.histograms.iter().map(|(_, histogram)| histogram_size(histogram)).sum::<u64>()
    }

    /// Calls `visit` for every float with its step, ascending.
    #[inline]
    pub fn for_floats(&self, mut visit: impl FnMut(usize, f64)) {
        self.sparse.iter().for_each(|(step, value)| visit(*step as usize, *value));
        for_bits(&self.mask, |step| visit(step, self.values[step]));
    }

    /// Every point with its step, ascending.
    pub fn points(&self) -> Vec<(usize, Point)> {
        let mut points = Vec::with_capacity(self.floats() + self.histograms.len());
        let mut histograms = self.histograms.iter().peekable();
        let histogram =
            |(step, histogram): &(u32, Arc<FloatHistogram>)| (*step as usize, Point::Histogram(Arc::clone(histogram)));
        self.for_floats(|step, value| {
            while let Some(before) = histograms.next_if(|(at, _)| (*at as usize) < step) {
                points.push(histogram(before));
            }
            points.push((step, Point::Float(value)));
        });
        points.extend(histograms.map(histogram));
        points
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

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram() -> Arc<FloatHistogram> {
        Arc::new(FloatHistogram::default())
    }

    fn describe(column: &Column) -> Vec<(usize, Option<f64>)> {
        let value = |point| match point {
            Point::Float(value) => Some(value),
            Point::Histogram(_) => None,
        };
        column.points().into_iter().map(|(step, point)| (step, value(point))).collect()
    }

    /// A thin and a full column: each has to look the same from outside, kept or worked on.
    #[test]
    fn sparse_and_dense_are_the_same() {
        for stride in [1, 2, 7, 65] {
            let mut dense = Column::new(200);
            let mut sparse = Column::sparse(200);
            for step in (3..200).step_by(stride) {
                if step % 5 == 0 {
                    dense.push(step, Point::Histogram(histogram()));
                    sparse.push(step, Point::Histogram(histogram()));
                } else {
                    dense.push(step, Point::Float(step as f64));
                    sparse.push(step, Point::Float(step as f64));
                }
            }
            let wanted = describe(&dense);
            assert!(wanted.is_sorted_by_key(|(step, _)| *step));
            let mut compact = dense.clone();
            compact.compact();
            let mut expanded = Column::default();
            sparse.expand_into(&mut expanded);
            let mut recompact = sparse.clone();
            recompact.compact();
            for column in [&sparse, &compact, &expanded, &recompact] {
                assert_eq!(describe(column), wanted, "stride {stride}");
                assert_eq!((column.size(), column.floats()), (dense.size(), dense.floats()));
                for step in 0..200 {
                    assert_eq!(column.has(step), dense.has(step), "{step}");
                    assert_eq!(column.float(step), dense.float(step), "{step}");
                }
            }
            let (mut set, mut other) = (vec![0; 4], vec![0; 4]);
            dense.mark(&mut set);
            sparse.mark(&mut other);
            assert_eq!(set, other);
            let half = [0xAAAA_AAAA_AAAA_AAAA_u64; 4];
            for if_in in [true, false] {
                let (mut one, mut two) = (dense.clone(), sparse.clone());
                one.retain(&half, if_in);
                two.retain(&half, if_in);
                assert_eq!(describe(&one), describe(&two));
                assert!(describe(&one).iter().all(|(step, _)| (step % 2 == 1) == if_in));
            }
        }
    }

    #[test]
    fn steps_end_at_or_before_the_end() {
        let steps = Steps::range(100, 250, 60);
        assert_eq!((steps.count, steps.last_ms(), steps.is_instant), (3, 220, false));
        assert_eq!(Steps::range(100, 99, 60).count, 0);
        assert!(Steps::range(100, 100, 60).is_instant);
    }
}
