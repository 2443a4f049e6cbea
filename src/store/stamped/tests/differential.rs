//! Whatever is sent in whatever order: a host answers what the plain model answers.

use std::collections::BTreeMap;

use super::model::Model;
use super::{NOW_MS, assert_counted, histogram, host, read, store};
use crate::model::{EMPTY, Exemplar, Labels, MatchOp, Matcher, STALE, StampedId, StampedSample, StampedValue};
use crate::store::Store;
use crate::testing::Random;

/// A sender's series and the times at which it sends.
struct Target {
    series: Vec<Labels>,
    phase_ms: i64,
    every_ms: i64,
}

struct World {
    random: Random,
    store: Store,
    model: Model,
    targets: Vec<Target>,
    ids: BTreeMap<Labels, StampedId>,
    now_ms: i64,
    begin_ms: i64,
    names: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let mut world = World {
            random: Random::new(seed),
            store: store(),
            model: Model { horizon_ms: i64::MIN, ..Model::default() },
            targets: Vec::new(),
            ids: BTreeMap::new(),
            now_ms: NOW_MS,
            begin_ms: NOW_MS,
            names: 0,
        };
        (0..3).for_each(|_| world.add_target());
        world
    }

    fn add_target(&mut self) {
        let count = 1 + self.random.below(12);
        let series = (0..count).map(|_| self.new_labels()).collect();
        // Now and then two targets come at the same times.
        let phase_ms = self.random.within(0..3) * 7;
        let every_ms = *self.random.pick(&[1000, 1000, 15_000, 60_000]);
        self.targets.push(Target { series, phase_ms, every_ms });
    }

    fn new_labels(&mut self) -> Labels {
        self.names += 1;
        let metric = format!("m{}", self.names % 7);
        Labels::from_pairs([("__name__", &*metric), ("number", &self.names.to_string()), ("job", "node")])
    }

    fn value(&mut self) -> StampedValue {
        StampedValue::Float(match self.random.below(30) {
            0 => STALE,
            1 => EMPTY,
            2 => f64::from_bits(0x7FF8_0000_0000_0001 + (self.random.bits() & 0xFFFF)),
            3 => f64::NEG_INFINITY,
            4 => -0.0,
            5 => f64::from_bits(self.random.bits()),
            6 => return StampedValue::Histogram(histogram(2.0 + self.random.below(50) as f64)),
            _ => self.random.below(1000) as f64 / 10.0,
        })
    }

    fn sample(&mut self, labels: &Labels, time_ms: i64) -> (Labels, StampedSample) {
        let series = match self.ids.get(labels) {
            Some(&id) => id,
            None => {
                let id = host(&self.store).stamped(labels, self.store.limits()).unwrap();
                self.ids.insert(labels.clone(), id);
                id
            }
        };
        let start_ms = if self.random.percent(3) { time_ms - self.random.within(0..100_000) } else { 0 };
        (labels.clone(), StampedSample { series, time_ms, start_ms, value: self.value() })
    }

    /// One tick of a target, or several, as one body.
    fn tick(&mut self) {
        self.now_ms += 1000 + self.random.within(0..2) * 14_000;
        let at = self.random.below(self.targets.len());
        let Target { series, phase_ms, every_ms } = &self.targets[at];
        let (series, phase_ms, every_ms) = (series.clone(), *phase_ms, *every_ms);
        let newest = self.now_ms - self.now_ms % every_ms + phase_ms;
        let ticks = if self.random.percent(10) { 1 + self.random.within(0..100) } else { 1 };
        let mut body = Vec::new();
        for labels in &series {
            for tick in (0..ticks).rev() {
                if !self.random.percent(4) {
                    body.push(self.sample(labels, newest - tick * every_ms));
                }
            }
        }
        if self.random.percent(20) {
            // Another order of series and times.
            for at in (1..body.len()).rev() {
                body.swap(at, self.random.below(at + 1));
            }
        }
        self.send(&body);
    }

    /// Samples of one series, of any age or ahead of the clock.
    fn stray(&mut self) {
        let at = self.random.below(self.targets.len());
        let labels = self.random.pick(&self.targets[at].series).clone();
        let span = self.now_ms - self.begin_ms + 100_000;
        let count = 1 + self.random.below(60);
        let base = self.now_ms - self.random.within(0..span);
        let body: Vec<_> = (0..count as i64)
            .map(|number| {
                let time_ms = match self.random.below(3) {
                    0 => base + number * 1000,
                    1 => self.now_ms - self.random.within(0..span),
                    _ => self.now_ms + self.random.within(0..3_600_000),
                };
                self.sample(&labels, time_ms)
            })
            .collect();
        self.send(&body);
    }

    fn send(&mut self, body: &[(Labels, StampedSample)]) {
        let samples: Vec<StampedSample> = body.iter().map(|(_, sample)| sample.clone()).collect();
        let applied = host(&self.store).apply_stamped(&samples, self.now_ms);
        let stored = body.iter().filter(|(labels, sample)| self.model.write(labels, sample)).count() as u64;
        assert_eq!((applied.stored, applied.before_horizon, applied.gone), (stored, body.len() as u64 - stored, 0));
    }

    fn exemplify(&mut self) {
        let at = self.random.below(self.targets.len());
        let labels = self.random.pick(&self.targets[at].series).clone();
        for _ in 0..self.random.below(15) {
            let time_ms = self.now_ms - self.random.within(0..50_000);
            let trace = self.random.bits().to_string();
            let exemplar = Exemplar { labels: Labels::from_pairs([("trace", &*trace)]), value: 1.5, time_ms };
            let (_, sample) = self.sample(&labels, time_ms);
            let all = [(sample.series, exemplar.clone()), (sample.series, exemplar.clone())];
            host(&self.store).add_exemplars(&all);
            self.model.exemplify(&labels, &exemplar, self.store.limits().exemplars_per_series_max);
        }
    }

    fn free(&mut self) {
        let to_secs = (self.begin_ms + self.random.within(0..self.now_ms - self.begin_ms + 1)) / 1000;
        host(&self.store).move_horizon([], to_secs);
        self.model.free(to_secs * 1000);
    }

    /// New label sets in place of old ones; what holds nothing is forgotten.
    fn churn(&mut self) {
        if self.targets.len() > 4 {
            let at = self.random.below(self.targets.len());
            self.targets.remove(at);
        }
        self.add_target();
        let host = host(&self.store);
        let generation = host.stamped_generation();
        let gone = host.sweep_stamped();
        assert_eq!(gone > 0, host.stamped_generation() != generation);
        self.ids.retain(|_, id| host.holds_stamped(*id));
    }

    /// Out of one store and into another, as a restart does; now and then what is there already is merged with it.
    fn restart(&mut self) {
        let image = host(&self.store).image(&self.store.metrics());
        if self.random.percent(50) {
            self.store = store();
        }
        let restored = host(&self.store).restore(&image, &self.store.metrics(), self.store.limits());
        assert_eq!(restored.refused, 0);
        self.ids.clear();
    }

    fn check(&mut self) {
        assert_counted(&self.store);
        let host = host(&self.store);
        let span = self.now_ms - self.begin_ms + 4_000_000;
        let ranges = [
            (i64::MIN, i64::MAX),
            (self.begin_ms + self.random.within(0..span), self.begin_ms + self.random.within(0..span)),
        ];
        for (from_ms, to_ms) in ranges {
            let everything = Matcher::new("__name__", MatchOp::Regex, ".+").unwrap();
            let found = host.find_stamped(&[everything], from_ms, to_ms);
            let found: BTreeMap<Labels, StampedId> = found.into_iter().map(|found| (found.labels, found.id)).collect();
            for labels in self.model.series.keys() {
                let expected = self.model.read(labels, from_ms, to_ms);
                let answered = found.get(labels).map_or_else(Vec::new, |&id| read(&host, id, from_ms, to_ms));
                assert_eq!(answered, expected, "{labels} from {from_ms} to {to_ms}");
            }
            let of_model = self.model.series.keys().filter(|labels| !self.model.series[*labels].exemplars.is_empty());
            let exemplars: BTreeMap<Labels, Vec<Exemplar>> =
                host.exemplars(&[], i64::MIN, i64::MAX).into_iter().collect();
            assert_eq!(exemplars.len(), of_model.count());
            for (labels, answered) in exemplars {
                assert_eq!(answered, self.model.series[&labels].exemplars, "{labels}");
            }
        }
    }
}

