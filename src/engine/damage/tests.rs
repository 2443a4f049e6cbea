//! What damage costs: files are flipped, cut, doubled, swapped and foreign, and an engine starts on them.
//!
//! What must hold each time: no panic, no value that was never written, nothing lost but what was hit, and no file that
//! was not read is gone. Everything happens in memory, so that every byte can have its turn.

mod foreign;
mod native;
mod reference;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;

use super::super::log::shard_of;
use super::super::*;
use crate::model::{Aggregation, Metric, MetricTable};
use crate::telemetry::{Reason, SharedTelemetry, Telemetry};
use crate::testing::{FaultyDisk, Files, Lasts, ManualClock, Operation};

const T0: i64 = 1_770_000_000;
const TICKS: i64 = 4;
const FORMS: [CheckpointFormat; 3] = [CheckpointFormat::Native, CheckpointFormat::Wal, CheckpointFormat::Json];

/// What is in memory: by host, path, metric and second the bits of the value.
type Content = BTreeSet<(String, String, i64, u64)>;

/// Three hosts of one shard: what hits the files of one must leave the others alone.
fn hosts() -> [String; 3] {
    let shard = shard_of("alex", "a0");
    let mut names = (0..).map(|number| format!("a{number}")).filter(|name| shard_of("alex", name) == shard);
    std::array::from_fn(|_| names.next().unwrap())
}

fn options(format: CheckpointFormat) -> Options {
    Options { format, ..Options::new("c") }
}

fn disk_with(files: &Files) -> FaultyDisk {
    FaultyDisk::of(files, 1).unwrap()
}

/// A disk with files, of which one, or a folder, can neither be opened nor listed before the disk is healed.
fn disk_with_unreadable(files: &Files, path: &Path) -> FaultyDisk {
    let (disk, path) = (disk_with(files), path.to_owned());
    let opens = [Operation::Create, Operation::Append, Operation::Open, Operation::List];
    disk.fail(0, Lasts::UntilHealed, Errno::EACCES, move |operation, at| opens.contains(&operation) && at == path);
    disk
}

/// An engine that has just started on files.
struct Start {
    engine: Engine,
    disk: FaultyDisk,
    telemetry: SharedTelemetry,
}

impl Start {
    fn on(format: CheckpointFormat, files: &Files) -> Start {
        Start::with(format, disk_with(files)).unwrap()
    }

    fn with(format: CheckpointFormat, disk: FaultyDisk) -> Result<Start, OpenError> {
        let telemetry: SharedTelemetry = Arc::new(Telemetry::default());
        let metrics = ["load", "temp"].map(|name| Metric {
            name: name.into(),
            frequency_secs: 60,
            aggregation: Aggregation::Sum,
        });
        let (shared, clock) = (Arc::new(disk.clone()), Arc::new(ManualClock::at(T0 + 3600)));
        let engine = Engine::open(options(format), MetricTable::new(metrics), shared, clock, Arc::clone(&telemetry))?;
        engine.recover()?;
        Ok(Start { engine, disk, telemetry })
    }

    fn write(&self, lines: &str) {
        let mut report = IngestReport::default();
        self.engine.ingest("http", "alex", lines.as_bytes(), &mut report).unwrap();
        assert_eq!((report.bad, report.skipped), (0, 0));
    }

    fn checkpoint(&self) {
        assert_eq!(self.engine.checkpoint().failed, 0);
    }

    fn damages(&self) -> u64 {
        let reasons = ["snapshot", "log", "state", "reference_file", "unreadable", "foreign", "limit"];
        let count = |reason| self.telemetry.recovery_damage.get_or_create(&Reason { reason }).get();
        reasons.into_iter().map(count).sum()
    }

