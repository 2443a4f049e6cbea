//! Lines to a store over several connections at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cli::stop::Stop;

use super::client::Client;
use super::error::BenchError;
use super::store::Store;
use super::workload::{LINES_OF_TICK, append_tick};

/// Which lines to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// The hosts.
    pub hosts: u32,
    /// The first tick and the one behind the last.
    pub ticks: (u32, u32),
    /// The time of tick 0.
    pub start_secs: i64,
    /// Connections.
    pub connections: u32,
}

/// Bodies made ahead, so that the clock sees nothing of it: by tick, then by host.
pub(super) struct Bodies(Vec<Vec<Vec<u8>>>);

impl Load {
    /// Lines of all bodies.
    pub(super) fn lines(&self) -> u64 {
        u64::from(self.hosts) * u64::from(self.ticks.1 - self.ticks.0) * LINES_OF_TICK
    }

    /// The time of a tick.
    pub(super) fn secs(&self, tick: u32) -> i64 {
        self.start_secs + i64::from(tick) * super::workload::STEP_SECS
    }

    /// All bodies at once.
    pub(super) fn bodies(&self) -> Bodies {
        let body = |tick, host| {
            let mut body = Vec::with_capacity(BODY_BYTES);
            append_tick(&mut body, host, tick, self.secs(tick));
            body
        };
        let hosts = |tick| (0..self.hosts).map(|host| body(tick, host)).collect();
        Bodies((self.ticks.0..self.ticks.1).map(hosts).collect())
    }

    /// Calls `send` with every body, on as many threads as there are connections; a host's ticks stay in order.
    ///
    /// # Errors
    ///
    /// The first that `send` or `open` returns; the others end as soon as they can.
    pub(super) fn each<C>(
        &self,
        bodies: Option<&Bodies>,
        stop: &Stop,
        open: impl Fn() -> Result<C, BenchError> + Sync,
        send: impl Fn(&mut C, &[u8]) -> Result<(), BenchError> + Sync,
        close: impl Fn(C) -> Result<(), BenchError> + Sync,
    ) -> Result<Duration, BenchError> {
        let begin = Instant::now();
        let failed = std::sync::atomic::AtomicBool::new(false);
        let work = |connection: u32| {
            let mut made = Vec::new();
            let mut target = open()?;
            for tick in self.ticks.0..self.ticks.1 {
                for host in (connection..self.hosts).step_by(self.connections.max(1) as usize) {
                    if stop.is_asked() || failed.load(Ordering::Relaxed) {
                        return Err(BenchError::Interrupted);
                    }
                    let body = match bodies {
                        Some(bodies) => &bodies.0[(tick - self.ticks.0) as usize][host as usize],
                        None => {
                            made.clear();
                            append_tick(&mut made, host, tick, self.secs(tick));
                            &made
                        }
                    };
                    send(&mut target, body)?;
                }
            }
            close(target)
        };
        let outcomes: Vec<Result<(), BenchError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections.clamp(1, self.hosts.max(1)))
                .map(|connection| {
                    let (work, failed) = (&work, &failed);
                    scope.spawn(move || work(connection).inspect_err(|_| failed.store(true, Ordering::Relaxed)))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(Err(BenchError::Interrupted))).collect()
        });
        // What made the others end is the reason, not their ends.
        let mut errors = outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>();
        errors.sort_by_key(|error| matches!(error, BenchError::Interrupted));
        match errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(begin.elapsed()),
        }
    }

    /// Posts every body; returns how long that took.
    ///
    /// # Errors
    ///
    /// The store refuses lines, or is busy for long.
    pub(super) fn post(&self, store: &Store<'_>, bodies: Option<&Bodies>, stop: &Stop) -> Result<Duration, BenchError> {
        let waits = AtomicU64::new(0);
        let send = |client: &mut Client, body: &[u8]| post(store, client, body, &waits, stop);
        self.each(bodies, stop, || Ok(store.client()), send, |_| Ok(()))
    }
}

/// Posts one body, again and again while the store is busy.
///
/// # Errors
///
/// The store refuses the lines, or is busy for long.
pub(super) fn post(
    store: &Store<'_>,
    client: &mut Client,
    body: &[u8],
    waits: &AtomicU64,
    stop: &Stop,
) -> Result<(), BenchError> {
    let failed = |error: String| BenchError::Request { store: store.name(), what: "a write", error };
    loop {
        let (status, text) = client.whole("POST", "/api/write", body).map_err(|error| failed(error.to_string()))?;
        match status {
            200 | 204 => return Ok(()),
            429 | 503 if waits.fetch_add(1, Ordering::Relaxed) < WAITS_MAX && !stop.is_asked() => {
                std::thread::sleep(WAIT_TIME);
            }
            _ => return Err(failed(format!("{status}: {}", String::from_utf8_lossy(&text).trim()))),
        }
    }
}

/// What a body has about.
const BODY_BYTES: usize = 96 << 10;
const WAIT_TIME: Duration = Duration::from_millis(20);
/// Waits of one load.
const WAITS_MAX: u64 = 5_000;
