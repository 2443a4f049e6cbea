//! The store as a whole: against the reference model, and the stories of design section 3 to 5.

use proptest::prelude::*;

use super::*;
use crate::model::{
    Aggregation, Component, EMPTY, Element, HostImage, LaneImage, Metric, MetricTable, NO_PARENT, Sample, Selector,
    SeriesId, SeriesImage, is_empty,
};
use crate::testing::ModelSeries;

const NOW: i64 = 1_770_244_800;

fn store(frequency_secs: u32) -> Store {
    let metric = |name: &str, aggregation| Metric { name: name.into(), frequency_secs, aggregation };
    let metrics = [metric("sum", Aggregation::Sum), metric("avg", Aggregation::Avg), metric("none", Aggregation::None)];
    Store::new(MetricTable::new(metrics), Limits::default())
}

fn series(store: &Store, metric: &str, components: &[Component], is_device: bool) -> SeriesId {
    let host = store.host_or_create("alex", "a1").unwrap();
    let metric = store.metrics().find(metric).unwrap();
    host.series(&SeriesPath { components, is_device, metric }, store.limits()).unwrap()
}

fn thread(number: usize) -> Component {
    Component::new("hwthread", &number.to_string())
}

fn write(store: &Store, series: SeriesId, secs: i64, value: f64) {
    let host = store.host_or_create("alex", "a1").unwrap();
    let applied = host.apply(&store.metrics(), &[Sample { series, secs, value }], secs.max(NOW));
    assert_eq!(applied.stored, 1);
}

fn ask(store: &Store, below: &[&str], metric: &str, from: i64, to: i64) -> Result<Answer, ReadError> {
    let below = below.iter().map(|&name| Element::from(name)).collect();
    store.read(&Selector { cluster: "alex".into(), host: "a1".into(), below }, metric, from, to)
}

fn values(answer: &Answer) -> Vec<Option<f64>> {
    answer.data.iter().map(|&value| (!is_empty(value)).then_some(value)).collect()
}

/// Takes the host out of one store and brings it into another, as a restart does.
fn restarted(store: &Store, frequency_secs: u32) -> Store {
    let image = store.host_or_create("alex", "a1").unwrap().image(&store.metrics());
    let next = self::store(frequency_secs);
    let restored = next.host_or_create("alex", "a1").unwrap().restore(&image, &next.metrics(), next.limits());
    assert_eq!((restored.unknown_metrics, restored.refused), (0, 0));
    next
}

/// Frees as the engine does: not beyond the newest sample.
fn free<'n>(host: &Host, path: impl IntoIterator<Item = &'n str>, to_secs: i64) -> u64 {
    host.move_horizon(path, to_secs.min(host.newest_secs() + 1))
}

