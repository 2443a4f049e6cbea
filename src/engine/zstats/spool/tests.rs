//! Tests of the spool: recorded entries, readers that take files away, faults, crashes, limits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io};

use nix::errno::Errno;
use serde_json::Value;

use super::{Cleaned, Kept, Spool, SpoolCleaning, SpoolOptions};
use crate::disk::{Disk, SharedDisk, SystemDisk};
use crate::formats::zstats::{
    Code, Instances, RequestLimits, Scrape, ScrapedSeries, SpoolEntry, StateLimits, Undo, decode_request, gunzip,
};
use crate::model::Labels;
use crate::telemetry::{Reason, SharedTelemetry, Telemetry};
use crate::testing::{FaultyDisk, Files, Lasts, Operation};
use crate::time::{Clock, SharedClock, SystemClock};

/// A clock of microseconds.
struct At(AtomicI64);

impl At {
    fn set(&self, us: i64) {
        self.0.store(us, Ordering::Relaxed);
    }
}

impl Clock for At {
    fn now_millis(&self) -> i64 {
        self.now_micros().div_euclid(1000)
    }

    fn now_micros(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A spool in memory, and all that it sees.
struct World {
    disk: FaultyDisk,
    clock: Arc<At>,
    telemetry: SharedTelemetry,
    spool: Spool,
}

const ROOT: &str = "/var/spool";
const START_US: i64 = 1_795_264_000_000_000;
const SECOND_US: i64 = 1_000_000;

impl World {
    fn new(change: impl FnOnce(&mut SpoolOptions)) -> World {
        World::on(FaultyDisk::new(7), START_US, change)
    }

    fn on(disk: FaultyDisk, now_us: i64, change: impl FnOnce(&mut SpoolOptions)) -> World {
        let (clock, telemetry) = (Arc::new(At(AtomicI64::new(now_us))), Arc::new(Telemetry::default()));
        let mut options = SpoolOptions::new(ROOT);
        change(&mut options);
        let shared: (SharedDisk, SharedClock) = (Arc::new(disk.clone()), Arc::clone(&clock) as SharedClock);
        let spool = Spool::new(options, shared.0, shared.1, Arc::clone(&telemetry)).unwrap();
        World { disk, clock, telemetry, spool }
    }

    /// Keeps a scrape, so many seconds after the start.
    fn keep_at(&self, secs: i64, instance: &str) -> Kept {
        self.clock.set(START_US + secs * SECOND_US);
        self.spool.keep("a", instance, &scrape()).unwrap()
    }

    fn clean_at(&self, secs: i64) -> Cleaned {
        self.clock.set(START_US + secs * SECOND_US);
        self.spool.clean()
    }

    /// All files, by path below the spool.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let below = |path: PathBuf| path.strip_prefix(ROOT.trim_start_matches('/')).unwrap().to_owned();
        files_of(&self.disk.files()).map(|(path, bytes)| (below(path), bytes)).collect()
    }

    fn failures(&self, reason: &'static str) -> u64 {
        self.telemetry.spool.failures.get_or_create(&Reason { reason }).get()
    }

    fn removed(&self, reason: &'static str) -> u64 {
        self.telemetry.spool.removed.get_or_create(&Reason { reason }).get()
    }
}

fn files_of(files: &Files) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    files.iter().filter_map(|(path, bytes)| Some((path.clone(), bytes.clone()?)))
}

fn scrape() -> Scrape {
    let series = ScrapedSeries {
        labels: Labels::from_pairs([("__name__", "up"), ("job", "node")]),
        kind: "gauge".into(),
        help: "Whether it is up.".into(),
        time_ms: 1000,
        value: 1.0,
    };
    Scrape { generation: 1, time_ms: 1000, target_labels: vec!["job".into()], series: vec![series] }
}

/// The bytes that an entry of [`scrape`] takes.
fn entry_bytes(instance: &str) -> u64 {
    let entry = SpoolEntry::of("a", instance, &scrape(), START_US).unwrap();
    (entry.data.len() + entry.manifest.len()) as u64
}

