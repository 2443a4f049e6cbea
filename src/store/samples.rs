//! Series as rows of samples: each value with the second at which it was measured.
//!
//! The view that PromQL has of the grid (design, section 10). Owns the order of samples: seconds ascend strictly,
//! whatever grids, late samples and open rows a series consists of; where two samples have one second, the later
//! source wins: blocks, late samples, open rows. Empty slots are no samples.

use std::sync::Arc;

use crate::block::Block;
use crate::model::{Component, ComponentId, MetricId, SeriesId, is_empty};

use super::components::Components;
use super::host::Host;
use super::host_data::HostData;
use super::seconds::{SealedSeconds, Seconds};
use super::series::Late;
use super::view::{Extent, SeriesView};

/// A component of a host, as readers choose among them.
#[derive(Debug, Clone)]
pub struct ComponentPath {
    /// From the host downwards; none for the host itself.
    pub components: Vec<Component>,
    /// Whether the first of them is a device of the host.
    pub is_device: bool,
}

/// The series of one metric that a host holds, with data in a range of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The series.
    pub series: SeriesId,
    /// Whose it is.
    pub component: ComponentId,
    /// What it measures.
    pub metric: MetricId,
}

impl Host {
    /// The series of these metrics whose samples lie around `[from, to]`, begin in it or end in it, give or take two
    /// slots; of the components that `wanted` says yes to. It is asked once a series, and may ask for the component's
    /// path.
    pub fn find_series(
        &self,
        metrics: &[MetricId],
        from_secs: i64,
        to_secs: i64,
        mut wanted: impl FnMut(ComponentId, &dyn Fn() -> ComponentPath) -> bool,
    ) -> Vec<Found> {
        let data = self.data.read();
        let mut found = Vec::new();
        for &metric in metrics {
            for &series in data.series.of_metric(metric) {
                let component = data.series.get(series).component;
                if !wanted(component, &|| path(&data.components, component)) {
                    continue;
                }
                let horizon = data.components.horizon(component);
                let is_near = Extent::of(&data, series, horizon).is_some_and(|extent| {
                    let is_near = |offset_secs: i64| {
                        extent.first_secs.saturating_sub(offset_secs) <= to_secs
                            && extent.last_secs.saturating_add(offset_secs) >= from_secs
                    };
                    is_near(0) || is_near(offset_secs_max(&data, series))
                });
                if is_near {
                    found.push(Found { series, component, metric });
                }
            }
        }
        found
    }

    /// Takes series over `[from, to]` out of the host; each can be read as often as one likes. A series without
    /// anything left is left out. All see the host at one moment.
    pub fn take_samples(&self, found: &[Found], from_secs: i64, to_secs: i64) -> Vec<(Found, SampleSeries)> {
        let (views, seconds) = {
            let data = self.data.read();
            let take = |&found: &Found| {
                let view = SeriesView::take(&data, found.series, from_secs, to_secs.saturating_add(1))?;
                Some((found, view))
            };
            let views: Vec<(Found, SeriesView)> = found.iter().filter_map(take).collect();
            let extents = views.iter().filter_map(|(_, view)| view.extent());
            let (first, last) = extents.fold((i64::MAX, i64::MIN), |all, own| (all.0.min(own.0), all.1.max(own.1)));
            (views, SealedSeconds::take(&data, first, last))
        };
        let seconds = Arc::new(seconds.open());
        let with_seconds = |(found, view)| (found, SampleSeries { view, seconds: Arc::clone(&seconds) });
        views.into_iter().map(with_seconds).collect()
    }
}

fn path(tree: &Components, of: ComponentId) -> ComponentPath {
    let mut components = Vec::new();
    let mut at = of;
    while at != ComponentId::HOST {
        components.push(tree.node(at).component());
        at = tree.node(at).parent;
    }
    components.reverse();
    ComponentPath { components, is_device: tree.is_device(of) }
}

/// Farther than this from its centre the second of a row does not lie: a sample is at most a slot off the one it is
/// nearest to.
fn offset_secs_max(data: &HostData, series: SeriesId) -> i64 {
    let series = data.series.get(series);
    let blocks = series.blocks.iter().map(Block::frequency_secs);
    let late = series.overlay().iter().map(|late| late.frequency_secs);
    let open = data.lanes.get(series.lane as usize).and_then(Option::as_ref).map(|lane| lane.frequency_secs);
    2 * i64::from(blocks.chain(late).chain(open).max().unwrap_or(0))
}

