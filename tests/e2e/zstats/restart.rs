//! Restarts in the middle of a sequence: nothing that was acknowledged is lost.

use super::sender::Sender;
use super::{config, samples_at};
use crate::harness::{How, Store, T0, eventually};

const TARGETS: usize = 20;

fn value(generation: i64, number: usize, name: &str) -> f64 {
    (generation * 1000) as f64 + number as f64 + if name == "y" { 0.5 } else { 0.0 }
}

fn time_ms(generation: i64) -> i64 {
    T0 * 1000 + generation * 10_000
}

/// All of it is there, exactly.
fn check(store: &Store, generations: std::ops::RangeInclusive<i64>) {
    for generation in generations {
        let mut found = samples_at(store, time_ms(generation));
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        let found: Vec<f64> = found.into_iter().map(|(_, value)| value).collect();
        let all = (0..TARGETS).flat_map(|number| ["x_total", "y"].map(|name| value(generation, number, name)));
        assert_eq!(found, all.collect::<Vec<_>>(), "generation {generation}");
    }
}

/// A crash between two requests. The state is gone, each target is asked for one full scrape, and all samples are
/// there: those from before the crash out of the log, those after it as they came.
#[test]
fn a_crash_between_requests_loses_nothing() {
    let mut store = Store::start(config());
    let mut sender = Sender::new(TARGETS);
    for generation in 1..=40 {
        sender.scrape(generation, time_ms(generation), |number, name| value(generation, number, name));
        if generation % 10 == 0 {
            // Before what was scraped was sent, or after.
            assert!(generation != 20 || sender.send(&store));
            store.restart(if generation == 20 { How::Term } else { How::Kill });
        }
        assert!(sender.send(&store));
    }
    assert_eq!(sender.asked, 4 * TARGETS, "once after each restart");
    check(&store, 1..=40);
    store.restart(How::Kill);
    check(&store, 1..=40);
}

/// A crash while requests are under way: what was not answered comes again, and is taken once.
#[test]
fn a_crash_in_the_middle_of_requests_loses_nothing() {
    let mut store = Store::start(config());
    let mut generation = 0;
    let mut sender = Sender::new(TARGETS);
    for _ in 0..3 {
        let until = generation + 30;
        std::thread::scope(|scope| {
            let (begun, begins) = std::sync::mpsc::channel();
            let (store, sender, generation) = (&store, &mut sender, &mut generation);
            scope.spawn(move || {
                while *generation < until {
                    *generation += 1;
                    let now = *generation;
                    sender.scrape(now, time_ms(now), |number, name| value(now, number, name));
                    sender.send(store);
                    let _ = begun.send(());
                }
            });
            // A few are answered, then it crashes.
            for _ in 0..5 {
                begins.recv().unwrap();
            }
            store.signal("KILL");
        });
        store.stop(How::Kill);
        store.resume();
        eventually("what was kept is taken", || sender.send(&store).then_some(()));
    }
    check(&store, 1..=generation);
}