fn run(seed: u64, steps: usize) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    for step in 0..steps {
        match world.random.below(100) {
            0..75 => world.tick(),
            75..85 => world.stray(),
            85..90 => world.exemplify(),
            90..93 => world.free(),
            93..97 => world.churn(),
            97..99 => world.restart(),
            _ => world.check(),
        }
        if step % 50 == 0 {
            assert_counted(&world.store);
        }
    }
    world.check();
}

#[test]
fn a_host_answers_what_the_model_answers() {
    for seed in 0..40 {
        run(seed, 300);
    }
}

#[test]
fn a_long_life_with_churn_leaves_little_behind() {
    let store = store();
    let host = host(&store);
    let mut last = Vec::new();
    for day in 0..60i64 {
        let ids: Vec<StampedId> = (0..200)
            .map(|number| {
                let labels = Labels::from_pairs([
                    ("__name__", "pod_seconds"),
                    ("pod", &*format!("pod-{day}-{number}")),
                    ("job", "k8s"),
                ]);
                host.stamped(&labels, store.limits()).unwrap()
            })
            .collect();
        for tick in 0..100 {
            let time_ms = NOW_MS + day * 86_400_000 + tick * 60_000;
            let body: Vec<StampedSample> = ids.iter().map(|&id| super::float(id, time_ms, tick as f64)).collect();
            assert_eq!(host.apply_stamped(&body, time_ms).stored, 200);
        }
        host.move_horizon([], NOW_MS / 1000 + (day - 2) * 86_400);
        host.sweep_stamped();
        assert_counted(&store);
        last.push(store.memory_bytes());
    }
    assert!(host.stamped_series() <= 1000, "{}", host.stamped_series());
    // Ids are never used again; nothing else grows.
    assert!(last[59] < last[10] + last[10] / 10, "{last:?}");
}
