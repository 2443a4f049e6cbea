//! Reads a series of slots as samples: each value with the time at which it was measured.
//!
//! Owns the order of samples: times ascend strictly, whatever grids, late samples and open rows a series consists of;
//! where two samples have one time, the later source wins: blocks, late samples, open rows. Empty slots are no samples.
//! Times that are known to ascend are those of a whole host, copied as they lie; all others are looked at one by one.

use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use crate::block::Block;
use crate::model::is_empty;

use super::samples::SampleSeries;
use super::series::Late;
use super::view::{Open, SeriesView};

impl SampleSeries {
    /// Reads the samples in `[from, to]`, in milliseconds.
    pub fn reader(&self, from_ms: i64, to_ms: i64) -> SampleReader<'_> {
        let SeriesView { runs, overlay, open, .. } = &self.view;
        let blocks = runs.iter().map(Source::Block);
        let sources = blocks.chain(overlay.iter().map(Source::Late)).chain(open.iter().map(Source::Open));
        let pieces = sources.map(|source| {
            let (start_secs, frequency_secs, count) = source.slots();
            let last_secs = start_secs + (count as i64 - 1) * i64::from(frequency_secs);
            let first_ms = self.seconds.at(start_secs, frequency_secs);
            Piece { source, first_ms, last_ms: self.seconds.at(last_secs, frequency_secs) }
        });
        let mut pieces: Vec<Piece<'_>> =
            pieces.filter(|piece| piece.first_ms <= to_ms && piece.last_ms >= from_ms).collect();
        // Stable: of pieces that begin together, the one that wins stays behind.
        pieces.sort_by_key(|piece| piece.first_ms);
        SampleReader { series: self, from_ms, to_ms, pieces: pieces.into_iter().peekable(), times: Vec::new() }
    }
}

/// A part of a series.
struct Piece<'a> {
    source: Source<'a>,
    /// The time of its first sample.
    first_ms: i64,
    /// The time of its last one.
    last_ms: i64,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Block(&'a Block),
    Late(&'a Late),
    Open(&'a Open),
}

impl Source<'_> {
    /// Of two samples with one second, that of the larger rank counts.
    fn rank(&self) -> u8 {
        match self {
            Source::Block(_) => 0,
            Source::Late(_) => 1,
            Source::Open(_) => 2,
        }
    }

    /// The centre of its first slot, the seconds from one slot to the next, and the number of slots.
    fn slots(&self) -> (i64, u32, usize) {
        match self {
            Source::Block(block) => (block.start_secs(), block.frequency_secs(), block.len()),
            Source::Late(late) => (late.centre_secs, late.frequency_secs, 1),
            Source::Open(open) => (open.start_secs, open.frequency_secs, open.values.len()),
        }
    }

    /// Appends what some slots hold; tells whether one may be empty.
    fn append(&self, slots: Range<usize>, values: &mut Vec<f64>) -> bool {
        match self {
            Source::Block(block) => {
                let before = values.len();
                values.resize(before + slots.len(), 0.0);
                block.decode(slots, &mut values[before..]);
                !block.is_full()
            }
            Source::Late(late) => {
                values.extend(slots.map(|_| late.value));
                true
            }
            Source::Open(open) => {
                values.extend_from_slice(&open.values[slots]);
                true
            }
        }
    }
}

/// Reads the samples of a series from front to back, about a block at a time.
pub struct SampleReader<'a> {
    series: &'a SampleSeries,
    /// No sample before this time is handed out: at first the range's begin, then the one behind the last sample.
    from_ms: i64,
    to_ms: i64,
    pieces: Peekable<IntoIter<Piece<'a>>>,
    /// Those of a piece's slots, where they have to be worked out.
    times: Vec<i64>,
}

impl SampleReader<'_> {
    /// Appends the next samples, their times in milliseconds and their values; `false` when there are no more.
    pub fn next(&mut self, times: &mut Vec<i64>, values: &mut Vec<f64>) -> bool {
        let before = times.len();
        while times.len() == before {
            let Some(first) = self.pieces.next() else { return false };
            let mut last_ms = first.last_ms;
            let mut more = Vec::new();
            while let Some(piece) = self.pieces.next_if(|piece| piece.first_ms <= last_ms) {
                last_ms = last_ms.max(piece.last_ms);
                more.push(piece);
            }
            let is_sorted = self.read(first.source, times, values);
            if !more.is_empty() || !is_sorted {
                self.merge(first.source, more, before, times, values);
            }
            if let Some(&last) = times.last().filter(|_| times.len() > before) {
                self.from_ms = last + 1;
            }
        }
        true
    }

    /// Merges what was read of a piece with other pieces over the same time.
    fn merge(
        &mut self,
        first: Source<'_>,
        more: Vec<Piece<'_>>,
        before: usize,
        times: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) {
        let mut ranks = vec![first.rank(); times.len() - before];
        for piece in more {
            self.read(piece.source, times, values);
            ranks.resize(times.len() - before, piece.source.rank());
        }
        let read = times.drain(before..).zip(values.drain(before..)).zip(ranks);
        let mut samples: Vec<((i64, f64), u8)> = read.collect();
        samples.sort_by_key(|&((time, _), rank)| (time, rank));
        for (at, &((time, value), _)) in samples.iter().enumerate() {
            if samples.get(at + 1).is_none_or(|&((next, _), _)| next > time) {
                times.push(time);
                values.push(value);
            }
        }
    }

    /// Appends the samples of one piece that lie in the range and behind the horizon; tells whether their times ascend
    /// for sure.
    fn read(&mut self, source: Source<'_>, times: &mut Vec<i64>, values: &mut Vec<f64>) -> bool {
        let (start_secs, frequency_secs, count) = source.slots();
        let kept = self.series.view.slots_before_horizon(start_secs, frequency_secs).clamp(0, count as i64) as usize;
        let before = times.len();
        let shared = self.series.seconds.ascending(start_secs, frequency_secs, count);
        let may_be_empty = match shared {
            Some(shared) => {
                let first = shared.partition_point(|&time| time < self.from_ms).max(kept);
                let end = shared.partition_point(|&time| time <= self.to_ms).max(first);
                times.extend_from_slice(&shared[first..end]);
                source.append(first..end, values)
            }
            None => {
                self.series.seconds.fill(start_secs, frequency_secs, count, &mut self.times);
                times.extend_from_slice(&self.times[kept..]);
                source.append(kept..count, values)
            }
        };
        if shared.is_some() && !may_be_empty {
            return true;
        }
        let (from_ms, to_ms) = (self.from_ms, self.to_ms);
        keep(before, times, values, |time, value| !is_empty(value) & (from_ms <= time) & (time <= to_ms));
        shared.is_some()
    }
}

