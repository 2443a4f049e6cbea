//! Random histories of a whole engine on a faulty disk, compared with a plain model.
//!
//! A history writes (in order, jittered, late, twice, ahead of the clock, bad lines between them), reads, flushes,
//! checkpoints, frees, retains, breaks and heals the disk, kills the process and the machine at any operation, and
//! opens the files again, in another form too. After `kill -9` every acknowledged sample must be there; after a power
//! failure all but what `wal-sync` allows; nothing refused, freed or never sent may ever be.
//!
//! Some histories in the native form have stamped series, too: numbers, histograms and exemplars, in bodies that hold
//! grid samples beside them.
//!
//! Histories with an archive do the same in the cleanup mode that archives: with passes, a memory cap, hosts in use and
//! cleanups offline. There, what memory and the files hold together is compared.
//!
//! `TREERING_HISTORIES` sets how many there are, `TREERING_SEED` the seed of the first one.

mod archive;
mod cleanup;
mod model;
mod stamped;
mod steps;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use model::Crash;
use world::{Counts, World};

/// As many as run in less than a minute in a debug build on two busy cores.
const HISTORIES: u64 = 1200;
/// As many with an archive as run in less than half a minute.
const ARCHIVE_HISTORIES: u64 = 600;
const STEPS: usize = 60;
const THREADS: usize = 2;

/// Runs one history; answers what was counted, or what went wrong and how it came to it.
fn history(seed: u64, has_archive: bool) -> Result<Counts, String> {
    let mut world = World::new(seed, has_archive);
    let steps = 10 + world.random.below(STEPS);
    let mut run = || -> Result<(), String> {
        for _ in 0..steps {
            if has_archive { world.step_of_archive()? } else { world.step()? }
        }
        let crash = *world.random.pick(&[Crash::Kill, Crash::Power]);
        world.crash(crash)?;
        world.compare()?;
        world.end()?;
        if has_archive {
            world.archive_all()?;
        }
        world.compare()
    };
    let outcome = run();
    outcome.map(|()| world.counts).map_err(|what| {
        let begin = world.trace.len().saturating_sub(number("TREERING_TRACE", 30) as usize);
        format!("seed {seed}: {what}\n{}\n…\n{}", world.trace[0], world.trace[begin..].join("\n"))
    })
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_acknowledged_is_ever_lost() {
    run(false, HISTORIES);
}

#[test]
fn nothing_leaves_but_through_the_archive() {
    run(true, ARCHIVE_HISTORIES);
}

fn run(has_archive: bool, default_count: u64) {
    let first = number("TREERING_SEED", 1);
    let count = number("TREERING_HISTORIES", default_count);
    let next = AtomicU64::new(first);
    let totals = Mutex::new(Counts::default());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failures.lock().len() > 2 {
                        return;
                    }
                    let outcome = std::panic::catch_unwind(|| history(seed, has_archive))
                        .unwrap_or_else(|_| Err(format!("seed {seed}: a panic, see above")));
                    match outcome {
                        Ok(counts) => totals.lock().add(counts),
                        Err(what) => failures.lock().push((seed, what)),
                    }
                }
            });
        }
    });
    let totals = totals.into_inner();
    println!("{totals}");
    let mut failures = failures.into_inner();
    failures.sort();
    let all: Vec<String> = failures.into_iter().map(|(_, what)| what).collect();
    assert!(all.is_empty(), "{} (TREERING_SEED gives the seed again)\n{}", totals, all.join("\n\n"));
}

impl Counts {
    fn add(&mut self, other: Counts) {
        let Counts { histories, kills, power_failures, faults, acknowledged, refused, checkpoints, compared, .. } =
            other;
        self.passes += other.passes;
        self.archived += other.archived;
        self.histories += histories;
        self.kills += kills;
        self.power_failures += power_failures;
        self.faults += faults;
        self.acknowledged += acknowledged;
        self.refused += refused;
        self.checkpoints += checkpoints;
        self.compared += compared;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { histories, kills, power_failures, faults, acknowledged, refused, checkpoints, compared, .. } =
            self;
        let Counts { passes, archived, .. } = self;
        write!(
            f,
            "{histories} histories, {} crashes ({kills} kills, {power_failures} power failures), {faults} faults, \
             {checkpoints} checkpoints, {acknowledged} acknowledged samples, lost 0, {refused} refused, \
             {compared} comparisons, {passes} passes, {archived} rows archived",
            kills + power_failures
        )
    }
}
