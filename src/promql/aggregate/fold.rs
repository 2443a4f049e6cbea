//! `sum`, `avg`, `min`, `max`, `count`, `group`, `stddev`, `stdvar`: one running value per group and step.
//!
//! Series are folded in one after the other, each over all steps, so that within a step the order of values, and with
//! it every rounding, is that of the series. Whole words of 64 steps without gaps go through loops that compilers turn
//! into vector instructions.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::super::annotations::{Note, Position};
use super::super::ast::AggregateOp;
use super::super::column::{Column, Steps};
use super::super::error::QueryError;
use super::super::evaluator::Evaluator;
use super::super::histograms_over_time::mixed_schemas;
use super::super::number::{Mean, kahan_add, kahan_add_finite, kahan_total};
use super::super::operator::{Head, Lane, Operator, Table};
use super::super::plan::Aggregate;
use super::groups::Groups;
use super::histogram_cell::Cell;
use super::note_ignored;

/// Runs the aggregation.
pub fn run<'a>(ev: &Evaluator<'a>, aggregate: &'a Aggregate, steps: Steps) -> Result<Table, QueryError> {
    let op = ev.prepare(&aggregate.inner, steps)?;
    let groups = Groups::new(aggregate, op.heads());
    let fold = Fold { ev: *ev, op: aggregate.op, position: aggregate.inner.position };
    let results = fold.all(&*op, &groups, steps)?;
    let mut table = Table::default();
    for (labels, (drop_name, column)) in groups.labels.into_iter().zip(results) {
        if !column.is_empty() {
            table.push(Head { labels, drop_name }, column);
        }
    }
    Ok(table)
}

/// What a group has come to.
#[derive(Default)]
struct Running {
    /// The steps with a float (or for `count` and `group`, any sample).
    seen: Vec<u64>,
    /// The sum, the extreme, or the sum of squares.
    values: Vec<f64>,
    /// What rounding took from the sum, or the mean.
    others: Vec<f64>,
    /// Number of samples.
    counts: Vec<f64>,
    /// Means whose sums would pass the largest number.
    means: BTreeMap<u32, Mean>,
    /// The steps with histograms.
    cells: BTreeMap<u32, Cell>,
    /// Whether a series of the group has lost its name.
    drop_name: bool,
}

impl Running {
    /// Makes room, once a series with points comes.
    fn begin(&mut self, op: AggregateOp, steps: usize) {
        if !self.values.is_empty() {
            return;
        }
        use AggregateOp::{Count, Group, Max, Min, Sum};
        let fill = |numbers: &mut Vec<f64>, initial: f64| {
            numbers.clear();
            numbers.resize(steps, initial);
        };
        self.seen = vec![0; steps.div_ceil(64)];
        fill(&mut self.values, if matches!(op, Min | Max) { f64::NAN } else { 0.0 });
        if !matches!(op, Min | Max | Count | Group) {
            fill(&mut self.others, 0.0);
        }
        if !matches!(op, Min | Max | Sum) {
            fill(&mut self.counts, 0.0);
        }
    }
}

#[derive(Clone, Copy)]
struct Fold<'a> {
    ev: Evaluator<'a>,
    op: AggregateOp,
    position: Position,
}

