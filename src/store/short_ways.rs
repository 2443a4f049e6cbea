//! Tests: the short ways of aggregation (open rows, roll-ups, block by block) against the plain one.

use std::ops::AddAssign;

use proptest::prelude::*;

use super::aggregate::{AWAITED, combine, cut_awaited};
use super::recent::combine_recent;
use super::rollup::Family;
use super::rollup_read::{Question, RolledRange};
use super::view::{SeriesView, output_at};
use super::*;
use crate::model::{Aggregation, Component, EMPTY, Element, Metric, MetricTable, Sample, Selector, is_empty};

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
    /// The rows so many slots back go to an archive, if the store has one.
    archived: Option<i64>,
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
        seldom(400, 0..300i64),
        seldom(300, -40..40i64),
        (-300..4000i64, 0..4000i64),
        0..900i64,
    )
        .prop_map(|(toggled, late, ahead, free, restart, archived, clock, asked, asked_from)| Tick {
            toggled,
            late,
            ahead,
            free,
            restart,
            archived,
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

/// The plainest way to combine series: each of them as a whole, slot after slot.
fn combine_plainly(children: &[SeriesView], aggregation: Aggregation, from: i64, f: u32, outputs: usize) -> Vec<f64> {
    let begin = from - AWAITED as i64 * i64::from(f);
    let (mut sums, mut contributors) = (vec![0.0; outputs], vec![0u32; outputs]);
    let mut incomplete = vec![false; outputs];
    for child in children {
        let mut slots = vec![EMPTY; outputs + AWAITED];
        child.fill(begin, f, &mut slots);
        let first = output_at(begin, f, child.first_secs, f).unwrap_or(0);
        let mut missing = 0;
        for (at, &value) in slots.iter().enumerate() {
            missing = if is_empty(value) { missing + 1 } else { 0 };
            let Some(output) = at.checked_sub(AWAITED) else { continue };
            match is_empty(value) {
                true => incomplete[output] |= at >= first && missing <= AWAITED,
                false => {
                    sums[output].add_assign(value);
                    contributors[output] += 1;
                }
            }
        }
    }
    for ((sum, count), incomplete) in sums.iter_mut().zip(contributors).zip(incomplete) {
        *sum = match aggregation {
            _ if incomplete || count == 0 => EMPTY,
            Aggregation::Avg => *sum / f64::from(count),
            _ => *sum,
        };
    }
    sums
}

/// The same question to all ways; answers which of the short ones had an answer: that of open rows, that of roll-ups.
fn compare(store: &Store, metric: &str, from: i64, to: i64) -> (bool, bool) {
    compare_below(store, &[], metric, from, to)
}

fn compare_below(store: &Store, below: &[Element], metric: &str, from: i64, to: i64) -> (bool, bool) {
    let metrics = store.metrics();
    let id = metrics.find(metric).unwrap();
    let metric = metrics.get(id);
    let host = store.host_or_create("alex", "a1").unwrap();
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let data = host.data.read();
    let found = read::find(&data, below, id, metric).unwrap();
    if found.len() < 2 {
        return (false, false);
    }
    let views = read::views(&data, &found, metric, from, to);
    let plain = read::answer(&views, metric, from, to).unwrap();
    if !plain.data.is_empty() {
        let outputs = plain.data.len() + 3;
        let mut values = combine_plainly(&views, metric.aggregation, plain.from_secs, 60, outputs);
        let fast = combine(&views, plain.from_secs, 60, outputs).answer(metric.aggregation);
        assert_eq!(bits(&values), bits(&fast), "[{from}, {to})");
        values.truncate(plain.data.len());
        cut_awaited(&mut values, views.iter().map(|view| view.last_secs), plain.from_secs, 60);
        assert_eq!(bits(&values), bits(&plain.data), "[{from}, {to})");
    }
    let recent = combine_recent(&data, &found, metric, from, to);
    let family = if below.is_empty() { Family::Host } else { Family::Of(&found) };
    let question = Question { children: &found, family, id, metric, asked: from, to };
    let rolled = RolledRange::take(&data, &question);
    drop(data);
    let rolled = rolled.and_then(|rolled| rolled.answer(&host, &question));
    // As a query reads it, which keeps what it has found.
    let read = read::read(&host, below, id, metric, from, to, Vec::new()).unwrap();
    for (way, short) in [("open rows", recent.as_ref()), ("roll-ups", rolled.as_ref()), ("read", Some(&read))] {
        let Some(short) = short else { continue };
        let pairs = short.data.iter().zip(&plain.data);
        let other = pairs.enumerate().find(|(_, (a, b))| a.to_bits() != b.to_bits());
        assert!(other.is_none(), "{way}: output {other:?} of [{from}, {to}) from {}", plain.from_secs);
        assert_eq!(short.data.len(), plain.data.len(), "{way}: [{from}, {to})");
        assert_eq!((short.from_secs, short.to_secs), (plain.from_secs, plain.to_secs), "[{from}, {to})");
    }
    (recent.is_some(), rolled.is_some())
}

/// A store whose roll-ups may take as much as all the rest: hosts of tests are small.
fn roomy(store: Store) -> Store {
    store.host_or_create("alex", "a1").unwrap().data.write().rollups.memory_part = 1;
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn they_agree_with_the_general_way(
        ticks in prop::collection::vec(tick(), 300..700),
        is_avg in any::<bool>(),
        has_archive in prop::bool::weighted(0.3),
        jitter in 0..10i64,
        // Reads keep what they find, and what they keep must not hide what comes later: ask often, or seldom.
        asked_every in prop::sample::select(vec![1usize, 4, 31, 150]),
    ) {
        let new = || roomy(if has_archive { store().keeping_departed() } else { store() });
        let mut store = new();
        let metric = if is_avg { "avg" } else { "sum" };
        let group = [Element::Group((0..CHILDREN).rev().skip(1).map(|child| component(child).to_string()).collect())];
        let mut silent = [false; CHILDREN];
        // It begins later than the others.
        silent[CHILDREN - 1] = true;
        let mut clock = NOW;
        let mut taken = (0, 0, 0);
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
            if let Some(ago) = tick.archived.filter(|_| has_archive)
                && let Some(departing) = host.departing(&store.metrics(), now - ago * 60, i64::MIN, i64::MAX)
            {
                host.move_horizon(None::<&str>, now - ago * 60);
                host.depart(&departing.stamp());
            }
            if tick.restart {
                let image = host.image(&store.metrics());
                let next = new();
                next.host_or_create("alex", "a1").unwrap().restore(&image, &next.metrics(), next.limits());
                store = next;
            }
            if number % asked_every != 0 {
                continue;
            }
            taken.0 += usize::from(compare(&store, metric, now - tick.asked.0, now - tick.asked.0 + tick.asked.1).0);
            if number % 4 == 0 {
                let from = NOW + (now - NOW) * tick.asked_from / 1000;
                taken.1 += usize::from(compare(&store, metric, from, now + 1).1);
                taken.2 += usize::from(compare_below(&store, &group, metric, from, now + 1).1);
            }
        }
        println!("{taken:?} of {} ticks by open rows, by roll-ups, and of a group", ticks.len());
    }
}

/// They are taken where it matters: the last minutes, and the last day, of a host that sends every tick.
#[test]
fn a_steady_host_is_answered_by_the_short_ways() {
    let store = roomy(store());
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

/// A value ahead of its time had made a block of the old phase long; once the host had another phase, that block
/// reached over the later ones, and open rows answered as if it were not there.
#[test]
fn a_long_block_of_an_earlier_phase_has_its_say() {
    let mut store = roomy(store());
    for tick in 0..150 {
        if tick == 25 {
            let image = store.host_or_create("alex", "a1").unwrap().image(&store.metrics());
            let next = roomy(self::store());
            next.host_or_create("alex", "a1").unwrap().restore(&image, &next.metrics(), next.limits());
            store = next;
        }
        let secs = NOW + tick * 60 + if tick < 30 { 0 } else { 33 };
        for child in 0..CHILDREN {
            write(&store, "sum", child, secs, 0.1 * (tick * 10 + child as i64) as f64, secs);
        }
        if tick == 20 {
            write(&store, "sum", 3, secs + 3600, 1.0 / 3.0, secs);
        }
        // On the old phase, so that the value ahead is the nearest to its output.
        compare(&store, "sum", NOW + (tick - 30) * 60, secs + 1);
    }
}

/// A component that first sends for a time that is rolled up already belongs to the sums of that time.
#[test]
fn a_component_that_begins_in_the_past_counts() {
    let store = roomy(store());
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
        let store = roomy(store());
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
/// After a start there are no roll-ups, and making them would have cost the start time. The first read makes them.
#[test]
fn roll_ups_come_back_with_the_first_read_after_a_start() {
    let store = roomy(store());
    for tick in 0..1500 {
        for child in 0..CHILDREN {
            write(&store, "avg", child, NOW + tick * 60, 0.01 * (tick * 7 + child as i64) as f64, NOW + tick * 60);
        }
    }
    let end = NOW + 1500 * 60;
    let image = store.host_or_create("alex", "a1").unwrap().image(&store.metrics());
    let next = roomy(self::store());
    let host = next.host_or_create("alex", "a1").unwrap();
    host.restore(&image, &next.metrics(), next.limits());
    let rollups = |store: &Store| store.memory().into_iter().find(|(name, _)| *name == "rollups").unwrap().1;
    assert_eq!(rollups(&next), 0);
    assert!(!compare(&next, "avg", NOW, end).1);
    assert!(rollups(&next) > 0);
    assert!(compare(&next, "avg", NOW, end).1);
    // A late sample drops one run of 512; the next read finds what is missing, and keeps it once nothing is late there.
    write(&next, "avg", 3, NOW + 700 * 60, 4.5, end);
    compare(&next, "avg", NOW, end);
    host.image(&next.metrics());
    compare(&next, "avg", NOW, end);
    let before = rollups(&next);
    assert!(compare(&next, "avg", NOW, end).1);
    assert_eq!(rollups(&next), before);
    // The threads of a socket, asked for by name.
    let socket = [Element::Group((0..CHILDREN - 1).map(|child| component(child).to_string()).collect())];
    assert!(!compare_below(&next, &socket, "avg", NOW, end).1);
    assert!(compare_below(&next, &socket, "avg", NOW, end).1);
}

/// A day of 64 threads, and the second behind it.
fn noisy_threads() -> (Store, i64) {
    let store = store();
    for tick in 0..1500 {
        for child in 0..64 {
            let value = ((tick * 7919 + child as i64 * 104_729) % 10_007) as f64 / 3.0;
            write(&store, "sum", child, NOW + tick * 60, value, NOW + tick * 60);
        }
    }
    (store, NOW + 1500 * 60)
}

/// Who asks for the sum of every set of threads that there is fills no memory with them.
#[test]
fn roll_ups_take_a_hundredth_of_the_memory() {
    let (store, end) = noisy_threads();
    for left_out in 0..40 {
        let threads = (0..64).filter(|&child| child != left_out).map(|child| component(child).to_string());
        let selector =
            Selector { cluster: "alex".into(), host: "a1".into(), below: vec![Element::Group(threads.collect())] };
        store.read(&selector, "sum", NOW, end).unwrap();
        let rollups = store.memory().into_iter().find(|(name, _)| *name == "rollups").unwrap().1;
        assert!(rollups * 100 <= store.memory_bytes(), "{rollups} of {}", store.memory_bytes());
    }
}

/// Sums of more sets of threads than fit were asked for in turns: each threw out the one that was asked for next, so
/// all were summed anew, sealed and thrown out again.
#[test]
fn roll_ups_that_are_read_in_turns_do_not_throw_each_other_out() {
    let (store, end) = noisy_threads();
    // Room for some of them.
    store.host_or_create("alex", "a1").unwrap().data.write().rollups.memory_part = 10;
    let asked = |left_out: usize| {
        let threads = (0..64).filter(|&child| child != left_out).map(|child| component(child).to_string());
        [Element::Group(threads.collect())]
    };
    let answered = |range: std::ops::Range<usize>| -> Vec<usize> {
        range.filter(|&left_out| compare_below(&store, &asked(left_out), "sum", NOW, end).1).collect()
    };
    assert!(answered(0..40).is_empty());
    let second = answered(0..40);
    assert!(!second.is_empty() && second.len() < 40, "{second:?}");
    assert_eq!(answered(0..40), second, "those that are there stay");
    // When they are no longer asked for, others come in.
    for _ in 0..20 {
        answered(40..55);
    }
    assert!(!answered(40..55).is_empty());
}

/// An answer may have 16 million slots; whether roll-ups help is known before there is room for them.
#[test]
fn a_long_range_with_little_in_it_takes_little_room() {
    let store = roomy(store());
    // A clock that was 25 years off.
    for child in 0..CHILDREN {
        write(&store, "sum", child, NOW - 25 * 365 * 86_400, 1.0, NOW);
    }
    for tick in 0..200 {
        for child in 0..CHILDREN {
            write(&store, "sum", child, NOW + tick * 60, 1.0, NOW + tick * 60);
        }
    }
    let metrics = store.metrics();
    let id = metrics.find("sum").unwrap();
    let host = store.host_or_create("alex", "a1").unwrap();
    let data = host.data.read();
    let children = read::children(&data, id);
    let whole =
        Question { children: &children, family: Family::Host, id, metric: metrics.get(id), asked: 0, to: NOW * 2 };
    assert!(data.rollups.find(id, Family::Host).is_some());
    assert!(RolledRange::take(&data, &whole).is_none());
    assert!(RolledRange::take(&data, &Question { asked: NOW, ..whole }).is_some());
}
