//! Retention and the memory cap: memory is finite, and says so in time.

use std::time::Instant;

use crate::harness::{Config, How, Line, Random, Store, eventually, in_each_form, now_secs, setting};

in_each_form! { old_data_leaves_and_stays_away  the_memory_cap_holds }

/// A restart brought everything back that retention had freed, and the memory cap was passed at once.
fn old_data_leaves_and_stays_away(format: &str) {
    let started = Instant::now();
    let mut store = Store::start(Config::new(format).set(setting::RETENTION, "6s"));
    let now = now_secs();
    store.write((0..50).map(|k| Line::new("fast", "a1", k as f64, now - 1000 + k)));
    store.write([Line::new("fast", "a1", 1.0, now + 1800)]);
    // A host that was switched off after a few rows: too few to have been sealed in a block.
    store.write((0..3).map(|k| Line::new("fast", "quiet", k as f64, now - 1000 + k)));
    let count = |store: &Store, host: &str| store.values(host, "fast", now - 2000, now + 2000).len();
    let ask = |store: &Store| (count(store, "a1"), count(store, "quiet"));
    let answered = ask(&store);
    // Between two passes of the cleanup older samples are accepted and answered; the first comes after six seconds.
    if started.elapsed().as_secs() < 6 {
        assert_eq!(answered, (51, 3));
    }
    eventually("the old ones are freed, the newest is not", || (ask(&store) == (1, 0)).then_some(()));
    for how in [How::Kill, How::Term, How::Kill] {
        store.restart(how);
        assert_eq!(ask(&store), (1, 0), "after {how:?}");
    }
}

/// More data than the cap allows, faster than any timer: the oldest goes, the newest is answered, and the count stays
/// below the cap after every body.
fn the_memory_cap_holds(format: &str) {
    const CAP: f64 = 10_000_000.0;
    const HOSTS: i64 = 100;
    const TICKS: i64 = 500;
    const ROUNDS: i64 = 40;
    let store = Store::start(Config::new(format).set(setting::MEMORY_CAP, "10MB"));
    let start = now_secs() - 100_000;
    let mut random = Random::new(3);
    let mut highest: f64 = 0.0;
    let mut written = 0;
    let mut freed = false;
    for round in 0..ROUNDS {
        for host in 0..HOSTS {
            let lines = (0..TICKS).map(|k| {
                let secs = start + round * TICKS + k;
                // Noise: what cannot be compressed fills memory soonest.
                let value = random.next() as f64 / 1e12;
                format!("fast,cluster=alex,hostname=a{host},type=hwthread,type-id={} value={value} {secs}", host % 4)
            });
            let lines: Vec<String> = lines.collect();
            written += lines.len();
            store.write(lines);
        }
        let metrics = store.metrics();
        let counted = metrics.sum("treering_memory_bytes", "");
        highest = highest.max(counted);
        assert!(counted <= CAP, "{counted} bytes in round {round}");
        freed |= metrics.sum("treering_blocks_dropped_total", "memory_cap") > 0.0;
    }
    // Without a cap it would be more than that many bytes, else this test says nothing.
    assert!(written * 8 > CAP as usize * 5 / 4, "{written}");
    assert!(freed, "nothing was freed, at {highest} bytes at most");
    let last = start + ROUNDS * TICKS;
    for host in 0..HOSTS {
        let newest = store.values(&format!("a{host}"), "fast", last - 60, last);
        assert_eq!(newest.len(), 60, "the newest minute of host {host}");
    }
    let oldest: usize = (0..HOSTS).map(|host| store.values(&format!("a{host}"), "fast", start, start + 60).len()).sum();
    assert_eq!(oldest, 0, "the oldest minute");
}
