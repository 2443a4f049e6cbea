//! Aggregation: many series as one, slot by slot (design, section 5).
//!
//! A child is *absent* before its first sample and from the sixth slot of any hole: then it does not contribute. The
//! first five slots of a hole are *incomplete*: the whole slot is empty, for a sum that silently lacks a part is
//! wrong. So one quiet child or a skewed clock never spoils an answer, and a slot older than five frequencies changes
//! only by late data.

use crate::model::{Aggregation, EMPTY, is_empty};

use super::pieces::{Piece, scratch};
use super::view::{SeriesView, output_at, signed_output_at};

/// Slots of a hole in which a child is awaited.
pub(super) const AWAITED: usize = 5;

/// Combines children over outputs that stand for `from + i · f`.
pub(super) fn combine(children: &[SeriesView], from_secs: i64, frequency_secs: u32, outputs: usize) -> Combined {
    // The slots before the range tell how long a hole has lasted when the range begins.
    let begin_secs = from_secs - AWAITED as i64 * i64::from(frequency_secs);
    let mut sums = Sums::new(outputs + AWAITED);
    let mut scratch = scratch();
    let mut slots = Vec::new();
    for child in children {
        let first = output_at(begin_secs, frequency_secs, child.first_secs, frequency_secs).unwrap_or(0);
        sums.begin_child(first);
        if child.is_plain(begin_secs, frequency_secs) {
            // Each block is decoded once, and added while it is still in the cache.
            child.each_piece(begin_secs, frequency_secs, outputs + AWAITED, &mut scratch, |at, piece| match piece {
                Piece::Full(values) => sums.add(at, values),
                Piece::Holed(values) => sums.add_holed(at, values),
                Piece::Constant(value, count) => sums.add_constant(at, value, count),
            });
        } else {
            slots.clear();
            slots.resize(outputs + AWAITED, EMPTY);
            child.fill(begin_secs, frequency_secs, &mut slots);
            sums.add_holed(0, &slots);
        }
        sums.end_child();
    }
    sums.finish()
}

/// Sums under way, child by child. Slot [`AWAITED`] is the first output.
struct Sums {
    sums: Vec<f64>,
    /// How many more children than for the slot before have a value.
    contributors: Vec<i32>,
    is_incomplete: Vec<bool>,
    /// Of the child: the slot of its first value over all time.
    first: usize,
    /// Of the child: the slot behind the last one that was added.
    next: usize,
}

impl Sums {
    fn new(slots: usize) -> Sums {
        Sums {
            sums: vec![0.0; slots],
            contributors: vec![0; slots + 1],
            is_incomplete: vec![false; slots],
            first: 0,
            next: 0,
        }
    }

    fn begin_child(&mut self, first: usize) {
        (self.first, self.next) = (first, 0);
    }

    fn end_child(&mut self) {
        self.note_hole(self.sums.len());
    }

    /// Adds values behind all that was added of the child, none of them empty.
    fn add(&mut self, at: usize, values: &[f64]) {
        self.note_values(at, values.len());
        // Free of branches and of what the last turn did: this is the loop that vectorises.
        self.sums[at..at + values.len()].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }

    /// As [`add`](Self::add), with one value for all.
    fn add_constant(&mut self, at: usize, value: f64, count: usize) {
        self.note_values(at, count);
        // A sum that begins with zero never is the negative zero: adding a zero changes no bit.
        if value != 0.0 {
            self.sums[at..at + count].iter_mut().for_each(|sum| *sum += value);
        }
    }

    /// As [`add`](Self::add), with empty values among them.
    fn add_holed(&mut self, at: usize, values: &[f64]) {
        let mut begin = 0;
        while let Some(skipped) = values[begin..].iter().position(|&value| !is_empty(value)) {
            begin += skipped;
            let len = values[begin..].iter().position(|&value| is_empty(value)).unwrap_or(values.len() - begin);
            self.add(at + begin, &values[begin..begin + len]);
            begin += len;
        }
    }

    fn note_values(&mut self, at: usize, count: usize) {
        self.note_hole(at);
        self.contributors[at] += 1;
        self.contributors[at + count] -= 1;
        self.next = at + count;
    }

    /// Notes that the child has nothing from where its values ended up to a slot.
    fn note_hole(&mut self, end: usize) {
        let awaited = self.next.max(AWAITED).max(self.first)..(self.next + AWAITED).min(end);
        if !awaited.is_empty() {
            self.is_incomplete[awaited].fill(true);
        }
    }

    fn finish(self) -> Combined {
        let Sums { mut sums, contributors, is_incomplete, .. } = self;
        let mut count = 0;
        let counts = contributors.iter().zip(is_incomplete).map(|(change, is_incomplete)| {
            count += change;
            if is_incomplete { 0 } else { count.unsigned_abs() }
        });
        let counts: Vec<u32> = counts.skip(AWAITED).collect();
        sums.drain(..AWAITED);
        Combined { sums, counts }
    }
}

/// The sums of children, and how many children each of them is of: none where the sum is not complete.
#[derive(Debug)]
pub(super) struct Combined {
    pub(super) sums: Vec<f64>,
    pub(super) counts: Vec<u32>,
}

impl Combined {
    /// What a metric with this aggregation answers.
    pub(super) fn answer(self, aggregation: Aggregation) -> Vec<f64> {
        let mut values = self.sums;
        for (value, &count) in values.iter_mut().zip(&self.counts) {
            *value = answer_of(*value, count, aggregation);
        }
        values
    }
}

/// What a sum of so many children answers.
#[inline]
pub(super) fn answer_of(sum: f64, count: u32, aggregation: Aggregation) -> f64 {
    match aggregation {
        _ if count == 0 => EMPTY,
        Aggregation::Avg => sum / f64::from(count),
        Aggregation::Sum | Aggregation::None => sum,
    }
}

/// Cuts trailing outputs off for which a child is still awaited: one whose last sample lies shortly before them.
pub(super) fn cut_awaited(
    values: &mut Vec<f64>,
    last_secs: impl Iterator<Item = i64>,
    from_secs: i64,
    frequency_secs: u32,
) {
    if !values.last().is_some_and(|&value| is_empty(value)) {
        return;
    }
    // Negative for a child that ended before the range: one that did so long ago is not awaited any more.
    let last: Vec<i64> =
        last_secs.map(|last| signed_output_at(from_secs, frequency_secs, last, frequency_secs)).collect();
    let is_awaited = |output: usize| {
        let output = output as i64;
        last.iter().any(|&last| last < output && output <= last + AWAITED as i64)
    };
    while values.last().is_some_and(|&value| is_empty(value)) && is_awaited(values.len() - 1) {
        values.pop();
    }
}
