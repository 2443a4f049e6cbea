//! Tests: the short ways of aggregation (open rows, roll-ups) against the general one.

use proptest::prelude::*;

use super::recent::combine_recent;
use super::rollup_read::Rolled;
use super::*;
use crate::model::{Aggregation, Component, Metric, MetricTable, Sample, Selector};

const NOW: i64 = 1_770_244_800;
/// One more than are needed for roll-ups, so that one may be silent.
const CHILDREN: usize = super::rollup::CHILDREN_MIN + 1;

/// What a host does in one tick, and what is asked then.
#[derive(Debug, Clone)]
struct Tick {
    /// A child that is silent from now on, or speaks again.
    toggled: Option<usize>,
    late: Option<(usize, i64)>,
    ahead: Option<(usize, i64)>,
    /// What is freed: of the host, or of a child.
    free: Option<(Option<usize>, i64)>,
    restart: bool,
    /// The host's clock is set by so many seconds.
    clock: Option<i64>,
    /// A short range: seconds back from now, and its length.
    asked: (i64, i64),
    /// A long one: from this thousandth of what there is on.
    asked_from: i64,
}

fn seldom<T: std::fmt::Debug>(one_in: u32, value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(1.0 / f64::from(one_in), value)
}

fn tick() -> impl Strategy<Value = Tick> {
    (
        seldom(300, 0..CHILDREN),
        seldom(200, (prop_oneof![0..CHILDREN, CHILDREN - 1..CHILDREN], 1..400i64)),
        seldom(300, (0..CHILDREN, 1..90i64)),
        seldom(500, (prop::option::of(0..CHILDREN), 0..300i64)),
        prop::bool::weighted(0.002),
        seldom(300, -40..40i64),
        (-300..4000i64, 0..4000i64),
        0..900i64,
    )
        .prop_map(|(toggled, late, ahead, free, restart, clock, asked, asked_from)| Tick {
            toggled,
            late,
            ahead,
            free,
            restart,
            clock,
            asked,
            asked_from,
        })
}

fn store() -> Store {
    let metric = |name: &str, aggregation| Metric { name: name.into(), frequency_secs: 60, aggregation };
    Store::new(MetricTable::new([metric("sum", Aggregation::Sum), metric("avg", Aggregation::Avg)]), Limits::default())
}

fn component(child: usize) -> Component {
    Component::new("hwthread", &child.to_string())
}

fn write(store: &Store, metric: &str, child: usize, secs: i64, value: f64, now: i64) {
    let host = store.host_or_create("alex", "a1").unwrap();
    let metrics = store.metrics();
    let path = SeriesPath { components: &[component(child)], is_device: false, metric: metrics.find(metric).unwrap() };
    let series = host.series(&path, store.limits()).unwrap();
    host.apply(&metrics, &[Sample { series, secs, value }], now);
}

/// The same question to all ways; answers which of the short ones had an answer.
fn compare(store: &Store, metric: &str, from: i64, to: i64) -> (bool, bool) {
    let metrics = store.metrics();
    let id = metrics.find(metric).unwrap();
    let metric = metrics.get(id);
    let host = store.host_or_create("alex", "a1").unwrap();
    let data = host.data.read();
    let found = read::find(&data, &[], id, metric).unwrap();
    if found.len() < 2 {
        return (false, false);
    }
    let general = || read::answer(&read::views(&data, &found, metric, from, to), metric, from, to).unwrap();
    let check = |short: Option<Answer>| {
        let Some(short) = short else { return false };
        let general = general();
        let bits = |answer: &Answer| answer.data.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&short), bits(&general), "[{from}, {to})");
        assert_eq!((short.from_secs, short.to_secs), (general.from_secs, general.to_secs));
        true
    };
    let recent = check(combine_recent(&data, &found, metric, from, to));
    let rolled = Rolled::take(&data, &found, id, metric, from, to).and_then(|rolled| rolled.answer(metric));
    (recent, check(rolled))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn they_agree_with_the_general_way(
        ticks in prop::collection::vec(tick(), 300..700),
        is_avg in any::<bool>(),
        jitter in 0..10i64,
    ) {
        let mut store = store();
        let metric = if is_avg { "avg" } else { "sum" };
        let mut silent = [false; CHILDREN];
        // It begins later than the others.
        silent[CHILDREN - 1] = true;
        let mut clock = NOW;
        let mut taken = (0, 0);
        for (number, tick) in ticks.iter().enumerate() {
            clock += 60 + tick.clock.unwrap_or(0);
            let now = clock + (number as i64 * 7919) % (jitter + 1);
            if let Some(child) = tick.toggled {
                silent[child] = !silent[child];
            }
            for child in (0..CHILDREN).filter(|&child| !silent[child]) {
                write(&store, metric, child, now, 0.1 * (number * 10 + child) as f64, now);
            }
            if let Some((child, ago)) = tick.late {
                write(&store, metric, child, now - ago * 60, -1.0 / (number + 1) as f64, now);
            }
            if let Some((child, ahead)) = tick.ahead {
                write(&store, metric, child, now + ahead * 60, 1.0 / 3.0, now);
            }
            let host = store.host_or_create("alex", "a1").unwrap();
            if let Some((child, ago)) = tick.free {
                let name = child.map(|child| component(child).to_string());
                host.move_horizon(name.as_deref(), now - ago * 60);
            }
            if tick.restart {
                let image = host.image(&store.metrics());
                let next = self::store();
                next.host_or_create("alex", "a1").unwrap().restore(&image, &next.metrics(), next.limits());
                store = next;
            }
            taken.0 += usize::from(compare(&store, metric, now - tick.asked.0, now - tick.asked.0 + tick.asked.1).0);
            if number % 4 == 0 {
                taken.1 += usize::from(compare(&store, metric, NOW + (now - NOW) * tick.asked_from / 1000, now + 1).1);
            }
        }
        println!("{} of {} ticks by open rows, {} by roll-ups", taken.0, ticks.len(), taken.1);
    }
}