    fn content(&self) -> Content {
        let metrics = self.engine.store().metrics();
        let mut content = Content::new();
        for host in self.engine.store().hosts() {
            for id in host.series_with_data() {
                let description = host.describe(id, &metrics);
                let path: Vec<String> = description.components.iter().map(ToString::to_string).collect();
                let series = format!("{} {}", path.join("/"), description.metric);
                let mut slots = Vec::new();
                let Some((start, _)) = host.slots(id, 60, &mut slots) else { continue };
                let values = (0..).zip(&slots).filter(|(_, value)| !crate::model::is_empty(**value));
                let name = format!("{}/{}", host.cluster(), host.name());
                content
                    .extend(values.map(|(at, value)| (name.clone(), series.clone(), start + 60 * at, value.to_bits())));
            }
        }
        content
    }

    fn files(&self) -> Files {
        self.disk.files()
    }
}

/// The body of a tick of a host: two samples, one record in the native form.
fn tick(host: &str, tick: i64) -> String {
    let secs = T0 + 60 * tick;
    let value = tick as f64 + 0.5;
    format!(
        "load,hostname={host} value={value} {secs}\ntemp,hostname={host},type=core,type-id=0 value=-{value} {secs}\n"
    )
}

/// Files with the ticks of all hosts in their logs, and what they hold.
fn logs(format: CheckpointFormat) -> (Files, Content) {
    let start = Start::on(format, &Files::default());
    for at in 0..TICKS {
        hosts().iter().for_each(|host| start.write(&tick(host, at)));
    }
    (start.files(), start.content())
}

/// The same in snapshots, with empty logs.
fn snapshots(format: CheckpointFormat) -> (Files, Content) {
    let (files, content) = logs(format);
    let start = Start::on(format, &files);
    assert_eq!((start.content(), start.damages()), (content.clone(), 0));
    start.checkpoint();
    (start.files(), content)
}

/// The only file whose name ends so.
#[track_caller]
fn file(files: &Files, ending: &str) -> PathBuf {
    let mut found: Vec<&PathBuf> =
        files.keys().filter(|path| path.to_str().unwrap().ends_with(ending) && files[*path].is_some()).collect();
    assert_eq!(found.len(), 1, "{ending}: {found:?}");
    found.remove(0).clone()
}

fn bytes<'f>(files: &'f Files, path: &Path) -> &'f [u8] {
    files[path].as_deref().unwrap()
}

/// The files with this one's bytes changed.
fn with(files: &Files, path: &Path, bytes: &[u8]) -> Files {
    let mut files = files.clone();
    files.insert(path.to_owned(), Some(bytes.to_vec()));
    files
}

/// Every byte of a file changed in each of a few ways.
fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let changes: [fn(u8) -> u8; 3] = [|byte| byte ^ 0xFF, |byte| byte ^ 1, |_| 0];
    (0..bytes.len()).flat_map(move |at| {
        changes.into_iter().filter(move |change| change(bytes[at]) != bytes[at]).map(move |change| {
            let mut flipped = bytes.to_vec();
            flipped[at] = change(flipped[at]);
            (at, flipped)
        })
    })
}

/// What one host holds.
fn of_host(content: &Content, host: &str) -> Content {
    let name = format!("alex/{host}");
    content.iter().filter(|value| value.0 == name).cloned().collect()
}

/// What is missing; nothing may be there that was never written.
#[track_caller]
fn lost(before: &Content, after: &Content, what: &dyn std::fmt::Debug) -> Content {
    assert!(after.is_subset(before), "{what:?}: never written: {:?}", after.difference(before).collect::<Vec<_>>());
    before.difference(after).cloned().collect()
}

/// Whether a file with this content still lies somewhere.
fn is_kept(files: &Files, content: &[u8]) -> bool {
    files.values().flatten().any(|bytes| bytes == content)
}

/// It works on: a checkpoint succeeds and a further start finds the same, without damage.
#[track_caller]
fn works_on(format: CheckpointFormat, start: &Start, what: &dyn std::fmt::Debug) {
    let content = start.content();
    assert_eq!(start.engine.checkpoint().failed, 0, "{what:?}");
    let again = Start::on(format, &start.files());
    assert_eq!((again.content(), again.damages()), (content, 0), "{what:?}");
}