/// What happens to a series, in order.
#[derive(Debug, Clone)]
enum Event {
    /// A tick, this far from the phase (in thousandths of the frequency, at most a sixth), some ticks after the last.
    Tick {
        skip: u8,
        jitter: i16,
    },
    /// A sample of a tick this many ticks ago.
    Late {
        ago: u16,
        jitter: i16,
    },
    /// The newest tick's sample again, with another value.
    Again,
    /// The host's clock is ahead by some ticks for one sample.
    Ahead {
        ticks: u16,
    },
    /// Another series of the same host sends.
    Other {
        skip: u8,
    },
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let jitter = -166i16..=166;
    prop_oneof![
        40 => (0..3u8, jitter.clone()).prop_map(|(skip, jitter)| Event::Tick { skip, jitter }),
        2 => (3..50u8, jitter.clone()).prop_map(|(skip, jitter)| Event::Tick { skip, jitter }),
        6 => (1..400u16, jitter).prop_map(|(ago, jitter)| Event::Late { ago, jitter }),
        3 => Just(Event::Again),
        1 => (1..50u16).prop_map(|ticks| Event::Ahead { ticks }),
        4 => (0..100u8).prop_map(|skip| Event::Other { skip }),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Any order of ticks with jitter, gaps, late, repeated and early samples, with restarts between them, answers
    /// what the model answers: no sample is lost, none displaces another.
    #[test]
    fn a_series_answers_as_the_model_does(
        frequency_secs in prop::sample::select(vec![6u32, 10, 60, 61, 300]),
        phase in 0..300i64,
        events in prop::collection::vec(event(), 1..900),
    ) {
        let mut store = store(frequency_secs);
        let frequency = i64::from(frequency_secs);
        let mut id = series(&store, "none", &[], false);
        let mut other = series(&store, "sum", &[thread(1)], false);
        let mut other_secs = NOW + phase;
        let mut model = ModelSeries::new(frequency_secs);
        let mut tick = 400;
        let centre = |tick: i64| NOW + phase + tick * frequency;
        let second = |tick: i64, jitter: i16| centre(tick) + i64::from(jitter) * frequency / 1000;
        let mut last = None;
        for (number, event) in events.iter().enumerate() {
            let value = number as f64;
            let host = store.host_or_create("alex", "a1").unwrap();
            let send = |model: &mut ModelSeries, secs: i64, now: i64| {
                model.write(secs, value);
                host.apply(&store.metrics(), &[Sample { series: id, secs, value }], now);
            };
            match *event {
                Event::Tick { skip, jitter } => {
                    tick += 1 + i64::from(skip);
                    send(&mut model, second(tick, jitter), second(tick, jitter));
                    last = Some(second(tick, jitter));
                }
                Event::Late { ago, jitter } if !model.is_empty() => {
                    send(&mut model, second(tick - i64::from(ago), jitter), centre(tick));
                }
                Event::Again => {
                    if let Some(last) = last {
                        send(&mut model, last, centre(tick));
                    }
                }
                Event::Ahead { ticks } if !model.is_empty() => {
                    send(&mut model, centre(tick + i64::from(ticks)), centre(tick));
                }
                Event::Other { skip } => {
                    other_secs += frequency * (1 + i64::from(skip));
                    let sample = Sample { series: other, secs: other_secs, value };
                    host.apply(&store.metrics(), &[sample], other_secs);
                }
                Event::Restart => {
                    store = restarted(&store, frequency_secs);
                    id = series(&store, "none", &[], false);
                    other = series(&store, "sum", &[thread(1)], false);
                }
                Event::Late { .. } | Event::Ahead { .. } => {}
            }
        }
        let (Some(from), Some(to)) = (model.first_centre(), model.last_centre()) else { return Ok(()) };
        let answer = ask(&store, &[], "none", from, to + 1).unwrap();
        prop_assert_eq!((answer.from_secs, answer.to_secs), (from, to + frequency));
        let expected: Vec<Option<f64>> =
            (0..answer.data.len() as i64).map(|i| model.at(from + i * frequency)).collect();
        prop_assert_eq!(values(&answer), expected);
        // Off the grid and from the middle, the slot that covers an output answers for it.
        let middle = from + (to - from) / 2 + frequency / 3;
        if let Ok(answer) = ask(&store, &[], "none", middle, to + 1) {
            let expected: Vec<Option<f64>> =
                (0..answer.data.len() as i64).map(|i| model.at(answer.from_secs + i * frequency)).collect();
            prop_assert_eq!(values(&answer), expected);
        }
    }

    /// Sums over children of one tick, each of which may be quiet for a while: complete, awaited and absent slots.
    #[test]
    fn a_sum_answers_as_the_model_does(
        quiet in prop::collection::vec((0..4usize, 0..250i64, 1..40i64), 0..8),
        from in 0..250i64,
        restart in 0..250i64,
    ) {
        let mut store = store(60);
        let mut models = vec![ModelSeries::new(60); 4];
        for tick in 0..250 {
            let secs = NOW + tick * 60;
            for (child, model) in models.iter_mut().enumerate() {
                if quiet.iter().any(|&(c, begin, len)| c == child && (begin..begin + len).contains(&tick)) {
                    continue;
                }
                let value = (tick * 10 + child as i64) as f64;
                model.write(secs, value);
                let id = series(&store, "sum", &[thread(child)], false);
                write(&store, id, secs, value);
            }
            if tick == restart {
                store = restarted(&store, 60);
            }
        }
        let from = NOW + from * 60;
        let to = NOW + 250 * 60;
        let answer = ask(&store, &[], "sum", from, to);
        if models.iter().all(|model| model.is_empty()) {
            prop_assert_eq!(answer, Err(ReadError::NotFound));
            return Ok(());
        }
        let answer = answer.unwrap();
        let mut expected: Vec<Option<f64>> = Vec::new();
        let first = models.iter().filter_map(ModelSeries::first_centre).min().unwrap();
        let last = models.iter().filter_map(ModelSeries::last_centre).max().unwrap();
        let mut secs = from.max(first);
        while secs < to && secs <= last {
            expected.push(ModelSeries::sum_at(&models, secs));
            secs += 60;
        }
        // What nobody can complete yet is cut off.
        let awaited = |output: usize, from: i64| {
            let secs = from + output as i64 * 60;
            models.iter().filter_map(ModelSeries::last_centre).any(|last| last < secs && secs <= last + 5 * 60)
        };
        while expected.last() == Some(&None) && awaited(expected.len() - 1, from.max(first)) {
            expected.pop();
        }
        if expected.iter().all(Option::is_none) {
            prop_assert!(answer.data.iter().all(|&value| is_empty(value)));
        } else {
            prop_assert_eq!(values(&answer), expected);
        }
    }
}

/// A host with a phase of 7 s and jitter of 10 s around it, for two days at a minute: no sample is lost, none null.
#[test]
fn jitter_within_a_sixth_loses_nothing() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    let mut state = 12_345u64;
    for tick in 0..2880i64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let jitter = ((state >> 33) % 21) as i64 - 10;
        write(&store, id, NOW + 7 + tick * 60 + jitter, tick as f64);
    }
    let answer = ask(&store, &[], "none", NOW - 600, NOW + 2881 * 60).unwrap();
    let found: Vec<f64> = answer.data.clone();
    assert_eq!(found, (0..2880).map(|tick| tick as f64).collect::<Vec<_>>());
}

