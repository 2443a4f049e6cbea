//! Clocks that are wrong, shifted or jittery.

use crate::harness::{Config, How, Line, Random, Store, T0, dense, in_each_form, now_secs, setting};

in_each_form! { a_sample_in_the_future_costs_no_other  phase_and_jitter_lose_nothing }

/// One node's clock was 10 minutes ahead for one tick. From then on every correct sample of that node was "past" and
/// dropped, until the clocks met again.
fn a_sample_in_the_future_costs_no_other(format: &str) {
    let mut store = Store::start(Config::new(format));
    let now = now_secs();
    for (host, ahead) in [("same-phase", 600), ("other-phase", 615)] {
        store.write([Line::new("mem_used", host, -1.0, now + ahead)]);
        // Then the correct ones, in the order of time, each in a body of its own.
        for k in 0..30 {
            store.write([Line::new("mem_used", host, k as f64, now - 60 * (29 - k))]);
        }
    }
    for round in ["at once", "after SIGTERM", "after SIGKILL"] {
        for (host, ahead) in [("same-phase", 600), ("other-phase", 615)] {
            let series = store.series(host, "mem_used", now - 1800, now + 720).unwrap();
            let mut expected: Vec<f64> = (0..30).map(f64::from).collect();
            expected.push(-1.0);
            assert_eq!(series.values(), expected, "{host} {round}");
            for k in 0..30 {
                assert_eq!(series.at(now - 60 * (29 - k)), Some(k as f64), "{host} {round}, sample {k}");
            }
            assert_eq!(series.at(now + ahead), Some(-1.0), "{host} {round}");
        }
        match round {
            "at once" => store.restart(How::Term),
            _ => store.restart(How::Kill),
        }
    }
}

/// Two hours ahead is no clock that anybody should trust: the sample is dropped, counted, and no error.
#[test]
fn a_sample_too_far_in_the_future_is_dropped_and_counted() {
    let store = Store::start(Config::new("native"));
    let now = now_secs();
    store.write([Line::new("mem_used", "a1", 1.0, now - 60), Line::new("mem_used", "a1", 2.0, now + 7200)]);
    store.write([Line::new("mem_used", "a1", 3.0, now)]);
    assert_eq!(store.values("a1", "mem_used", now - 3600, now + 10_000), [1.0, 3.0]);
    let metrics = store.metrics();
    assert_eq!(metrics.sum("treering_dropped_total", "reason=\"future"), 1.0);
    assert_eq!(metrics.sum("treering_samples_total", "source=\"http\""), 2.0);
}

#[test]
fn the_future_tolerance_is_a_setting() {
    let store = Store::start(Config::new("native").set(setting::FUTURE_TOLERANCE, "3h"));
    let now = now_secs();
    store.write([Line::new("mem_used", "a1", 2.0, now + 7200), Line::new("mem_used", "a1", 3.0, now + 4 * 3600)]);
    assert_eq!(store.values("a1", "mem_used", now, now + 20_000), [2.0]);
}

/// Collectors start at any second of a minute and wake up some seconds early or late. With slots on the grid a sample
/// at :59 and one at :01 fell into one slot, and the next slot stayed empty.
fn phase_and_jitter_lose_nothing(format: &str) {
    const TICKS: i64 = 2 * 24 * 60;
    let seed = 20_260_101;
    let mut random = Random::new(seed);
    let hosts = ["a1", "a2", "a3", "a4", "a5", "a6"];
    let jitters: Vec<Vec<i64>> = hosts.iter().map(|_| (0..TICKS).map(|_| random.between(-10, 10)).collect()).collect();
    let mut store = Store::start(Config::new(format));
    for (day, how) in [(0, How::Kill), (1, How::Term)] {
        for (host, jitters) in hosts.iter().zip(&jitters) {
            let ticks = (0..TICKS).filter(|k| k / 1440 == day);
            store.write(ticks.map(|k| {
                let secs = T0 + 7 + 60 * k + jitters[usize::try_from(k).unwrap()];
                Line::new("mem_used", *host, k as f64, secs)
            }));
        }
        for when in ["before", "after"] {
            for host in hosts {
                let series = store.series(host, "mem_used", T0 - 60, T0 + 60 * TICKS + 120).unwrap();
                let expected = dense((0..1440 * (day + 1)).map(|k| k as f64));
                assert_eq!(series.data, expected, "{host}, day {day}, {when} {how:?}, seed {seed}");
            }
            if when == "before" {
                store.restart(how);
            }
        }
    }
    assert_eq!(store.metrics().sum("treering_dropped_total", ""), 0.0);
}
