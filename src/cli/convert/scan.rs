//! A first look over a checkpoint directory: which forms lie there, and which metrics at which frequencies.
//!
//! An engine only takes series of metrics that it knows, so all names have to be known before one recovers. It looks at
//! the same files as recovery does, and leaves it to recovery to complain about damage.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::block::Block;
use crate::disk::{Disk, Entry, SystemDisk};
use crate::engine::CheckpointFormat;
use crate::formats::ccms::{self, CheckpointFile, FileKind, Visitor, WalItem, WalReader};
use crate::formats::native::{self, Definition, FileName, Record, Section, SegmentReader, SnapshotReader};
use crate::model::{Aggregation, HostImage, Metric, MetricTable};

use super::error::ConvertError;
use super::gaps::Gaps;
use super::progress::Progress;

/// What lies in a directory.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Logs and snapshots.
    pub(super) files: u64,
    has_native: bool,
    has_bin: bool,
    has_json: bool,
    has_log: bool,
    /// Of each metric in a snapshot, the end of its newest run and that run's frequency.
    runs: BTreeMap<String, (i64, u32)>,
    /// Of each metric in a log, the gaps between its samples.
    gaps: BTreeMap<String, Gaps>,
}

/// A file to look at, by its name.
enum Item {
    Segment(PathBuf),
    Snapshot(PathBuf),
    ReferenceSnapshot(PathBuf),
    ReferenceLog(PathBuf),
}

/// Looks over a directory.
pub(super) fn scan(source: &Path, workers: usize, progress: &Progress) -> Result<Found, ConvertError> {
    let items = items(source)?;
    progress.steps("looking over the source", items.len());
    let found = Mutex::new(Found::default());
    let next = AtomicUsize::new(0);
    let run = || {
        let mut own = Found::default();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            own.look(item);
            progress.step();
        }
        found.lock().add(own);
    };
    std::thread::scope(|scope| {
        for _ in 1..workers.min(items.len()).max(1) {
            scope.spawn(run);
        }
        run();
    });
    Ok(found.into_inner())
}

/// The files that recovery reads.
fn items(source: &Path) -> Result<Vec<Item>, ConvertError> {
    const OWN_FOLDER: &str = ".treering";
    let list = |path: &Path| -> Result<Vec<Entry>, ConvertError> {
        SystemDisk.list(path).map_err(|error| ConvertError::Disk { path: path.to_owned(), error })
    };
    let mut items = Vec::new();
    for cluster in list(source)?.iter().filter(|entry| entry.is_dir) {
        let folder = source.join(&cluster.name);
        let is_own = cluster.name == OWN_FOLDER;
        for host in list(&folder)?.iter().filter(|entry| entry.is_dir) {
            let folder = folder.join(&host.name);
            if is_own && native::parse_shard_folder(&host.name).is_none() {
                continue;
            }
            for file in list(&folder)?.iter().filter(|entry| !entry.is_dir) {
                let path = folder.join(&file.name);
                items.extend(match (is_own, FileName::parse(&file.name), CheckpointFile::parse(&file.name)) {
                    (true, Some(FileName::Segment(_)), _) => Some(Item::Segment(path)),
                    (true, Some(FileName::Snapshot(_)), _) => Some(Item::Snapshot(path)),
                    (false, _, Some(CheckpointFile::Snapshot { .. })) => Some(Item::ReferenceSnapshot(path)),
                    (false, _, Some(CheckpointFile::Wal)) => Some(Item::ReferenceLog(path)),
                    _ => None,
                });
            }
        }
    }
    Ok(items)
}

impl Found {
    /// The forms that lie there; a log beside no snapshot at all counts as `wal`.
    pub(super) fn forms(&self) -> Vec<CheckpointFormat> {
        let has_wal = self.has_bin || (self.has_log && !self.has_json);
        let forms = [
            (self.has_native, CheckpointFormat::Native),
            (has_wal, CheckpointFormat::Wal),
            (self.has_json, CheckpointFormat::Json),
        ];
        forms.into_iter().filter(|(is_there, _)| *is_there).map(|(_, form)| form).collect()
    }

    /// All metrics that were found, at the frequency of their newest run, else at the configured one, else at the one
    /// that their logs suggest; and the last of these. How they aggregate is written in no file.
    pub(super) fn metrics(&self, configured: &[Metric]) -> (MetricTable, Vec<(String, u32)>) {
        let mut guessed = Vec::new();
        let mut metrics: Vec<Metric> =
            self.runs.iter().map(|(name, (_, frequency_secs))| metric(name, *frequency_secs)).collect();
        for (name, gaps) in self.gaps.iter().filter(|(name, _)| !self.runs.contains_key(*name)) {
            metrics.push(match configured.iter().find(|metric| *metric.name == **name) {
                Some(known) => known.clone(),
                None => {
                    guessed.push((name.clone(), gaps.frequency_secs()));
                    metric(name, gaps.frequency_secs())
                }
            });
        }
        (MetricTable::new(metrics), guessed)
    }

    fn add(&mut self, other: Found) {
        self.files += other.files;
        self.has_native |= other.has_native;
        self.has_bin |= other.has_bin;
        self.has_json |= other.has_json;
        self.has_log |= other.has_log;
        for (name, (end_secs, frequency_secs)) in other.runs {
            self.see_run(&name, end_secs, frequency_secs);
        }
        for (name, gaps) in other.gaps {
            self.gaps.entry(name).or_default().add(gaps);
        }
    }