impl SeriesView {
    /// From the centre of the first to that of the last slot of what was taken.
    fn extent(&self) -> Option<(i64, i64)> {
        let blocks = self.runs.first().zip(self.runs.last()).map(|(first, last)| (first.start_secs(), last.end_secs()));
        let late = self.overlay.first().zip(self.overlay.last()).map(|(a, b)| (a.centre_secs, b.centre_secs));
        // Open rows are known whatever the range is.
        blocks.into_iter().chain(late).reduce(|all, own| (all.0.min(own.0), all.1.max(own.1)))
    }
}

/// A series, taken out of its host.
#[derive(Debug)]
pub struct SampleSeries {
    view: SeriesView,
    seconds: Arc<Seconds>,
}

impl SampleSeries {
    /// Reads the samples in `[from, to]`.
    pub fn reader(&self, from_secs: i64, to_secs: i64) -> SampleReader<'_> {
        let SeriesView { runs, overlay, open, .. } = &self.view;
        let mut pieces: Vec<Piece<'_>> = Vec::with_capacity(runs.len() + overlay.len() + 1);
        for block in runs {
            let frequency = block.frequency_secs();
            let last_secs = self.seconds.at(block.end_secs() - i64::from(frequency), frequency);
            let first_secs = self.seconds.at(block.start_secs(), frequency);
            pieces.push(Piece { source: Source::Block(block), first_secs, last_secs });
        }
        for late in overlay {
            let second = self.seconds.at(late.centre_secs, late.frequency_secs);
            pieces.push(Piece { source: Source::Late(late), first_secs: second, last_secs: second });
        }
        if let Some(open) = open {
            let last = open.start_secs + (open.values.len() as i64 - 1) * i64::from(open.frequency_secs);
            let first_secs = self.seconds.at(open.start_secs, open.frequency_secs);
            let last_secs = self.seconds.at(last, open.frequency_secs);
            pieces.push(Piece { source: Source::Open, first_secs, last_secs });
        }
        pieces.retain(|piece| piece.first_secs <= to_secs && piece.last_secs >= from_secs);
        // Stable: of pieces that begin together, the one that wins stays behind.
        pieces.sort_by_key(|piece| piece.first_secs);
        SampleReader {
            series: self,
            from_secs,
            to_secs,
            pieces: pieces.into_iter().peekable(),
            slots: Vec::new(),
            seconds: Vec::new(),
        }
    }
}

/// A part of a series.
struct Piece<'a> {
    source: Source<'a>,
    /// The second of its first sample.
    first_secs: i64,
    /// The second of its last one.
    last_secs: i64,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Block(&'a Block),
    Late(&'a Late),
    Open,
}

impl Source<'_> {
    /// Of two samples with one second, that of the larger rank counts.
    fn rank(&self) -> u8 {
        match self {
            Source::Block(_) => 0,
            Source::Late(_) => 1,
            Source::Open => 2,
        }
    }
}

/// Reads the samples of a series from front to back, about a block at a time.
pub struct SampleReader<'a> {
    series: &'a SampleSeries,
    /// No sample before this second is handed out: at first the range's begin, then the one behind the last sample.
    from_secs: i64,
    to_secs: i64,
    pieces: std::iter::Peekable<std::vec::IntoIter<Piece<'a>>>,
    slots: Vec<f64>,
    seconds: Vec<i64>,
}