/// A clock that was set back or forth by 25 s: the ticks lie at the edges of their slots until the phase follows.
#[test]
fn the_phase_follows_a_clock_that_was_set() {
    for step in [25, -25, 28, -28] {
        let store = store(60);
        let id = series(&store, "none", &[], false);
        for tick in 0..300i64 {
            let secs = NOW + tick * 60 + if tick >= 100 { step } else { 0 };
            write(&store, id, secs, tick as f64);
        }
        let answer = ask(&store, &[], "none", NOW, NOW + 400 * 60).unwrap();
        let found: std::collections::BTreeSet<i64> =
            answer.data.iter().filter(|value| !is_empty(**value)).map(|&value| value as i64).collect();
        let missing: Vec<i64> = (0..300).filter(|tick| !found.contains(tick)).collect();
        assert!(missing.is_empty(), "step {step}: ticks {missing:?} are missing");
        let late = ask(&store, &[], "none", NOW + 200 * 60 + step, NOW + 210 * 60 + step).unwrap();
        assert_eq!(values(&late), (200..210).map(|tick| Some(tick as f64)).collect::<Vec<_>>(), "step {step}");
    }
}

/// One sample ten minutes ahead of the others made the reference refuse the correct ones that followed.
#[test]
fn a_clock_ahead_harms_nobody() {
    for frequency in [1u32, 10, 60] {
        let store = store(frequency);
        let frequency = i64::from(frequency);
        let id = series(&store, "none", &[], false);
        for tick in 0..3000 {
            let now = NOW + tick * frequency;
            let host = store.host_or_create("alex", "a1").unwrap();
            if tick == 50 {
                host.apply(&store.metrics(), &[Sample { series: id, secs: now + 600, value: -1.0 }], now);
            }
            host.apply(&store.metrics(), &[Sample { series: id, secs: now, value: tick as f64 }], now);
        }
        let answer = ask(&store, &[], "none", NOW, NOW + 3000 * frequency).unwrap();
        assert_eq!(answer.data, (0..3000).map(|tick| tick as f64).collect::<Vec<_>>(), "frequency {frequency}");
    }
}

/// Devices of a host do not overwrite each other, and the host answers for them.
#[test]
fn devices_are_children_of_their_host() {
    let store = store(60);
    for (metric, lo, eth0) in [("sum", 1.0, 10.0), ("none", 2.0, 20.0)] {
        let lo_id = series(&store, metric, &[Component::new("network", "lo")], true);
        let eth0_id = series(&store, metric, &[Component::new("network", "eth0")], true);
        write(&store, lo_id, NOW, lo);
        write(&store, eth0_id, NOW, eth0);
        assert_eq!(ask(&store, &["networklo"], metric, NOW, NOW + 60).unwrap().data, [lo]);
        assert_eq!(ask(&store, &["networketh0"], metric, NOW, NOW + 60).unwrap().data, [eth0]);
    }
    assert_eq!(ask(&store, &[], "sum", NOW, NOW + 60).unwrap().data, [11.0]);
    assert_eq!(ask(&store, &[], "none", NOW, NOW + 60).unwrap().data, [2.0], "the first seen");
    for child in 0..2 {
        let id = series(&store, "none", &[thread(child)], false);
        write(&store, id, NOW, 3.0);
    }
    assert_eq!(ask(&store, &[], "none", NOW, NOW + 60), Err(ReadError::InvalidAggregation));
}