fn read(disk: &FaultyDisk, path: &str) -> Vec<u8> {
    disk.read(Path::new(path)).unwrap()
}

fn unzipped(data: &[u8]) -> String {
    String::from_utf8(gunzip(data, &RequestLimits::default()).unwrap()).unwrap()
}

/// A manifest with its common labels in an order that can be compared.
fn sorted(mut manifest: Value) -> Value {
    if let Some(pairs) = manifest["kvs"].as_array_mut() {
        pairs.sort_by_key(|pair| pair["key"].as_str().unwrap().to_owned());
    }
    manifest
}

/// Every recorded exchange is played, and what is kept of it is what the original wrote, where it wrote it.
#[test]
fn recorded_entries_come_out_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zstats");
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "bin"));
    names.sort();
    let (mut sequence, mut instances, mut compared) = (Value::Null, Instances::new(StateLimits::default()), 0);
    let world = World::new(|_| {});
    for path in names {
        let recorded: Value = serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        if std::mem::replace(&mut sequence, recorded["sequence"].clone()) != recorded["sequence"] {
            instances = Instances::new(StateLimits::default());
        }
        let limits = RequestLimits::default();
        let Ok(body) = gunzip(&fs::read(&path).unwrap(), &limits) else { continue };
        let Ok(request) = decode_request(&body, &limits) else { continue };
        let keep = |blob: usize, applied: &crate::formats::zstats::Applied<'_>| {
            let spool = recorded["scrapes"].as_array().and_then(|scrapes| {
                let scrape = scrapes.iter().find(|scrape| scrape["blob"] == blob)?;
                scrape.get("spool")
            });
            let Some(expected) = spool else { return Code::Taken };
            let directory = expected["directory"].as_str().unwrap();
            // In another world, for the recorded times are not in the order of the names.
            let world = World::on(world.disk.clone(), 0, |_| {});
            world.clock.set(directory.rsplit('/').next().unwrap().parse().unwrap());
            let kept = world.spool.keep("Zebrium", applied.instance, applied.scrape).unwrap();
            let us = directory.rsplit('/').next().unwrap();
            assert_eq!(kept.data_path, format!("{ROOT}/{directory}/{us}.data.gz"));
            assert_eq!(kept.manifest_path, format!("{ROOT}/{directory}/{us}.json"));
            assert_eq!(unzipped(&read(&world.disk, &kept.data_path)), expected["data"], "{path:?}");
            let manifest: Value = serde_json::from_slice(&read(&world.disk, &kept.manifest_path)).unwrap();
            if let Some(json) = expected.get("json") {
                assert_eq!(sorted(manifest), sorted(json.clone()), "{path:?}");
            }
            compared += 1;
            Code::Taken
        };
        instances.apply_all("Zebrium", &request, 0, &mut Undo::default(), keep, |_, _| {});
    }
    assert_eq!(compared, 27);
}

#[test]
fn readers_are_told_where_it_lies() {
    let world = World::new(|_| {});
    let kept = world.keep_at(0, "10.0.0.1:9100.x/node");
    let notification = kept.notification("a", "10.0.0.1:9100.x/node", 1000);
    assert_eq!(notification.data_path, format!("{ROOT}/a/10.0.0.1_9100.x/node/{START_US}/{START_US}.data.gz"));
    assert_eq!(notification.manifest_path, format!("{ROOT}/a/10.0.0.1_9100.x/node/{START_US}/{START_US}.json"));
    assert_eq!(world.telemetry.spool.written.get(), 1);
    // A path that is relative to the server says nothing to a reader.
    let options = SpoolOptions::new("here");
    let spool = Spool::new(options, Arc::new(SystemDisk), Arc::new(SystemClock), world.telemetry).unwrap();
    assert!(spool.options.directory.is_absolute() && spool.options.directory.ends_with("here"));
}

