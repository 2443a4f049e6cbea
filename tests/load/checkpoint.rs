//! Checkpoints under full write load: who waits, and for how long; and what they take of memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Config, Store, T0, eventually_within, in_each_form, setting};

in_each_form! { a_checkpoint_keeps_no_writer_waiting }

const HOSTS: usize = 10_000;
const WRITERS: usize = 2;
/// A busy machine alone may keep a writer waiting for so long.
const SHORT_SECS: f64 = 5.0;
/// Hosts of one body.
const BODY_HOSTS: usize = 100;

/// The latencies of writers that write as fast as they can until `until` says so.
fn load(store: &Store, tick: i64, until: impl FnOnce()) -> Vec<Duration> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut latencies = Vec::new();
                    let mut at = writer * HOSTS / WRITERS;
                    while !stop.load(Ordering::Relaxed) {
                        let lines = (at..at + BODY_HOSTS).map(|host| {
                            let (host, secs) = (host % HOSTS, T0 + 60 * tick);
                            format!("mem_used,cluster=alex,hostname=a{host:05},type=node value={host} {secs}")
                        });
                        let lines: Vec<String> = lines.collect();
                        let begun = Instant::now();
                        store.write(lines);
                        latencies.push(begun.elapsed());
                        at = (at + BODY_HOSTS) % HOSTS;
                    }
                    latencies
                })
            })
            .collect();
        until();
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    })
}

fn show(what: &str, latencies: &mut [Duration]) -> Duration {
    latencies.sort();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    println!(
        "{what}: {} bodies of {BODY_HOSTS} hosts, half within {:?}, 99 % within {:?}, the slowest {:?}",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    at(1.0)
}

/// How long the checkpoints took that the log tells of, in seconds.
fn checkpoints(store: &Store) -> Vec<f64> {
    let log = store.log();
    let lines = log
        .lines()
        .filter_map(|line| line.split_once("checkpoint of ")?.1.split_once(" hosts in ")?.1.split_once(" s"));
    lines.map(|(seconds, _)| seconds.parse().unwrap()).collect()
}

/// The writers of 10,000 hosts go on while all of them are written to the disk: none waits for the checkpoint, and the
/// checkpoint holds a few hosts at a time and not all of them.
fn a_checkpoint_keeps_no_writer_waiting(format: &str) {
    // Long enough after the start that the first loads are without one.
    let config = Config::new(format).set(setting::CHECKPOINT_INTERVAL, "12h");
    let mut store = Store::start(config.clone());
    for tick in 0..2 {
        load_all(&store, tick);
    }
    let mut without = load(&store, 2, || std::thread::sleep(Duration::from_secs(4)));
    let slowest_without = show("without checkpoints", &mut without);
    store.set_config(config.set(setting::CHECKPOINT_INTERVAL, "1s"));
    store.restart(crate::harness::How::Kill);
    let before = (checkpoints(&store).len(), store.memory_kib("VmRSS"));
    let mut with = load(&store, 3, || {
        eventually_within(Duration::from_secs(240), "two checkpoints", || {
            (checkpoints(&store).len() >= before.0 + 2).then_some(())
        });
    });
    let slowest = show("during checkpoints", &mut with);
    let took = checkpoints(&store)[before.0..].iter().copied().fold(0.0, f64::max);
    let grown = store.memory_kib("VmHWM").saturating_sub(before.1);
    println!("the longest checkpoint took {took} s; memory grew by {grown} KiB");
    // A structural bound and no measurement: whoever waited for a whole checkpoint would show. Short checkpoints say
    // nothing, for a machine that runs other tests makes anybody wait so long.
    let bound = (took / 2.0).max(4.0 * slowest_without.as_secs_f64()).max(SHORT_SECS);
    assert!(slowest.as_secs_f64() < bound, "the slowest writer took {slowest:?}, a checkpoint {took} s");
    assert!(grown < 64 << 10, "memory grew by {grown} KiB");
}

fn load_all(store: &Store, tick: i64) {
    for thousand in 0..HOSTS / 1000 {
        store.write((thousand * 1000..(thousand + 1) * 1000).map(|host| {
            let secs = T0 + 60 * tick;
            format!("mem_used,cluster=alex,hostname=a{host:05},type=node value={host} {secs}")
        }));
    }
}