/// Series that come one after the other, each from its beginning, as a backfill sends them.
#[test]
fn a_backfill_series_by_series_is_as_good_as_tick_by_tick() {
    let store = store(60);
    let ids: Vec<SeriesId> = (0..5).map(|child| series(&store, "sum", &[thread(child)], false)).collect();
    for (child, &id) in ids.iter().enumerate() {
        for tick in 0..1000i64 {
            write(&store, id, NOW + tick * 60, (child * 1000) as f64 + tick as f64);
        }
    }
    for tick in 1000..1200i64 {
        for &id in &ids {
            write(&store, id, NOW + tick * 60, 1.0);
        }
    }
    let answer = ask(&store, &[], "sum", NOW, NOW + 1200 * 60).unwrap();
    let expected = |tick: usize| if tick < 1000 { 10_000.0 + 5.0 * tick as f64 } else { 5.0 };
    assert_eq!(answer.data, (0..1200).map(expected).collect::<Vec<_>>());
    let lanes = store.objects().into_iter().find(|(kind, _)| *kind == "lanes").unwrap().1;
    assert_eq!(lanes, 1, "series of one phase share their rows again");
}

/// Freed data is gone at once, stays gone after a restart, and what comes later is kept.
#[test]
fn a_horizon_hides_and_frees() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    let child = series(&store, "none", &[thread(0)], false);
    for tick in 0..1000i64 {
        write(&store, id, NOW + tick * 60, tick as f64);
        write(&store, child, NOW + tick * 60, -(tick as f64));
    }
    let host = store.host("alex", "a1").unwrap();
    assert_eq!(free(&host, ["hwthread7"], i64::MAX), 0, "no such component");
    let dropped = free(&host, [], NOW + 700 * 60);
    assert!(dropped >= 2, "{dropped}");
    for store in [&store, &restarted(&store, 60)] {
        let answer = ask(store, &[], "none", NOW, NOW + 1000 * 60).unwrap();
        assert_eq!((answer.from_secs, answer.data.len(), answer.data[0]), (NOW + 700 * 60, 300, 700.0));
    }
    let before = Sample { series: id, secs: NOW + 10 * 60, value: 1.0 };
    assert_eq!(host.apply(&store.metrics(), &[before], NOW), Applied { stored: 0, before_horizon: 1, gone: 0 });
    free(&host, ["hwthread0"], i64::MAX);
    assert_eq!(ask(&store, &["hwthread0"], "none", NOW, NOW + 1000 * 60), Err(ReadError::NotFound));
    assert!(ask(&store, &[], "none", NOW, NOW + 1000 * 60).is_ok(), "the host's own series stays");
    write(&store, child, NOW + 1000 * 60, 5.0);
    assert_eq!(ask(&store, &["hwthread0"], "none", NOW, NOW + 2000 * 60).unwrap().data, [5.0]);
}

/// A changed frequency holds from the next sample on, and what came before stays readable.
#[test]
fn a_changed_frequency_keeps_the_past() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    for tick in 0..100i64 {
        write(&store, id, NOW + tick * 60, tick as f64);
    }
    let metric = |frequency_secs| Metric { name: "none".into(), frequency_secs, aggregation: Aggregation::None };
    store.set_metrics(store.metrics().reloaded([metric(30)]));
    for tick in 0..100i64 {
        write(&store, id, NOW + 6000 + tick * 30, 1000.0 + tick as f64);
    }
    let answer = ask(&store, &[], "none", NOW, NOW + 6000 + 3000).unwrap();
    assert_eq!(answer.frequency_secs, 30);
    assert_eq!(answer.data.len(), 300);
    assert_eq!((answer.data[0], answer.data[200], answer.data[299]), (0.0, 1000.0, 1099.0));
    assert!(answer.data.iter().all(|&value| !is_empty(value)));
}