    fn see_run(&mut self, metric: &str, end_secs: i64, frequency_secs: u32) {
        match self.runs.get_mut(metric) {
            Some(newest) if newest.0 > end_secs => {}
            Some(newest) => *newest = (end_secs, frequency_secs),
            None => _ = self.runs.insert(metric.to_owned(), (end_secs, frequency_secs)),
        }
    }

    /// What can't be read is for recovery to complain about.
    fn look(&mut self, item: &Item) {
        self.files += 1;
        match item {
            Item::Segment(path) => {
                self.has_native = true;
                if let Ok(bytes) = SystemDisk.read(path) {
                    self.segment(&bytes);
                }
            }
            Item::Snapshot(path) => {
                self.has_native = true;
                let Ok(mut reader) = SystemDisk.open(path).map_err(Into::into).and_then(SnapshotReader::open) else {
                    return;
                };
                while let Ok(Some(section)) = reader.next_section() {
                    if let Section::Host(image) = section {
                        self.image(&image);
                    }
                }
            }
            Item::ReferenceSnapshot(path) => self.reference_snapshot(path),
            Item::ReferenceLog(path) => {
                self.has_log = true;
                if let Ok(source) = SystemDisk.open(path) {
                    self.reference_log(source);
                }
            }
        }
    }

    fn segment(&mut self, bytes: &[u8]) {
        let Ok(reader) = SegmentReader::open(bytes) else { return };
        // By the segment's numbers of host and series: the metric, and the second of the last sample.
        let mut series: HashMap<(u32, u32), (String, Option<i64>)> = HashMap::new();
        let mut samples = Vec::new();
        for entry in reader {
            let native::Entry::Record { payload, .. } = entry else { continue };
            let Ok(record) = Record::parse(payload) else { continue };
            let of_grid = record.parts().iter().find_map(|record| match record {
                Record::Samples(record) => Some(record),
                _ => None,
            });
            let Some(record) = of_grid else { continue };
            for definition in &record.definitions {
                if let Definition::Series { series: number, metric, .. } = definition {
                    self.gaps.entry((*metric).to_owned()).or_default();
                    series.insert((record.host, number.0), ((*metric).to_owned(), None));
                }
            }
            if record.read(&mut samples).is_err() {
                continue;
            }
            for sample in &samples {
                let Some((metric, last)) = series.get_mut(&(record.host, sample.series.0)) else { continue };
                if let Some(before) = last.replace(sample.secs)
                    && let Some(gaps) = self.gaps.get_mut(metric)
                {
                    gaps.see(before, sample.secs);
                }
            }
        }
    }

    fn image(&mut self, image: &HostImage) {
        for series in &image.series {
            let newest = series.blocks.iter().rev().find_map(|bytes| Block::from_bytes(Arc::clone(bytes)).ok());
            if let Some(block) = newest {
                self.see_run(&series.metric, block.end_secs(), block.frequency_secs());
            }
        }
        for lane in &image.lanes {
            let rows_secs = i64::from(lane.frequency_secs).saturating_mul(lane.seconds.len() as i64);
            for (at, _) in &lane.columns {
                if let Some(series) = image.series.get(*at as usize) {
                    self.see_run(&series.metric, lane.start_secs.saturating_add(rows_secs), lane.frequency_secs);
                }
            }
        }
    }

    fn reference_snapshot(&mut self, path: &Path) {
        let Ok((head, len)) = head(path) else { return };
        let Ok(source) = SystemDisk.open(path) else { return };
        match ccms::detect(&head) {
            FileKind::Bin => {
                self.has_bin = true;
                // What was visited before an error counts, as it does for recovery.
                let _ = ccms::read_bin(BufReader::with_capacity(1 << 18, source), len, &mut Runs(self));
            }
            FileKind::Json => {
                self.has_json = true;
                let _ = ccms::read_json(source, &mut Runs(self));
            }
            _ => {}
        }
    }

    fn reference_log(&mut self, source: impl Read) {
        let mut reader = WalReader::new(source);
        let mut series: HashMap<(Vec<String>, String), i64> = HashMap::new();
        while let Ok(Some(item)) = reader.next_item() {
            let WalItem::Record { record, .. } = item else { continue };
            let before = series.insert((record.selector.clone(), record.metric.clone()), record.secs);
            if !self.gaps.contains_key(&record.metric) {
                self.gaps.insert(record.metric.clone(), Gaps::default());
            }
            if let (Some(before), Some(gaps)) = (before, self.gaps.get_mut(&record.metric)) {
                gaps.see(before, record.secs);
            }
        }
    }
}

fn metric(name: &str, frequency_secs: u32) -> Metric {
    Metric { name: name.into(), frequency_secs, aggregation: Aggregation::None }
}

fn head(path: &Path) -> std::io::Result<(Vec<u8>, u64)> {
    let file = std::fs::File::open(path)?;
    let len = file.metadata()?.len();
    let mut head = Vec::new();
    file.take(ccms::DETECT_BYTES as u64).read_to_end(&mut head)?;
    Ok((head, len))
}

/// Takes the runs of a snapshot of cc-metric-store.
struct Runs<'f>(&'f mut Found);

impl Visitor for Runs<'_> {
    fn enter(&mut self, _: &str) {}

    fn series(&mut self, name: &str, frequency_secs: u32, start_secs: i64, slots: &[f64]) {
        // The reader has checked that the end does not overflow.
        self.0.see_run(name, start_secs + i64::from(frequency_secs) * slots.len() as i64, frequency_secs);
    }

    fn leave(&mut self) {}
}