/// They are taken where it matters: the last minutes, and the last day, of a host that sends every tick.
#[test]
fn a_steady_host_is_answered_by_the_short_ways() {
    let store = store();
    for tick in 0..1000 {
        let secs = NOW + tick * 60;
        for child in 0..CHILDREN {
            write(&store, "sum", child, secs, 0.1 * (tick + child as i64) as f64, secs);
        }
        if tick > 300 {
            assert!(compare(&store, "sum", secs - 600, secs + 1).0, "tick {tick}");
            assert!(compare(&store, "sum", NOW + 3600, secs + 1).1, "tick {tick}");
        }
    }
    let memory: u64 = store.memory().iter().filter(|(name, _)| *name == "rollups").map(|(_, bytes)| bytes).sum();
    assert!(memory > 0);
}

/// A component that first sends for a time that is rolled up already belongs to the sums of that time.
#[test]
fn a_component_that_begins_in_the_past_counts() {
    let store = store();
    for tick in 0..300 {
        for child in 0..CHILDREN - 1 {
            write(&store, "sum", child, NOW + tick * 60, 1.0, NOW + tick * 60);
        }
    }
    let end = NOW + 300 * 60;
    assert!(compare(&store, "sum", NOW, end).1);
    for tick in 100..103 {
        write(&store, "sum", CHILDREN - 1, NOW + tick * 60, 100.0, end);
        compare(&store, "sum", NOW, end);
    }
    // A late sample just before a window that is rolled up leaves the first slots of that window incomplete.
    let next = (end - 60).div_euclid(64 * 60) * 64 * 60 - 64 * 60;
    for tick in 100..300 {
        if NOW + tick * 60 + 60 * 5 > next && NOW + tick * 60 < next {
            write(&store, "sum", CHILDREN - 1, NOW + tick * 60, 100.0, end);
            compare(&store, "sum", NOW, end);
            compare(&store, "sum", NOW + tick * 60 + 60, end);
        }
    }
    let selector = Selector { cluster: "alex".into(), host: "a1".into(), below: Vec::new() };
    let answer = store.read(&selector, "sum", NOW, end).unwrap();
    let others = (CHILDREN - 1) as f64;
    assert_eq!(answer.data[99..103], [others, others + 100.0, others + 100.0, others + 100.0]);
}

/// Where a clock is set, whatever the row, two grids meet; outputs there take the nearer slot.
#[test]
fn grids_that_meet_are_left_to_the_general_way() {
    for (set_at, set_by) in (100..170).flat_map(|at| [(at, 27), (at, -27)]) {
        let store = store();
        for tick in 0..250 {
            let secs = NOW + tick * 60 + if tick >= set_at { set_by } else { 0 };
            for child in 0..CHILDREN {
                write(&store, "sum", child, secs, (tick * 100 + child as i64) as f64, secs);
            }
        }
        for shift in [0, 7, 20, 31, 45] {
            compare(&store, "sum", NOW + shift, NOW + 300 * 60);
        }
    }
}

/// After a restart the last minutes were answered the general way until the next window began, an hour later.
#[test]
fn a_restored_host_is_answered_by_its_open_rows() {
    for ticks in [70, 127, 128, 129, 640, 700] {
        let mut store = store();
        for tick in 0..ticks + 20 {
            let secs = NOW + tick * 60;
            for child in 0..CHILDREN {
                write(&store, "sum", child, secs, 0.1 * (tick + child as i64) as f64, secs);
            }
            let taken = tick >= 70 && compare(&store, "sum", secs - 600, secs + 1).0;
            if tick == ticks {
                let image = store.host_or_create("alex", "a1").unwrap().image(&store.metrics());
                let next = self::store();
                next.host_or_create("alex", "a1").unwrap().restore(&image, &next.metrics(), next.limits());
                store = next;
                assert_eq!(compare(&store, "sum", secs - 600, secs + 1).0, taken, "tick {tick}");
            }
        }
        let last = NOW + (ticks + 19) * 60;
        assert!(compare(&store, "sum", last - 600, last + 1).0, "{ticks} ticks");
    }
}
