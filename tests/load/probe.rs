//! An honest client that asks all the while: whatever others do, it is served within a bound.
//!
//! It does so on one connection that it makes at its start. A client with a pool opens another when the first comes
//! back to the pool too late, and where connections are refused, those would be too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Line, Store, T0};
use crate::raw::{Raw, request};

/// The longest that an honest query may take beside hostile ones. A query alone takes milliseconds; a machine that
/// runs other tests beside this one is slow.
pub const BOUND: Duration = Duration::from_secs(8);

/// Memory that no attack of these tests may take, in KiB.
pub const GROWTH_KIB_MAX: u64 = 256 << 10;

/// Asks and writes until it is stopped.
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Tally>>,
    rss_kib: u64,
}

/// What the probe saw.
#[derive(Debug, Default)]
struct Tally {
    asked: usize,
    slowest: Duration,
    failures: Vec<String>,
}

impl Probe {
    /// Begins to ask a store.
    pub fn start(store: &Store) -> Probe {
        store.write([Line::new("cpu_load", "probe", 42.0, T0)]);
        let asked = json!({"cluster": "alex", "from": T0, "to": T0 + 60,
                           "queries": [{"metric": "cpu_load", "host": "probe"}]});
        let question = request("/api/query", &asked.to_string());
        let write = request("/api/write", &Line::new("cpu_load", "probe", 42.0, T0).to_string());
        let stop = Arc::new(AtomicBool::new(false));
        let mut client = Raw::connect(store);
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut tally = Tally::default();
                while !stop.load(Ordering::Relaxed) && tally.failures.is_empty() {
                    let begun = Instant::now();
                    for asked in [&question, &write] {
                        match client.exchange(asked) {
                            Ok((200, _)) => {}
                            failure => tally.failures.push(format!("{failure:?}")),
                        }
                    }
                    tally.asked += 1;
                    tally.slowest = tally.slowest.max(begun.elapsed());
                    std::thread::sleep(Duration::from_millis(20));
                }
                tally
            }
        });
        Probe { stop, thread: Some(thread), rss_kib: store.memory_kib("VmRSS") }
    }

    /// Ends: all was served in time, and memory stayed within bounds.
    #[track_caller]
    pub fn finish(self, store: &Store) {
        self.finish_within(store, GROWTH_KIB_MAX);
    }

    /// As [`Probe::finish`], with another bound of memory.
    #[track_caller]
    pub fn finish_within(mut self, store: &Store, growth_kib_max: u64) {
        self.stop.store(true, Ordering::Relaxed);
        let tally = self.thread.take().unwrap().join().unwrap();
        assert!(tally.failures.is_empty(), "not all were served: {:?}", tally.failures);
        assert!(tally.asked > 0 && tally.slowest < BOUND, "{tally:?}");
        let grown = store.memory_kib("VmHWM").saturating_sub(self.rss_kib);
        println!("{} honest requests, the slowest took {:?}; memory grew by {grown} KiB", tally.asked, tally.slowest);
        assert!(grown <= growth_kib_max, "memory grew by {grown} KiB");
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
