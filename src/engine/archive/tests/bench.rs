//! What the tests share: an engine on a disk that can fail, and all rows of an archive.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Disk, DiskFile, Entry, RandomRead, SharedDisk, SystemDisk};
use crate::engine::{ArchiveOptions, CheckpointFormat, CleanupMode, CleanupReport, Engine, IngestReport, Options};
use crate::formats::parquet::{ArchiveReader, Filter};
use crate::model::{Aggregation, Element, Metric, MetricTable, Selector};
use crate::telemetry::Telemetry;
use crate::testing::ManualClock;

pub const NOW: i64 = 1_770_244_800;
pub const HOUR: i64 = 3600;
pub const RETENTION: i64 = 48 * HOUR;
pub const FORMS: [CheckpointFormat; 3] = [CheckpointFormat::Native, CheckpointFormat::Wal, CheckpointFormat::Json];

/// A row of a file, without its file.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub struct Row {
    pub hostname: String,
    pub metric: String,
    pub scope: String,
    pub scope_id: String,
    pub secs: i64,
    pub parent: String,
    pub frequency_secs: u32,
    pub value: f64,
}

/// A folder with checkpoints and an archive, and the engine on it.
pub struct Bench {
    folder: tempfile::TempDir,
    pub options: Options,
    pub clock: Arc<ManualClock>,
    pub telemetry: Arc<Telemetry>,
}

impl Bench {
    pub fn new(format: CheckpointFormat) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            format,
            retention: Duration::from_secs(RETENTION as u64),
            workers: 2,
            cleanup: CleanupMode::Archive(ArchiveOptions::new(folder.path().join("archive"))),
            ..Options::new(folder.path().join("checkpoints"))
        };
        Bench { folder, options, clock: Arc::new(ManualClock::at(NOW)), telemetry: Arc::default() }
    }

    pub fn archive_options(&mut self) -> &mut ArchiveOptions {
        match &mut self.options.cleanup {
            CleanupMode::Archive(options) => options,
            CleanupMode::Delete => panic!("no archive"),
        }
    }

    pub fn open(&self) -> Engine {
        self.open_on(HookedDisk::new(|_, _| Ok(()))).unwrap()
    }

    pub fn open_on(&self, disk: SharedDisk) -> Option<Engine> {
        self.open_with(disk, MetricTable::new(self.metrics()))
    }

    pub fn metrics(&self) -> [Metric; 2] {
        let metric =
            |name: &str, frequency_secs, aggregation| Metric { name: name.into(), frequency_secs, aggregation };
        [metric("load", 60, Aggregation::Sum), metric("power", 30, Aggregation::Avg)]
    }

    pub fn open_with(&self, disk: SharedDisk, metrics: MetricTable) -> Option<Engine> {
        let (clock, telemetry) = (self.clock.clone(), self.telemetry.clone());
        let engine = Engine::open(self.options.clone(), metrics, disk, clock, telemetry).ok()?;
        engine.recover().ok()?;
        Some(engine)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The archive's files with rows, below its folder.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        list(&self.path("archive"), "", &mut files);
        files.retain(|name| name.ends_with(".parquet"));
        files
    }

    /// The rows of one file, in its order.
    pub fn rows_of(&self, file: &str) -> Vec<Row> {
        rows_in(SystemDisk.open_random(&self.path("archive").join(file)).unwrap())
    }

    /// The rows of all files, sorted.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.files().iter().flat_map(|file| self.rows_of(file)).collect();
        rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        rows
    }
}

/// All rows of a file, in its order.
pub fn rows_in(file: Arc<dyn RandomRead>) -> Vec<Row> {
    let reader = ArchiveReader::open(file).unwrap();
    let mut rows = Vec::new();
    for batch in reader.read(&Filter::default()) {
        let batch = batch.unwrap();
        rows.extend(batch.timestamps.iter().zip(&batch.values).map(|(&secs, &value)| Row {
            hostname: batch.hostname.clone(),
            metric: batch.metric.clone(),
            scope: batch.scope.clone(),
            scope_id: batch.scope_id.clone(),
            secs,
            parent: batch.parent.clone(),
            frequency_secs: batch.frequency_secs,
            value,
        }));
    }
    rows
}

fn list(root: &Path, below: &str, files: &mut Vec<String>) {
    for entry in SystemDisk.list(&root.join(below)).unwrap_or_default() {
        let name = if below.is_empty() { entry.name } else { format!("{below}/{}", entry.name) };
        if entry.is_dir { list(root, &name, files) } else { files.push(name) }
    }
}

pub fn write(engine: &Engine, lines: &str) -> IngestReport {
    let mut report = IngestReport::default();
    engine.ingest("http", "alex", lines.as_bytes(), &mut report).unwrap();
    report
}

pub fn values(engine: &Engine, host: &str, metric: &str, below: &[&str]) -> Vec<f64> {
    let below = below.iter().map(|&name| Element::from(name)).collect();
    let selector = Selector { cluster: "alex".into(), host: host.into(), below };
    engine.store().read(&selector, metric, i64::MIN, i64::MAX).map(|answer| answer.data).unwrap_or_default()
}

/// A cleanup that must succeed.
#[track_caller]
pub fn clean(engine: &Engine) -> CleanupReport {
    let report = engine.retain();
    assert!(!report.is_failed);
    report
}

/// Frees everything and archives it.
#[track_caller]
pub fn archive_all(engine: &Engine) {
    engine.free(&[vec![]], i64::MAX).unwrap();
    assert!(!engine.archive_wanted().is_failed);
}

/// What a test does at a change of the disk: called with the operation's name and the path before it is done.
type Hook = dyn Fn(&str, &Path) -> io::Result<()> + Send + Sync;

/// A disk that asks a hook before each change. It flushes nothing: the process that ends in these tests is not the
/// machine.
pub struct HookedDisk(Arc<Hook>);

struct HookedFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    hook: Arc<Hook>,
}

impl HookedDisk {
    pub fn new(hook: impl Fn(&str, &Path) -> io::Result<()> + Send + Sync + 'static) -> Arc<HookedDisk> {
        Arc::new(HookedDisk(Arc::new(hook)))
    }

    fn file(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(HookedFile { file, path: path.to_owned(), hook: Arc::clone(&self.0) })
    }
}

impl Disk for HookedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0("create", path)?;
        Ok(self.file(path, SystemDisk.create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0("append", path)?;
        Ok(self.file(path, SystemDisk.append(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn io::Read + Send>> {
        SystemDisk.open(path)
    }

    fn open_random(&self, path: &Path) -> io::Result<Arc<dyn RandomRead>> {
        SystemDisk.open_random(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0("rename", to)?;
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0("remove", path)?;
        SystemDisk.remove(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0("create_dir_all", path)?;
        SystemDisk.create_dir_all(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.0("remove_dir", path)?;
        SystemDisk.remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        SystemDisk.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0("sync_dir", path)
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        self.0("sync_all", path)
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Box<dyn std::any::Any + Send + Sync>> {
        SystemDisk.lock_dir(path)
    }
}

impl io::Write for HookedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.hook)("write", &self.path)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl DiskFile for HookedFile {
    fn sync_data(&mut self) -> io::Result<()> {
        (self.hook)("sync_data", &self.path)
    }

    fn file_bytes(&mut self) -> io::Result<u64> {
        self.file.file_bytes()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        (self.hook)("truncate", &self.path)?;
        self.file.truncate(len)
    }

    fn try_clone(&self) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(HookedFile { file: self.file.try_clone()?, path: self.path.clone(), hook: Arc::clone(&self.hook) }))
    }
}
