//! Series as rows of samples, found and taken out of their host: the view that PromQL has of the grid (design, section
//! 10).
//!
//! Invariant: what is taken at once saw the host at one moment, and shares the times of its rows.

use std::sync::Arc;

use crate::block::Block;
use crate::model::{Component, ComponentId, MetricId, SeriesId};

use super::components::Components;
use super::host::Host;
use super::host_data::HostData;
use super::seconds::{SealedSeconds, Seconds};
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
    pub(super) view: SeriesView,
    pub(super) seconds: Arc<Seconds>,
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
            let mut reader = series.reader(from.saturating_mul(1000), to.saturating_mul(1000));
            while reader.next(&mut seconds, &mut values) {}
            seconds.iter_mut().for_each(|time| *time /= 1000);
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