impl Fold<'_> {
    /// Folds all series into their groups: of each group whether its name goes, and its column.
    ///
    /// Threads take whole groups, one at a time, so no more groups are open than there are threads; if there is one
    /// group only, they make columns for one that adds.
    fn all(&self, op: &dyn Operator, groups: &Groups, steps: Steps) -> Result<Vec<(bool, Column)>, QueryError> {
        let points = op.heads().len() * steps.count;
        let mut results = vec![(false, Column::default()); groups.labels.len()];
        if let [result] = &mut results[..] {
            let mut running = Running::default();
            let all: Vec<usize> = (0..op.heads().len()).collect();
            self.ev.for_each_column(op, &all, steps.count, |series, column| {
                self.add(&mut running, &op.heads()[series], column);
                Ok(())
            })?;
            *result = self.finish(&mut running, steps.count);
            return Ok(results);
        }
        let left = Mutex::new(groups.members.iter().zip(&mut results));
        self.ev.in_threads(points, || {
            let (mut lane, mut column, mut running) = (Lane::default(), Column::default(), Running::default());
            loop {
                let Some((members, result)) = left.lock().next() else { return Ok(()) };
                for series in members {
                    self.ev.poll()?;
                    column.reset(steps.count);
                    op.column(*series, &mut lane, &mut column)?;
                    self.add(&mut running, &op.heads()[*series], &column);
                }
                *result = self.finish(&mut running, steps.count);
            }
        })?;
        Ok(results)
    }

    fn add(&self, running: &mut Running, head: &Head, column: &Column) {
        if column.is_empty() {
            return;
        }
        use AggregateOp::{Avg, Count, Group, Max, Min, Stddev, Stdvar, Sum};
        running.begin(self.op, column.steps());
        running.drop_name |= head.drop_name;
        match self.op {
            Sum if running.cells.is_empty() => add_sums(running, column),
            Avg if running.cells.is_empty() => add_means(running, column),
            Sum | Avg => self.add_beside_histograms(running, column),
            Min => add_extremes(running, column, |value, best| value < best),
            Max => add_extremes(running, column, |value, best| value > best),
            Stddev | Stdvar => add_squares(running, column),
            Count | Group => {
                column.for_floats(|step, _| running.counts[step] += 1.0);
                column.histograms().iter().for_each(|(step, _)| running.counts[*step as usize] += 1.0);
            }
            _ => {}
        }
        running.seen.iter_mut().zip(column.mask()).for_each(|(seen, word)| *seen |= word);
        if column.histograms().is_empty() {
            return;
        }
        match self.op {
            Sum | Avg => self.add_histograms(running, head, column),
            Count | Group => {
                for (step, _) in column.histograms() {
                    running.seen[*step as usize / 64] |= 1 << (step % 64);
                }
            }
            _ => note_ignored(&self.ev, self.op, self.position),
        }
    }

    /// Floats at steps with histograms need no value: there is no answer. After histograms that do not go together
    /// they do not even count as a mix.
    fn add_beside_histograms(&self, running: &mut Running, column: &Column) {
        let mut rest = column.clone();
        for (step, cell) in &running.cells {
            let step = *step as usize;
            if cell.is_incompatible {
                rest.mask_mut()[step / 64] &= !(1 << (step % 64));
            }
        }
        if self.op == AggregateOp::Avg {
            add_means(running, &rest);
        } else {
            add_sums(running, &rest);
        }
    }

    fn add_histograms(&self, running: &mut Running, head: &Head, column: &Column) {
        let is_mean = self.op == AggregateOp::Avg;
        for (step, histogram) in column.histograms() {
            let has_float = running.seen[*step as usize / 64] >> (step % 64) & 1 == 1;
            let Some(cell) = running.cells.get_mut(step) else {
                let cell = if has_float { Cell::after_float() } else { Cell::new(histogram, is_mean) };
                running.cells.insert(*step, cell);
                continue;
            };
            if cell.is_incompatible {
                continue;
            }
            match cell.add(histogram) {
                Ok(combined) if combined.bounds_reconciled => {
                    let text = "mismatched custom buckets were reconciled during aggregation";
                    self.ev.note(Note::info(self.position, text));
                }
                Ok(_) => {}
                Err(_) => {
                    let mut name = String::new();
                    // Writing to a string cannot fail.
                    let _ = crate::model::write_quoted(&mut name, head.labels.metric_name());
                    self.ev.note(Note::warning(self.position, mixed_schemas(&name)));
                }
            }
        }
    }

    /// The group's column; `running` is ready for another group then.
    fn finish(&self, running: &mut Running, steps: usize) -> (bool, Column) {
        if running.values.is_empty() {
            return (false, Column::sparse(steps));
        }
        let mut histograms = Vec::new();
        for (step, cell) in std::mem::take(&mut running.cells) {
            let (word, bit) = (step as usize / 64, 1_u64 << (step % 64));
            if running.seen[word] & bit != 0 {
                running.seen[word] &= !bit;
                let text = "encountered a mix of histograms and floats for aggregation";
                self.ev.note(Note::warning(self.position, text));
                continue;
            }
            if cell.is_incompatible {
                continue;
            }
            if let Some((histogram, hints_collide)) = cell.finish() {
                if hints_collide {
                    let text = "conflicting counter resets during histogram aggregation";
                    self.ev.note(Note::warning(self.position, text));
                }
                histograms.push((step, histogram));
            }
        }
        let (mut values, seen) = (std::mem::take(&mut running.values), std::mem::take(&mut running.seen));
        let (others, counts, means) = (&running.others, &running.counts, std::mem::take(&mut running.means));
        let drop_name = std::mem::take(&mut running.drop_name);
        let with_counts = values.iter_mut().zip(counts);
        match self.op {
            AggregateOp::Sum => {
                values.iter_mut().zip(others).for_each(|(value, lost)| *value = kahan_total(*value, *lost))
            }
            AggregateOp::Avg => {
                let parts = with_counts.zip(others);
                parts.for_each(|((value, count), lost)| *value = *value / count + lost / count);
                means.iter().for_each(|(step, mean)| values[*step as usize] = mean.get());
            }
            AggregateOp::Count => with_counts.for_each(|(value, count)| *value = *count),
            AggregateOp::Group => values.fill(1.0),
            AggregateOp::Stdvar => with_counts.for_each(|(value, count)| *value /= count),
            AggregateOp::Stddev => with_counts.for_each(|(value, count)| *value = (*value / count).sqrt()),
            _ => {}
        }
        let mut column = Column::from_parts(values, seen);
        column.set_histograms(histograms);
        column.compact();
        (drop_name, column)
    }
}