impl SampleReader<'_> {
    /// Appends the next samples, their seconds and their values; `false` when there are no more.
    pub fn next(&mut self, seconds: &mut Vec<i64>, values: &mut Vec<f64>) -> bool {
        let before = seconds.len();
        while seconds.len() == before {
            let Some(first) = self.pieces.next() else { return false };
            let mut last_secs = first.last_secs;
            let mut more = Vec::new();
            while let Some(piece) = self.pieces.next_if(|piece| piece.first_secs <= last_secs) {
                last_secs = last_secs.max(piece.last_secs);
                more.push(piece);
            }
            self.read(first.source, seconds, values);
            let is_sorted = seconds[before..].is_sorted_by(|a, b| a < b);
            if !more.is_empty() || !is_sorted {
                self.merge(first.source, more, before, seconds, values);
            }
            if let Some(&last) = seconds.last().filter(|_| seconds.len() > before) {
                self.from_secs = last + 1;
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
        seconds: &mut Vec<i64>,
        values: &mut Vec<f64>,
    ) {
        let mut ranks = vec![first.rank(); seconds.len() - before];
        for piece in more {
            self.read(piece.source, seconds, values);
            ranks.resize(seconds.len() - before, piece.source.rank());
        }
        let read = seconds.drain(before..).zip(values.drain(before..)).zip(ranks);
        let mut samples: Vec<((i64, f64), u8)> = read.collect();
        samples.sort_by_key(|&((second, _), rank)| (second, rank));
        for (at, &((second, value), _)) in samples.iter().enumerate() {
            if samples.get(at + 1).is_none_or(|&((next, _), _)| next > second) {
                seconds.push(second);
                values.push(value);
            }
        }
    }

    /// Appends the samples of one piece that lie in the range and behind the horizon.
    fn read(&mut self, source: Source<'_>, seconds: &mut Vec<i64>, values: &mut Vec<f64>) {
        let view = &self.series.view;
        let (start_secs, frequency_secs) = match source {
            Source::Block(block) => {
                self.slots.resize(block.len(), 0.0);
                block.decode(0..block.len(), &mut self.slots);
                (block.start_secs(), block.frequency_secs())
            }
            Source::Late(late) => {
                self.slots.clear();
                self.slots.push(late.value);
                (late.centre_secs, late.frequency_secs)
            }
            Source::Open => {
                let Some(open) = &view.open else { return };
                self.slots.clear();
                self.slots.extend_from_slice(&open.values);
                (open.start_secs, open.frequency_secs)
            }
        };
        let kept = view.slots_before_horizon(start_secs, frequency_secs).max(0) as usize;
        self.series.seconds.fill(start_secs, frequency_secs, self.slots.len(), &mut self.seconds);
        let (slots, at) = (self.slots.get(kept..).unwrap_or_default(), self.seconds.get(kept..).unwrap_or_default());
        // No exit inside: so each becomes a few vector instructions.
        let is_full = slots.iter().fold(true, |is_full, value| is_full & !is_empty(*value));
        let is_inside = |second: &i64| (self.from_secs <= *second) & (*second <= self.to_secs);
        if is_full && at.iter().fold(true, |all, second| all & is_inside(second)) {
            seconds.extend_from_slice(at);
            values.extend_from_slice(slots);
            return;
        }
        for (&value, &second) in self.slots.iter().zip(&self.seconds).skip(kept) {
            if !is_empty(value) && (self.from_secs..=self.to_secs).contains(&second) {
                seconds.push(second);
                values.push(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Aggregation, Metric, MetricTable, Sample};
    use crate::store::{Limits, SeriesPath, Store};
    use crate::testing::Random;

    const FREQUENCY: u32 = 60;

    struct World {
        store: Store,
        host: Arc<Host>,
        series: Vec<SeriesId>,
    }

    impl World {
        fn new(series: usize) -> World {
            let metric = Metric { name: "load".into(), frequency_secs: FREQUENCY, aggregation: Aggregation::None };
            let store = Store::new(MetricTable::new([metric]), Limits::default());
            let host = store.host_or_create("fritz", "f1").unwrap();
            let add = |at: usize| {
                let path = [Component::new("core", &at.to_string())];
                let path = SeriesPath { components: &path, is_device: false, metric: MetricId(0) };
                host.series(&path, store.limits()).unwrap()
            };
            let series = (0..series).map(add).collect();
            World { store, host, series }
        }

        fn send(&self, at: usize, secs: i64, value: f64) {
            let sample = Sample { series: self.series[at], secs, value };
            let applied = self.host.apply(&self.store.metrics(), &[sample], secs);
            assert_eq!(applied.stored, 1);
        }

        fn read(&self, at: usize, from: i64, to: i64) -> Vec<(i64, f64)> {
            let found = self.host.find_series(&[MetricId(0)], from, to, |_, _| true);
            let found: Vec<Found> = found.into_iter().filter(|found| found.series == self.series[at]).collect();
            let taken = self.host.take_samples(&found, from, to);
            let Some((_, series)) = taken.first() else { return Vec::new() };
            let (mut seconds, mut values) = (Vec::new(), Vec::new());
            let mut reader = series.reader(from, to);
            while reader.next(&mut seconds, &mut values) {}
            assert!(seconds.is_sorted_by(|a, b| a < b), "seconds ascend: {seconds:?}");
            seconds.into_iter().zip(values).collect()
        }
    }

    const START: i64 = 1_770_000_000;

    #[test]
    fn samples_keep_their_seconds_through_blocks_and_open_rows() {
        let world = World::new(3);
        let mut random = Random::new(7);
        let mut sent: Vec<Vec<(i64, f64)>> = vec![Vec::new(); 3];
        for tick in 0..1500i64 {
            let secs = START + tick * 60 + random.within(-9..10);
            for (at, sent) in sent.iter_mut().enumerate() {
                // One series is not there at every tick, and for a while not at all.
                if at == 1 && (tick % 7 == 0 || (500..900).contains(&tick)) {
                    continue;
                }
                let value = random.within(0..1000) as f64 / 8.0;
                world.send(at, secs, value);
                sent.push((secs, value));
            }
        }
        let end = START + 1500 * 60;
        let ranges = [(0, i64::MAX / 8), (START, START), (START + 5000, START + 50_000), (end - 3000, end), (0, 1)];
        for (at, sent) in sent.iter().enumerate() {
            for (from, to) in ranges {
                let expected: Vec<_> = sent.iter().filter(|(secs, _)| (from..=to).contains(secs)).copied().collect();
                assert_eq!(world.read(at, from, to), expected, "series {at} in [{from}, {to}]");
            }
        }
    }

    #[test]
    fn late_samples_take_the_second_of_their_row() {
        let world = World::new(2);
        for tick in 0..200 {
            world.send(0, START + tick * 60 + tick % 5, tick as f64);
            if tick != 30 && tick != 31 {
                world.send(1, START + tick * 60 + tick % 5, tick as f64);
            }
        }
        // The row's second is known by the other series; the value came 12 s later.
        world.send(1, START + 30 * 60 + 12, -30.0);
        world.send(1, START + 50 * 60 + 3, -50.0);
        let read = world.read(1, 0, i64::MAX / 8);
        assert_eq!(read.len(), 199);
        assert_eq!(read[30], (START + 30 * 60, -30.0));
        assert_eq!(read[31], (START + 32 * 60 + 2, 32.0));
        assert_eq!(read[49], (START + 50 * 60, -50.0), "it replaces what its slot held");
    }

    /// Whatever had ended within a day was listed for any hour of it.
    #[test]
    fn series_are_found_by_the_time_of_their_samples() {
        let world = World::new(1);
        let found = |from: i64, to: i64| world.host.find_series(&[MetricId(0)], from, to, |_, _| true).len();
        for ticks in [1, 300] {
            for tick in 0..ticks {
                world.send(0, START + tick * 60 + tick % 7, tick as f64);
            }
            let last = START + (ticks - 1) * 60 + (ticks - 1) % 7;
            assert_eq!((found(0, START), found(last, i64::MAX)), (1, 1), "{ticks}");
            assert_eq!((found(0, START - 200), found(last + 200, i64::MAX)), (0, 0), "{ticks}");
        }
    }

    #[test]
    fn nothing_before_the_horizon_is_read() {
        let world = World::new(1);
        for tick in 0..300 {
            world.send(0, START + tick * 60, tick as f64);
        }
        world.host.move_horizon([], START + 100 * 60);
        let read = world.read(0, 0, i64::MAX / 8);
        assert_eq!((read.len(), read[0]), (200, (START + 100 * 60, 100.0)));
        world.host.move_horizon(["core0"], START + 10_000 * 60);
        assert_eq!(world.read(0, 0, i64::MAX / 8), []);
    }

    /// Whatever comes, in whatever order: seconds ascend, and each value lies near the second it was sent with.
    #[test]
    fn wild_senders_are_read_in_order() {
        for seed in 0..60 {
            let mut random = Random::new(seed);
            let world = World::new(2);
            let mut sent: std::collections::HashMap<u64, i64> = std::collections::HashMap::new();
            let mut secs = START;
            let mut drift = 60;
            for number in 0..900u64 {
                match random.below(40) {
                    0 => secs += random.within(0..30_000),
                    1 => drift = random.within(40..80),
                    2 => drift = 60,
                    _ => secs += drift + random.within(-3..4),
                }
                let at = if random.percent(15) { (secs - random.within(0..20_000)).max(START) } else { secs };
                let value = number as f64 + 0.5;
                let which = random.below(2);
                world.send(which, at, value);
                sent.insert(value.to_bits() << 1 | which as u64, at);
            }
            for which in 0..2 {
                let all = world.read(which, 0, i64::MAX / 8);
                assert!(all.len() > 50, "seed {seed}");
                for &(second, value) in &all {
                    let at = sent[&(value.to_bits() << 1 | which as u64)];
                    assert!(
                        (second - at).abs() <= 2 * i64::from(FREQUENCY),
                        "seed {seed}: {value} of {at} at {second}"
                    );
                }
                for _ in 0..5 {
                    let from = START + random.within(0..60_000);
                    let to = from + random.within(0..20_000);
                    let expected: Vec<_> = all.iter().filter(|(at, _)| (from..=to).contains(at)).copied().collect();
                    assert_eq!(world.read(which, from, to), expected, "seed {seed}: [{from}, {to}]");
                }
            }
        }
    }
}