/// Takes the samples from one place on out of columns for which something does not hold.
fn keep(first: usize, times: &mut Vec<i64>, values: &mut Vec<f64>, is_kept: impl Fn(i64, f64) -> bool) {
    let mut end = first;
    for at in first..times.len().min(values.len()) {
        let (time, value) = (times[at], values[at]);
        (times[end], values[end]) = (time, value);
        end += usize::from(is_kept(time, value));
    }
    times.truncate(end);
    values.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Aggregation, Component, Metric, MetricId, MetricTable, Sample};
    use crate::store::{Limits, SeriesPath, Store};
    use crate::testing::Random;

    /// The short way, whole runs of slots at once, against the plain one, for whatever senders do: jitter, holes, NaN,
    /// late values, values ahead, clocks that are set, more than one frequency, horizons, restarts, any range.
    #[test]
    fn times_that_ascend_are_read_as_any_are() {
        let mut short = 0;
        for seed in 0..120 {
            let mut random = Random::new(seed);
            let metric = |name: &str, frequency_secs| Metric {
                name: name.into(),
                frequency_secs,
                aggregation: Aggregation::None,
            };
            let new = || {
                let metrics = MetricTable::new([metric("load", 60), metric("net", 10)]);
                Store::new(metrics, Limits::default())
            };
            let mut store = new();
            let wildness = *random.pick(&[0, 0, 1, 5]);
            let jitter = random.within(0..9);
            let mut secs = 1_770_000_000;
            for _ in 0..random.within(1..1200) {
                let now = secs + random.within(0..jitter + 1);
                let host = store.host_or_create("fritz", "f1").unwrap();
                for core in 0..4 {
                    let metric = MetricId(u32::from(core == 3));
                    let path = [Component::new("core", &core.to_string())];
                    let path = SeriesPath { components: &path, is_device: false, metric };
                    let series = host.series(&path, store.limits()).unwrap();
                    let value = if random.percent(2) { f64::NAN } else { random.unit() };
                    let at = match random.percent(wildness) {
                        true => now + random.within(-20_000..6000),
                        false => now,
                    };
                    if core != 1 || !random.percent(10) {
                        host.apply(&store.metrics(), &[Sample { series, secs: at, value }], now);
                    }
                }
                secs += 60;
                if random.percent(wildness) && random.percent(30) {
                    secs += random.within(-40..9000);
                }
                if random.percent(wildness) && random.percent(10) {
                    let core = random.below(3);
                    host.move_horizon([format!("core{core}").as_str()], now - random.within(0..30_000));
                }
                if random.percent(wildness) && random.percent(10) {
                    let image = host.image(&store.metrics());
                    let next = new();
                    next.host_or_create("fritz", "f1").unwrap().restore(&image, &next.metrics(), next.limits());
                    store = next;
                }
            }
            let host = store.host("fritz", "f1").unwrap();
            for _ in 0..12 {
                let from = secs - random.within(-100..80_000);
                let to = from + random.within(-10..80_000);
                let found = host.find_series(&[MetricId(0), MetricId(1)], from, to, |_, _| true);
                let mut taken = host.take_samples(&found, from, to);
                let range = (from * 1000 - random.within(0..1000), to * 1000 + random.within(0..1000));
                let read = |series: &SampleSeries| {
                    let (mut times, mut values) = (Vec::new(), Vec::new());
                    let mut reader = series.reader(range.0, range.1);
                    while reader.next(&mut times, &mut values) {}
                    assert!(times.is_sorted_by(|a, b| a < b), "seed {seed}: {times:?}");
                    times.into_iter().zip(values.into_iter().map(f64::to_bits)).collect::<Vec<_>>()
                };
                let fast: Vec<_> = taken.iter().map(|(_, series)| read(series)).collect();
                let slots = taken.iter().flat_map(|(_, series)| series.view.runs.iter().map(move |run| (series, run)));
                let is_short = |(series, run): (&SampleSeries, &Block)| {
                    series.seconds.ascending(run.start_secs(), run.frequency_secs(), run.len()).is_some()
                };
                short += slots.filter(|slots| is_short(*slots)).count();
                for (_, series) in &mut taken {
                    series.seconds = std::sync::Arc::new(series.seconds.one_by_one());
                }
                let plain: Vec<_> = taken.iter().map(|(_, series)| read(series)).collect();
                assert_eq!(fast, plain, "seed {seed}: {range:?}");
            }
        }
        assert!(short > 1000, "{short}");
    }
}