/// Up to 64 steps of a column: its values and the bits of those that are there.
#[derive(Clone, Copy)]
struct Word<'c> {
    values: &'c [f64],
    bits: u64,
}

impl Word<'_> {
    fn is_full(self) -> bool {
        self.bits == !0
    }

    fn for_each(self, mut visit: impl FnMut(usize, f64)) {
        let mut left = self.bits;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            visit(at, self.values[at]);
        }
    }
}

/// The words of a column that have any value.
fn words(column: &Column) -> impl Iterator<Item = (usize, Word<'_>)> {
    let words = column.values().chunks(64).zip(column.mask()).enumerate();
    words.filter(|(_, (_, bits))| **bits != 0).map(|(at, (values, bits))| (at * 64, Word { values, bits: *bits }))
}

fn add_sums(running: &mut Running, column: &Column) {
    for (base, word) in words(column) {
        let range = base..base + word.values.len();
        let (sums, lost) = (&mut running.values[range.clone()], &mut running.others[range]);
        if word.is_full() {
            for ((sum, lost), value) in sums.iter_mut().zip(lost).zip(word.values) {
                (*sum, *lost) = kahan_add_finite(*value, *sum, *lost);
            }
        } else {
            word.for_each(|at, value| (sums[at], lost[at]) = kahan_add(value, sums[at], lost[at]));
        }
    }
}

#[inline]
fn add_extremes(running: &mut Running, column: &Column, is_better: impl Fn(f64, f64) -> bool) {
    let pick = |best: f64, value: f64| if is_better(value, best) || best.is_nan() { value } else { best };
    for (base, word) in words(column) {
        let best = &mut running.values[base..base + word.values.len()];
        if word.is_full() {
            best.iter_mut().zip(word.values).for_each(|(best, value)| *best = pick(*best, *value));
        } else {
            word.for_each(|at, value| best[at] = pick(best[at], value));
        }
    }
}

/// Adds to sums and counts; where a sum would pass the largest number, goes on with a running mean.
fn add_means(running: &mut Running, column: &Column) {
    for (base, word) in words(column) {
        if word.is_full() && running.means.is_empty() && add_full_word(running, base, word.values) {
            continue;
        }
        word.for_each(|at, value| add_mean(running, base + at, value));
    }
}

/// Adds to 64 sums; if one is no longer finite, nothing happened.
fn add_full_word(running: &mut Running, base: usize, values: &[f64]) -> bool {
    let range = base..base + values.len();
    let (sums, lost) = (&mut running.values[range.clone()], &mut running.others[range.clone()]);
    let (mut new_sums, mut new_lost) = ([0.0; 64], [0.0; 64]);
    let mut is_finite = true;
    for (at, value) in values.iter().enumerate() {
        (new_sums[at], new_lost[at]) = kahan_add_finite(*value, sums[at], lost[at]);
        is_finite &= (new_sums[at] + new_lost[at]).is_finite();
    }
    if is_finite {
        sums.copy_from_slice(&new_sums[..values.len()]);
        lost.copy_from_slice(&new_lost[..values.len()]);
        running.counts[range].iter_mut().for_each(|count| *count += 1.0);
    }
    is_finite
}

fn add_mean(running: &mut Running, step: usize, value: f64) {
    if let Some(mean) = running.means.get_mut(&(step as u32)) {
        mean.add(value);
        return;
    }
    let (sum, lost, count) = (running.values[step], running.others[step], running.counts[step]);
    let (new_sum, new_lost) = kahan_add(value, sum, lost);
    if new_sum.is_infinite() && count > 0.0 {
        let mut mean = Mean::resume(count, sum, lost);
        mean.add(value);
        running.means.insert(step as u32, mean);
        return;
    }
    (running.values[step], running.others[step], running.counts[step]) = (new_sum, new_lost, count + 1.0);
}

/// Welford's running variance: counts, means in the other numbers, sums of squared distances in the values.
fn add_squares(running: &mut Running, column: &Column) {
    let Running { values, others, counts, .. } = running;
    column.for_floats(|step, value| {
        counts[step] += 1.0;
        if counts[step] == 1.0 {
            others[step] = value;
            values[step] = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - others[step];
        others[step] += delta / counts[step];
        values[step] += delta * (value - others[step]);
    });
}
