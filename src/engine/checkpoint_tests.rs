//! What happens while a checkpoint of the forms with files for each host is under way, and then the power fails.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Weak};

use nix::errno::Errno;
use parking_lot::Mutex;

use super::*;
use crate::disk::{Disk, DiskFile, Entry, RandomRead};
use crate::model::{Aggregation, Metric, MetricTable, Selector};
use crate::telemetry::Telemetry;
use crate::testing::{FaultyDisk, Lasts, ManualClock, Operation};

const NOW: i64 = 1_770_244_800;
const FORMS: [CheckpointFormat; 2] = [CheckpointFormat::Wal, CheckpointFormat::Json];
/// Power failures leave different things.
const SEEDS: u64 = 24;

/// A test's part: called with the path of a file that is about to be created. No lock of the engine is held then.
type Meanwhile = Box<dyn FnMut(&Engine, &Path) + Send>;

/// A faulty disk under an engine to which something happens while it creates files.
#[derive(Clone)]
struct Watched {
    disk: FaultyDisk,
    engine: Arc<Mutex<Weak<Engine>>>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

impl Disk for Watched {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let meanwhile = self.meanwhile.lock().take();
        if let Some(mut meanwhile) = meanwhile {
            let engine = self.engine.lock().upgrade().unwrap();
            meanwhile(&engine, path);
            *self.meanwhile.lock() = Some(meanwhile);
        }
        self.disk.create(path)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.append(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.disk.open(path)
    }

    fn open_random(&self, path: &Path) -> io::Result<Arc<dyn RandomRead>> {
        self.disk.open_random(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_all(path)
    }
}

/// Opens an engine that does its work in one thread: hosts come in the order of their names.
fn open(disk: &FaultyDisk, format: CheckpointFormat) -> (Arc<Engine>, Watched) {
    let watched = Watched { disk: disk.clone(), engine: Arc::default(), meanwhile: Arc::default() };
    let options = Options { format, workers: 1, ..Options::new("/checkpoints") };
    let metric = Metric { name: "load".into(), frequency_secs: 60, aggregation: Aggregation::Sum };
    let (clock, telemetry) = (Arc::new(ManualClock::at(NOW)), Arc::new(Telemetry::default()));
    let engine = Engine::open(options, MetricTable::new([metric]), Arc::new(watched.clone()), clock, telemetry);
    let engine = Arc::new(engine.unwrap());
    engine.recover().unwrap();
    *watched.engine.lock() = Arc::downgrade(&engine);
    (engine, watched)
}

fn write(engine: &Engine, host: &str, tick: i64) {
    let line = format!("load,hostname={host} value={tick} {}\n", NOW + 60 * tick);
    engine.ingest("http", "alex", line.as_bytes(), &mut IngestReport::default()).unwrap();
}

fn values(engine: &Engine, host: &str) -> Vec<f64> {
    let selector = Selector { cluster: "alex".into(), host: host.into(), below: vec![] };
    let answer = engine.store().read(&selector, "load", i64::MIN, i64::MAX);
    answer.map(|answer| answer.data).unwrap_or_default()
}

/// Whether a path is that of host b's new snapshot or log.
fn is_new(path: &Path, endings: &[&str]) -> bool {
    let path = path.to_str().unwrap();
    path.starts_with("/checkpoints/alex/b/") && endings.iter().any(|ending| path.ends_with(ending))
}

/// The tail of a log is written beside it outside of the lock: what comes to the log then and is flushed in its old
/// place must be in the new one, too, and there as durable.
#[test]
fn what_comes_while_logs_are_cut_survives() {
    for (format, seed) in FORMS.into_iter().flat_map(|format| (0..SEEDS).map(move |seed| (format, seed))) {
        let disk = FaultyDisk::new(seed);
        let (engine, watched) = open(&disk, format);
        ["a", "b"].iter().for_each(|host| write(&engine, host, 0));
        engine.flush().unwrap();
        let came = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&came);
        *watched.meanwhile.lock() = Some(Box::new(move |engine, path| {
            if is_new(path, &[".bin.tmp", ".json.tmp"]) {
                ["a", "b"].iter().for_each(|host| write(engine, host, 1));
                note.lock().push("behind the snapshots");
            } else if is_new(path, &["current.wal.tmp"]) {
                write(engine, "a", 2);
                engine.flush().unwrap();
                note.lock().push("behind the tail of a");
            }
        }));
        assert_eq!(engine.checkpoint().failed, 0);
        assert_eq!(*came.lock(), ["behind the snapshots", "behind the tail of a"]);
        drop(engine);
        disk.crash_power();
        let (engine, _) = open(&disk, format);
        assert_eq!(values(&engine, "a"), [0.0, 1.0, 2.0], "{format:?} {seed}");
        assert_eq!(values(&engine, "b"), [0.0, 1.0], "{format:?} {seed}");
    }
}

/// A flush of the logs failed while a checkpoint wrote its files, and took them with it. The checkpoint's own flush had
/// nothing left to do and succeeded: the logs were dropped for a snapshot that was not on the disk.
#[test]
fn a_flush_that_fails_meanwhile_is_no_flush_of_a_checkpoint() {
    for (format, seed) in FORMS.into_iter().flat_map(|format| (0..SEEDS).map(move |seed| (format, seed))) {
        let disk = FaultyDisk::new(seed);
        let (engine, watched) = open(&disk, format);
        ["a", "b"].iter().for_each(|host| write(&engine, host, 0));
        engine.flush().unwrap();
        *watched.meanwhile.lock() = Some(Box::new({
            let disk = disk.clone();
            move |engine, path| {
                if is_new(path, &[".bin.tmp", ".json.tmp"]) {
                    write(engine, "b", 1);
                    disk.fail(0, Lasts::Once, Errno::EIO, |operation, _| operation == Operation::SyncAll);
                    assert!(engine.flush().is_err());
                }
            }
        }));
        let failed = engine.checkpoint().failed;
        assert_eq!(failed, 2, "{format:?} {seed}");
        *watched.meanwhile.lock() = None;
        drop(engine);
        disk.crash_power();
        let (engine, _) = open(&disk, format);
        for host in ["a", "b"] {
            assert_eq!(values(&engine, host).first(), Some(&0.0), "{format:?} {seed} {host}");
        }
        assert_eq!(engine.checkpoint().failed, 0);
    }
}