/// Counted bytes come down again when everything is freed.
#[test]
fn memory_is_counted_both_ways() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    let empty = store.memory_bytes();
    for tick in 0..5000i64 {
        write(&store, id, NOW + tick * 60, (tick * 7919 % 1000) as f64 / 7.0);
    }
    let full = store.memory_bytes();
    assert!(full > empty + 4500 * 2, "{full}");
    free(&store.host("alex", "a1").unwrap(), [], i64::MAX);
    let blocks = store.memory().into_iter().find(|(kind, _)| *kind == "blocks").unwrap().1;
    assert_eq!(blocks, 0);
    assert!(store.memory_bytes() < empty + 4096, "{} of {empty}", store.memory_bytes());
}

/// A range of a hole that is longer than a window holds no slots; a shorter hole is null.
#[test]
fn ranges_without_slots_answer_nothing() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    for tick in (0..10i64).chain(40..50).chain(200..210) {
        write(&store, id, NOW + tick * 60, tick as f64);
    }
    let at = |from: i64, to: i64| ask(&store, &[], "none", NOW + from * 60, NOW + to * 60).unwrap();
    for (from, to) in [(-20, -10), (300, 400), (100, 150), (5, 5)] {
        let answer = at(from, to);
        let asked = NOW + from * 60;
        assert_eq!((answer.data.len(), answer.from_secs, answer.to_secs), (0, asked, asked), "{from}..{to}");
    }
    assert_eq!(values(&at(20, 30)), vec![None; 10]);
}

/// A clock a little ahead of the store's never let its window close: the newest row was always "right", the next one
/// always "ahead", and all samples went to the overlay.
#[test]
fn a_clock_a_little_ahead_goes_on_in_rows() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    let host = store.host_or_create("alex", "a1").unwrap();
    for tick in 0..1000 {
        let now = NOW + tick * 60;
        host.apply(&store.metrics(), &[Sample { series: id, secs: now + 100, value: tick as f64 }], now);
    }
    assert!(host.data.read().series.get(id).overlay().is_empty());
    let answer = ask(&store, &[], "none", NOW, NOW + 2000 * 60).unwrap();
    assert_eq!(answer.data, (0..1000).map(|tick| tick as f64).collect::<Vec<_>>());
}

/// Rows of one phase, then of another, then of the first again within one group: merging the group made one block of
/// the first phase that reached across the second, and a range behind it was answered empty.
#[test]
fn a_phase_that_comes_back_does_not_reach_across_another() {
    let store = store(10);
    let id = series(&store, "none", &[], false);
    let start = NOW - NOW.rem_euclid(512 * 10);
    let mut expected = 0;
    for (first, phase) in [(0, 0), (100, 5), (200, 0), (300, 5), (400, 0), (500, 0)] {
        for tick in first..first + 100 {
            write(&store, id, start + tick * 10 + phase, tick as f64);
            expected += 1;
        }
    }
    let from_middle = ask(&store, &[], "none", start + 2500, start + 2900).unwrap();
    assert_eq!(from_middle.data, (250..290).map(|tick| tick as f64).collect::<Vec<_>>());
    let all = ask(&store, &[], "none", start - 100, start + 7000).unwrap();
    let found = all.data.iter().filter(|value| !is_empty(**value)).count();
    assert!(found >= expected - 12, "{found} of {expected}");
    let blocks: Vec<(i64, i64)> = {
        let host = store.host("alex", "a1").unwrap();
        let data = host.data.read();
        data.series.get(id).blocks.iter().map(|block| (block.start_secs(), block.end_secs())).collect()
    };
    assert!(blocks.is_sorted_by_key(|block| block.1), "{blocks:?}");
}

/// A value ahead of its time was folded into a block, which it made long; windows of another phase were sealed inside of
/// that block later. The last block to begin was not the last to end then, and answers ended before the value.
#[test]
fn a_block_inside_of_another_does_not_hide_its_end() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    (0..25).for_each(|tick| write(&store, id, NOW + tick * 60, tick as f64));
    let host = store.host("alex", "a1").unwrap();
    let ahead = Sample { series: id, secs: NOW + 200 * 60, value: -1.0 };
    host.apply(&store.metrics(), &[ahead], NOW + 25 * 60);
    // A restart folds what is late or ahead into blocks.
    let store = restarted(&store, 60);
    (30..170).for_each(|tick| write(&store, id, NOW + tick * 60 + 33, tick as f64));
    for first in [0, 150, 165, 180, 199] {
        let answer = ask(&store, &[], "none", NOW + first * 60, NOW + 300 * 60).unwrap();
        assert_eq!(answer.data.last(), Some(&-1.0), "from tick {first}");
    }
}