#[test]
fn names_lead_nowhere_else() {
    let world = World::new(|_| {});
    for (account, instance) in [
        ("a", "../x"),
        ("a", "/etc/x"),
        ("a", "x/../../y"),
        ("a", ""),
        ("..", "x"),
        ("a/b", "x"),
        ("", "x"),
        ("a", "x\0"),
    ] {
        let error = world.spool.keep(account, instance, &scrape()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{account:?} {instance:?}: {error}");
    }
    assert_eq!((world.failures("name"), world.disk.operations()), (8, 0));
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    for bytes in [0, 10, entry_bytes("i") - 1] {
        let world = World::new(|_| {});
        world.disk.run_full(bytes);
        let error = world.spool.keep("a", "i", &scrape()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
        let names_path = error.to_string().contains(&format!("{ROOT}/a/i/{START_US}"));
        assert!(names_path && error.to_string().contains("space"), "{error}");
        assert_eq!((world.failures("disk_full"), world.telemetry.spool.written.get()), (1, 0));
        assert!(world.files().is_empty(), "{:?}", world.files());
        world.disk.heal();
        world.keep_at(1, "i");
        assert_eq!(world.files().len(), 2);
    }
}

/// The machine or the process stops after any change: there is no manifest without its data, and what is left behind
/// goes with a later pass.
#[test]
fn a_crash_leaves_no_manifest_without_data() {
    for (is_synced, loses_power) in [(false, false), (true, false), (true, true)] {
        let mut is_kept = false;
        for changes in 0.. {
            let world = World::on(FaultyDisk::new(changes), START_US, |options| options.is_synced = is_synced);
            world.disk.halt_after(changes);
            let kept = world.spool.keep("a", "i", &scrape());
            is_kept = kept.is_ok();
            assert!(is_kept || world.disk.is_halted());
            if loses_power {
                world.disk.crash_power()
            } else {
                world.disk.crash_process()
            }
            let (manifest, data) =
                (format!("a/i/{START_US}/{START_US}.json"), format!("a/i/{START_US}/{START_US}.data.gz"));
            let files = world.files();
            let expected = SpoolEntry::of("a", "i", &scrape(), START_US).unwrap();
            if let Some(manifest) = files.get(Path::new(&manifest)) {
                assert_eq!(*manifest, expected.manifest.as_bytes(), "{changes} changes");
                assert_eq!(files.get(Path::new(&data)), Some(&expected.data), "{changes} changes");
            } else {
                assert!(!is_kept, "{changes} changes");
            }
            // Another process comes: whatever is no entry goes, and not before it can be no entry under way.
            let world = World::on(world.disk, START_US, |_| {});
            let is_entry = files.contains_key(Path::new(&manifest));
            assert_eq!(world.clean_at(59).removed_incomplete, 0);
            assert_eq!(world.clean_at(61).entries, u64::from(is_entry), "{changes} changes");
            assert_eq!(world.files().len(), if is_entry { 2 } else { 0 }, "{changes} changes");
            if is_kept {
                break;
            }
        }
        assert!(is_kept);
    }
}

/// A file system that lost what it was not asked to flush may leave empty files under their final names.
#[test]
fn empty_files_are_no_entry() {
    for empty in ["json", "data.gz"] {
        let world = World::new(|_| {});
        world.keep_at(0, "i");
        let path = PathBuf::from(format!("{ROOT}/a/i/{START_US}/{START_US}.{empty}"));
        drop(world.disk.create(&path).unwrap());
        let world = World::on(world.disk, START_US, |_| {});
        assert_eq!(world.clean_at(61), Cleaned { removed_incomplete: 1, ..Cleaned::default() });
        assert!(world.files().is_empty());
    }
}

#[test]
fn readers_may_take_anything_away() {
    let world = World::new(|_| {});
    let kept: Vec<Kept> = (0..4).map(|secs| world.keep_at(secs, "i")).collect();
    // Nothing, the data, the manifest, both with the directory.
    for path in [&kept[1].data_path, &kept[2].manifest_path, &kept[3].data_path, &kept[3].manifest_path] {
        world.disk.remove(Path::new(path)).unwrap();
    }
    world.disk.remove_dir(Path::new(&kept[3].data_path).parent().unwrap()).unwrap();
    let cleaned = world.clean_at(10);
    assert_eq!((cleaned.entries, cleaned.removed_incomplete, cleaned.failures), (2, 0, 0), "{cleaned:?}");
    // What is left without a manifest says nothing to anybody.
    let cleaned = world.clean_at(100);
    assert_eq!((cleaned.entries, cleaned.removed_incomplete, cleaned.failures), (2, 1, 0), "{cleaned:?}");
    let cleaned = world.clean_at(100 * 3600);
    assert_eq!((cleaned.entries, cleaned.removed_age, cleaned.failures), (0, 2, 0), "{cleaned:?}");
    assert!(world.files().is_empty());
    // Empty directories went with them.
    assert_eq!(world.disk.list(Path::new(ROOT)).unwrap(), []);
    assert_eq!((world.telemetry.spool.entries.get(), world.telemetry.spool.bytes.get()), (0, 0));
    // A spool that is not there at all is an empty one.
    world.disk.remove_dir(Path::new(ROOT)).unwrap();
    assert_eq!(world.clean_at(200 * 3600), Cleaned::default());
    world.keep_at(200 * 3600, "i");
}

/// A reader removes empty directories, too, at the worst moment.
#[test]
fn a_directory_that_vanishes_is_made_again() {
    for operation in [Operation::Create, Operation::Rename] {
        for spared in 0..2 {
            let world = World::new(|_| {});
            world.disk.fail(spared, Lasts::Once, Errno::ENOENT, move |found, _| found == operation);
            world.keep_at(0, "i");
            assert_eq!(world.files().len(), 2, "{operation:?} {spared}");
        }
    }
    let world = World::new(|_| {});
    world.disk.fail(0, Lasts::UntilHealed, Errno::ENOENT, |found, _| found == Operation::Create);
    assert_eq!(world.spool.keep("a", "i", &scrape()).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(world.failures("disk"), 1);
}

#[test]
fn the_oldest_go_first() {
    let one = entry_bytes("i1");
    for (entries_max, bytes_max) in [(10, 0), (usize::MAX, 10 * one)] {
        let world = World::new(|options| {
            (options.entries_max, options.bytes_max, options.max_age) = (entries_max, bytes_max, Duration::ZERO);
        });
        for secs in 0..10 {
            world.keep_at(secs, if secs % 2 == 0 { "i1" } else { "i2" });
        }
        assert_eq!((world.telemetry.spool.entries.get(), world.telemetry.spool.bytes.get() as u64), (10, 10 * one));
        let cleaned = world.clean_at(1_000_000);
        assert_eq!(cleaned, Cleaned { entries: 10, bytes: 10 * one, ..Cleaned::default() }, "no limit is passed");
        for secs in 10..13 {
            world.keep_at(secs, "i3");
        }
        let cleaned = world.clean_at(1_000_000);
        // Three too many, and one for some room.
        assert_eq!((cleaned.entries, cleaned.bytes), (9, 9 * one), "{cleaned:?}");
        let left: BTreeSet<PathBuf> = world.files().into_keys().collect();
        let expected = |secs: i64| {
            let us = START_US + secs * SECOND_US;
            let instance = if secs >= 10 { "i3" } else { ["i1", "i2"][secs as usize % 2] };
            ["json", "data.gz"].map(|end| PathBuf::from(format!("a/{instance}/{us}/{us}.{end}")))
        };
        assert_eq!(left, (4..13).flat_map(expected).collect());
        assert_eq!(world.removed("bytes") + world.removed("entries"), 4);
        assert_eq!(world.telemetry.spool.entries.get(), 9);
    }
}

#[test]
fn what_is_no_entry_stays() {
    let world = World::new(|_| {});
    world.keep_at(0, "i");
    let directory = format!("{ROOT}/a/i/{START_US}");
    let strange = [format!("{directory}/notes.txt"), format!("{ROOT}/a/i/7/readme"), format!("{ROOT}/keep.json")];
    for path in &strange {
        world.disk.create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        drop(world.disk.create(Path::new(path)).unwrap());
    }
    let cleaned = world.clean_at(100 * 3600);
    assert_eq!(cleaned, Cleaned { removed_age: 1, ..Cleaned::default() });
    assert_eq!(world.files().len(), 3);
    // Names of instances may have numbers between slashes.
    world.keep_at(100 * 3600, "i/7");
    world.keep_at(100 * 3600, "i/7/8");
    assert_eq!(world.clean_at(100 * 3600 + 1).entries, 2);
    assert_eq!(world.clean_at(200 * 3600).removed_age, 2);
    assert_eq!(world.files().len(), 3);
}

#[test]
fn what_cannot_be_removed_is_counted_and_tried_again() {
    let world = World::new(|_| {});
    (0..3).for_each(|secs| drop(world.keep_at(secs, "i")));
    world.disk.fail(0, Lasts::UntilHealed, Errno::EACCES, |operation, path| {
        operation == Operation::Remove && path.to_string_lossy().contains(&(START_US + SECOND_US).to_string())
    });
    let cleaned = world.clean_at(100 * 3600);
    assert_eq!((cleaned.removed_age, cleaned.failures), (2, 1), "one bad entry keeps no other");
    assert_eq!(world.failures("clean"), 1);
    world.disk.heal();
    assert_eq!(world.clean_at(100 * 3600), Cleaned { removed_age: 1, ..Cleaned::default() });
}

/// After a restart the clock stood where it had stood before: entries of then were written over.
#[test]
fn a_restart_counts_anew_and_overwrites_nothing() {
    let world = World::new(|_| {});
    let before = [world.keep_at(0, "i"), world.keep_at(0, "i"), world.keep_at(0, "i")];
    let bytes = world.telemetry.spool.bytes.get();
    let world = World::on(world.disk, START_US, |_| {});
    let after = [world.keep_at(0, "i"), world.keep_at(0, "i")];
    let paths: BTreeSet<&str> = before.iter().chain(&after).map(|kept| &*kept.data_path).collect();
    assert_eq!((paths.len(), world.files().len()), (5, 10));
    assert_eq!(world.telemetry.spool.entries.get(), 2);
    let world = World::on(world.disk, START_US, |_| {});
    assert_eq!(world.clean_at(10).entries, 5);
    assert_eq!(world.telemetry.spool.entries.get(), 5);
    assert_eq!(world.telemetry.spool.bytes.get() * 3, bytes * 5);
}

/// Many write while a reader takes all away and the thread cleans: nothing fails, nothing is lost, and the thread
/// begins a pass by itself when there is too much.
#[test]
fn many_write_while_others_clean() {
    let folder = tempfile::tempdir().unwrap();
    let telemetry: SharedTelemetry = Arc::default();
    let mut options = SpoolOptions::new(folder.path());
    options.entries_max = 150;
    let (disk, clock): (SharedDisk, SharedClock) = (Arc::new(SystemDisk), Arc::new(SystemClock));
    let spool = Arc::new(Spool::new(options, disk, clock, Arc::clone(&telemetry)).unwrap());
    let paths: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|number| {
                let spool = &spool;
                let instance = format!("i{}", number % 2);
                scope.spawn(move || {
                    let keep = |_| spool.keep("a", &instance, &scrape()).unwrap().manifest_path;
                    (0..50).map(keep).collect::<Vec<_>>()
                })
            })
            .collect();
        for _ in 0..20 {
            assert_eq!(spool.clean().failures, 0);
        }
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), 200);
    assert_eq!(telemetry.spool.written.get(), 200);
    let cleaning = SpoolCleaning::start(&spool).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let left = || paths.iter().filter(|path| Path::new(path).exists()).count();
    while left() > 150 {
        assert!(Instant::now() < deadline, "{} entries are left", left());
        std::thread::yield_now();
    }
    cleaning.stop();
    assert!((135..=150).contains(&left()), "{} entries are left", left());
}
