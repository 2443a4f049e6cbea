//! Data over restarts: nothing that was acknowledged is lost, whatever its age and order.

use crate::harness::{Config, How, Line, Random, Series, Store, T0, dense, in_each_form, now_secs, setting};

in_each_form! { backfilled_data_survives  checkpoint_and_log_fit_together  early_checkpoints_lose_nothing }

const HOSTS: [&str; 3] = ["a1", "a2", "a3"];
const TICKS: i64 = 1500;

/// A value that a float32 holds exactly, told apart from every other of its series.
fn value(host: usize, k: i64) -> f64 {
    k as f64 + [0.0, 0.5, 0.25][host]
}

/// A day and an hour from months ago, in an order that no collector would choose.
fn shuffled_lines(seed: u64) -> Vec<Line> {
    let mut lines: Vec<Line> = (0..HOSTS.len())
        .flat_map(|host| (0..TICKS).map(move |k| Line::new("mem_used", HOSTS[host], value(host, k), T0 + 60 * k + 13)))
        .collect();
    for k in 0..100 {
        lines.extend(
            (0..4).map(|thread| Line::new("flops_any", "a1", f64::from(thread), T0 + 60 * k).of("hwthread", thread)),
        );
    }
    Random::new(seed).shuffle(&mut lines);
    lines
}

fn check(store: &Store, when: &str) {
    for (host, name) in HOSTS.iter().enumerate() {
        let series = store.series(name, "mem_used", T0, T0 + 60 * TICKS).unwrap();
        assert_eq!(series.from, T0 + 13, "{name} {when}");
        assert_eq!(series.data, dense((0..TICKS).map(|k| value(host, k))), "{name} {when}");
    }
    let threads = store.series("a1", "flops_any", T0, T0 + 6000).unwrap();
    assert_eq!(threads.data, vec![Some(6.0); 100], "{when}");
}

/// cc-metric-store writes only what is newer than its own start: data from another store, posted later, was gone after
/// the next restart.
fn backfilled_data_survives(format: &str) {
    let seed = 41;
    let mut store = Store::start(Config::new(format));
    // The first sample sets the phase, as live data did before the backfill.
    store.write(HOSTS.iter().enumerate().map(|(host, name)| Line::new("mem_used", *name, value(host, 0), T0 + 13)));
    store.write((0..4).map(|thread| Line::new("flops_any", "a1", f64::from(thread), T0).of("hwthread", thread)));
    for piece in shuffled_lines(seed).chunks(700) {
        store.write(piece);
    }
    check(&store, "at once");
    for (round, how) in [How::Kill, How::Kill, How::Term, How::Term, How::Kill].into_iter().enumerate() {
        store.restart(how);
        check(&store, &format!("after restart {round} by {how:?}, seed {seed}"));
    }
}

/// Some of it in checkpoints, some of it in the log behind them, some of it late for both.
fn checkpoint_and_log_fit_together(format: &str) {
    let seed = 42;
    let mut store = Store::start(Config::new(format));
    store.write(HOSTS.iter().enumerate().map(|(host, name)| Line::new("mem_used", *name, value(host, 0), T0 + 13)));
    store.write((0..4).map(|thread| Line::new("flops_any", "a1", f64::from(thread), T0).of("hwthread", thread)));
    let lines = shuffled_lines(seed);
    let hows = [How::Term, How::Kill, How::Kill, How::Term, How::Kill];
    for (piece, how) in lines.chunks(lines.len().div_ceil(hows.len())).zip(hows) {
        store.write(piece);
        store.restart(how);
    }
    check(&store, &format!("at the end, seed {seed}"));
}

/// Checkpoints every second while data comes in, and a kill in the middle of whatever is going on.
fn early_checkpoints_lose_nothing(format: &str) {
    let mut store = Store::start(Config::new(format).set(setting::CHECKPOINT_INTERVAL, "1s"));
    let mut written = 0;
    for round in 0..3 {
        let until = store.metrics().sum("treering_checkpoints_total", "ok") + 2.0;
        let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
        while store.metrics().sum("treering_checkpoints_total", "ok") < until {
            assert!(std::time::Instant::now() < deadline, "no checkpoints: {}", store.log());
            for _ in 0..20 {
                store.write((0..8).map(|host| {
                    Line::new("fast", format!("a{host}"), f64::from(written % 4096), T0 + i64::from(written))
                }));
                written += 1;
            }
        }
        store.restart(How::Kill);
        for host in 0..8 {
            let data = store.series(&format!("a{host}"), "fast", T0, T0 + i64::from(written)).unwrap().data;
            assert_eq!(data, dense((0..written).map(|k| f64::from(k % 4096))), "host {host}, round {round}");
        }
    }
}

/// What a form can hold it gives back: all of an f64 in `native`, and in `json` once a checkpoint has it.
#[test]
fn values_stay_exact() {
    let exact = [123_456_789.125, -0.001, 1e15, 0.1 + 0.2, 16_777_217.0];
    for format in ["native", "json"] {
        let mut store = Store::start(Config::new(format));
        store.write((0i64..).zip(exact).map(|(k, value)| Line::new("mem_used", "a1", value, T0 + 60 * k)));
        let before = store.values("a1", "mem_used", T0, T0 + 600);
        assert!(before.iter().zip(exact).all(|(got, want)| (got - want).abs() <= 0.0005), "{before:?}");
        let hows: &[How] =
            if format == "native" { &[How::Kill, How::Term, How::Kill] } else { &[How::Term, How::Kill] };
        for how in hows {
            store.restart(*how);
            assert_eq!(store.values("a1", "mem_used", T0, T0 + 600), before, "{format} after {how:?}");
        }
    }
}

/// After a restart live data goes on where it was, in the same phase.
#[test]
fn live_data_goes_on_over_restarts() {
    for format in crate::harness::FORMATS {
        let mut store = Store::start(Config::new(format));
        let start = now_secs() - 3000;
        for k in 0..50 {
            store.write([Line::new("mem_used", "a1", k as f64, start + 60 * k)]);
            match k {
                10 | 30 => store.restart(How::Term),
                20 | 40 => store.restart(How::Kill),
                _ => {}
            }
        }
        let series: Series = store.series("a1", "mem_used", start, start + 3000).unwrap();
        assert_eq!((series.from, series.data), (start, dense((0..50).map(f64::from))), "{format}");
    }
}