/// Ranges at the ends of what a request can say neither overflow nor allocate for what is not there.
#[test]
fn the_widest_range_is_answered() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    write(&store, id, -100, 1.0);
    write(&store, id, -40, 2.0);
    let answer = ask(&store, &[], "none", i64::MIN, i64::MAX).unwrap();
    assert_eq!((answer.data, answer.from_secs), (vec![1.0, 2.0], -100));
    assert!(ask(&store, &[], "none", i64::MAX - 100, i64::MAX).unwrap().data.is_empty());
    assert!(ask(&store, &[], "none", i64::MIN, i64::MIN + 100).unwrap().data.is_empty());
}

/// A component that was freed as a whole has no series left, and yet its horizon must survive a restart: a late sample
/// of what was freed came back.
#[test]
fn the_horizon_of_an_empty_component_survives() {
    let store = store(60);
    let id = series(&store, "none", &[thread(3)], false);
    write(&store, id, NOW, 1.0);
    free(&store.host("alex", "a1").unwrap(), ["hwthread3"], i64::MAX);
    let next = restarted(&store, 60);
    let id = series(&next, "none", &[thread(3)], false);
    let host = next.host("alex", "a1").unwrap();
    let sample = |secs| Sample { series: id, secs, value: 1.0 };
    assert_eq!(host.apply(&next.metrics(), &[sample(NOW), sample(NOW + 60)], NOW).before_horizon, 1);
}

/// Of a host that was started again from files of the reference's form, the open rows lay in a block, too. When
/// another block in another phase lay behind them, for a late sample had come there, the two were taken for grids that
/// meet, and a value without a neighbour was answered in its slot and in the one before: by reads and by the next
/// checkpoint.
#[test]
fn open_rows_that_lie_in_a_block_too_are_answered_once() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    let host = store.host_or_create("alex", "a1").unwrap();
    let start = NOW - NOW.rem_euclid(64 * 60);
    host.merge_run(id, start + 70 * 60 + 8, 60, &[8.0], true);
    let run = [1.0, EMPTY, EMPTY, 4.0, EMPTY, 6.0];
    host.merge_run(id, start, 60, &run, true);
    let image = HostImage {
        cluster: "alex".into(),
        host: "a1".into(),
        horizon_secs: i64::MIN,
        components: Vec::new(),
        series: vec![SeriesImage {
            component: NO_PARENT,
            metric: "none".into(),
            blocks: Vec::new(),
            overlay: Vec::new(),
        }],
        lanes: vec![LaneImage {
            frequency_secs: 60,
            start_secs: start,
            seconds: vec![0; run.len()],
            recent: vec![0],
            columns: vec![(0, Vec::new())],
        }],
        ticks: Vec::new(),
        stamped: Vec::new(),
        times: Vec::new(),
    };
    host.restore(&image, &store.metrics(), store.limits());
    let answer = ask(&store, &[], "none", start, start + 10 * 60).unwrap();
    assert_eq!(values(&answer)[..6], [Some(1.0), None, None, Some(4.0), None, Some(6.0)]);
    let mut slots = Vec::new();
    assert_eq!(host.slots(id, 60, &mut slots), Some((start, 0)));
    assert_eq!(slots.iter().filter(|value| !is_empty(**value)).copied().collect::<Vec<_>>(), [1.0, 4.0, 6.0, 8.0]);
}

/// Samples that had stepped aside came again, for their sender had got no answer, or for they were in a log that a
/// snapshot covers: each found its place taken, by itself, and replaced the one that it had made way for.
#[test]
fn what_stepped_aside_and_comes_again_keeps_its_place() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    // The first sample sets the phase; the others come 20 s later, and number 9 so late that it is in the next row.
    let offsets = [0, 20, 20, 20, 20, 20, 20, 20, 20, 30, 20, 20, 20];
    let send = |tick: usize| write(&store, id, NOW + tick as i64 * 60 + offsets[tick], tick as f64);
    (0..13).for_each(send);
    let before = values(&ask(&store, &[], "none", NOW, NOW + 20 * 60).unwrap());
    let filled: Vec<f64> = before.iter().flatten().copied().collect();
    assert_eq!(filled, (0..13).map(f64::from).collect::<Vec<_>>());
    (9..13).for_each(send);
    assert_eq!(values(&ask(&store, &[], "none", NOW, NOW + 20 * 60).unwrap()), before);
}

/// A late sample came in a gap between two grids, and came again, for its sender had got no answer. The open rows
/// behind the gap had been sealed meanwhile, so that now the grid before it was the nearer one: the value was in two
/// slots, and the next snapshot had it twice.
#[test]
fn a_late_sample_that_comes_again_has_one_slot() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    let start = super::slots::window_start(NOW, 60, 64);
    (0..70).for_each(|tick| write(&store, id, start + tick * 60, 1.0));
    let sealed_end = start + 70 * 60;
    // Beyond the gap a window begins half a window before its first sample, and two seconds off the old grid.
    let (window, first) = (start + 10 * 64 * 60 + 2, start + (10 * 64 + 32) * 60 + 2);
    write(&store, id, first, 2.0);
    let late = (window + sealed_end) / 2 / 60 * 60 + 5 * 60 + 1;
    write(&store, id, late, 3.0);
    (1..60).for_each(|tick| write(&store, id, first + tick * 60, 2.0));
    write(&store, id, late, 3.0);
    let answer = ask(&store, &[], "none", start, first + 60 * 60).unwrap();
    assert_eq!(answer.data.iter().filter(|&&value| value == 3.0).count(), 1);
    let restarted = restarted(&store, 60);
    let answer = ask(&restarted, &[], "none", start, first + 60 * 60).unwrap();
    assert_eq!(answer.data.iter().filter(|&&value| value == 3.0).count(), 1);
}

/// A process was killed when it had written a host's snapshot in a new form, and not moved the old form's files away.
/// The start read both, and answered twice what the old ones had in open rows or late and the new one in another phase.
#[test]
fn what_is_open_goes_over_to_the_grid_of_a_snapshot() {
    let store = store(60);
    let id = series(&store, "none", &[], false);
    let host = store.host_or_create("alex", "a1").unwrap();
    let start = super::slots::window_start(NOW, 60, 64);
    (1..4).for_each(|tick| write(&store, id, start + tick * 4 * 60, tick as f64));
    write(&store, id, start - 7 * 60, 7.0);
    let mut run = vec![EMPTY; 20];
    (1..4).for_each(|tick| run[7 + tick * 4] = tick as f64);
    run[0] = 7.0;
    host.merge_run(id, start - 7 * 60 + 1, 60, &run, true);
    write(&store, id, start + 16 * 60, 4.0);
    let answer = ask(&store, &[], "none", start - 3600, start + 3600).unwrap();
    let found: Vec<f64> = values(&answer).into_iter().flatten().collect();
    assert_eq!(found, [7.0, 1.0, 2.0, 3.0, 4.0]);
    let (mut slots, is_filled) = (Vec::new(), |value: &f64| !is_empty(*value));
    host.slots(id, 60, &mut slots);
    assert_eq!(slots.into_iter().filter(is_filled).collect::<Vec<_>>(), [7.0, 1.0, 2.0, 3.0, 4.0]);
}

/// A thread that had ended long ago made the first slots of any range look unfinished: a hole there was cut off.
#[test]
fn a_hole_at_the_end_of_a_range_stays_though_a_thread_ended_before() {
    let store = store(60);
    let ids: Vec<SeriesId> = (0..3).map(|number| series(&store, "sum", &[thread(number)], false)).collect();
    for tick in 0..300 {
        let ends_early = if tick < 100 { 3 } else { 2 };
        for (number, id) in ids.iter().enumerate().take(ends_early) {
            if (number, tick) != (1, 203) {
                write(&store, *id, NOW + tick * 60, 1.0);
            }
        }
    }
    let answer = ask(&store, &[], "sum", NOW + 200 * 60, NOW + 204 * 60).unwrap();
    assert_eq!(values(&answer), [Some(2.0), Some(2.0), Some(2.0), None]);
}
