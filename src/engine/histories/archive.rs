//! The archive of a history: its files as they lie on the disk, and what they may hold.
//!
//! No two samples of a history have one value, so a value tells which sample a row is. Memory and the files together
//! are what a history compares: a sample that left memory must be in a file. Besides, no row is archived twice nor
//! before its time, nothing of what was written later comes before what was written earlier, files are whole, sorted
//! and known to their manifest, and none that is durable ever changes or goes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::model::{HostModel, SeriesModel};
use super::world::{horizons, read};
use crate::disk::RandomRead;
use crate::engine::{ArchiveOptions, CleanupMode, Engine, NodeProvider, Options, Partition, UsedNodes, ValueType};
use crate::formats::parquet::{ArchiveReader, Filter};
use crate::testing::{FaultyDisk, Random};

pub(super) const ARCHIVE: &str = "/var/archive";

/// What is known of each series of each host: values by tick.
pub(super) type Found = Vec<Vec<BTreeMap<i64, f64>>>;

/// The series and tick of a sample.
#[derive(Debug, Clone, Copy)]
struct Origin {
    host: usize,
    series: usize,
    tick: i64,
}

/// A row of a file.
#[derive(Debug, Clone)]
struct Row {
    hostname: String,
    metric: String,
    scope: String,
    scope_id: String,
    parent: String,
    secs: i64,
    value: f64,
}

/// A file that was seen.
struct Known {
    bytes: Vec<u8>,
    rows: Vec<Row>,
    /// A pass, or a start, that succeeded has left it: it stays as it is.
    is_durable: bool,
}

/// Who says which hosts are in use.
struct Nodes(Mutex<Result<UsedNodes, String>>);

impl NodeProvider for Nodes {
    fn used_nodes(&self, _: i64) -> Result<UsedNodes, String> {
        self.0.lock().clone()
    }
}

/// What is known of the archive.
pub(super) struct ArchiveModel {
    sent: HashMap<u64, Origin>,
    files: BTreeMap<PathBuf, Known>,
    /// The second before which rows of a host may be archived, by path.
    allowed: Vec<BTreeMap<Vec<String>, i64>>,
    nodes: Arc<Nodes>,
    /// There was a memory cap: what it archives depends on bytes.
    pub(super) has_cap: bool,
    /// No file is half done: nothing is in memory and in a file.
    pub(super) is_settled: bool,
    /// For the counts.
    pub(super) rows: u64,
}

impl ArchiveModel {
    pub(super) fn new(hosts: usize) -> Self {
        ArchiveModel {
            sent: HashMap::new(),
            files: BTreeMap::new(),
            allowed: vec![BTreeMap::new(); hosts],
            nodes: Arc::new(Nodes(Mutex::new(Ok(UsedNodes::new())))),
            has_cap: false,
            is_settled: true,
            rows: 0,
        }
    }

    /// The way in which a history archives.
    pub(super) fn mode(random: &mut Random) -> CleanupMode {
        let mut options = ArchiveOptions::new(ARCHIVE);
        options.value = *random.pick(&[ValueType::Float32, ValueType::Float64]);
        options.partition = *random.pick(&[Partition::Cleanup, Partition::Day]);
        options.split_bytes = random.percent(50);
        options.compression_level = 1;
        CleanupMode::Archive(options)
    }

    /// Who says which hosts are in use.
    pub(super) fn provider(&self) -> Arc<dyn NodeProvider> {
        Arc::clone(&self.nodes) as Arc<dyn NodeProvider>
    }

    /// Other hosts are in use, or nobody knows which.
    pub(super) fn change_nodes(&self, random: &mut Random, hosts: &[HostModel]) -> String {
        let mut used = UsedNodes::new();
        for host in hosts.iter().filter(|_| random.percent(35)) {
            used.entry(host.cluster.to_owned()).or_default().insert(host.name.clone());
        }
        let answer = if random.percent(20) { Err("no answer".to_owned()) } else { Ok(used) };
        let told = format!("in use: {answer:?}");
        *self.nodes.0.lock() = answer;
        told
    }

    /// Notes a sample that is sent.
    pub(super) fn send(&mut self, host: usize, series: usize, tick: i64, value: f64) {
        self.sent.insert(value.to_bits(), Origin { host, series, tick });
    }

    /// Rows below a path and before a second may be archived from now on.
    pub(super) fn allow(&mut self, host: usize, path: &[String], to_secs: i64) {
        let allowed = self.allowed[host].entry(path.to_vec()).or_insert(to_secs);
        *allowed = (*allowed).max(to_secs);
    }

    /// As [`allow`](Self::allow), for the hosts that a cleanup does not spare.
    pub(super) fn allow_cutoff(&mut self, hosts: &[HostModel], options: &Options, now_secs: i64) {
        let Ok(used) = self.nodes.0.lock().clone() else { return };
        let to_secs = now_secs - options.retention.as_secs() as i64;
        for (at, host) in hosts.iter().enumerate() {
            if !used.get(host.cluster).is_some_and(|names| names.contains(&host.name)) {
                self.allow(at, &[], to_secs);
            }
        }
    }

    /// A pass or a start succeeded: what is there stays.
    pub(super) fn succeeded(&mut self, disk: &FaultyDisk, hosts: &[HostModel]) -> Result<(), String> {
        self.is_settled = true;
        self.look(disk, hosts)?;
        self.files.values_mut().for_each(|file| file.is_durable = true);
        for path in disk.files_below(Path::new(ARCHIVE)) {
            if path.to_string_lossy().ends_with(".parquet.tmp") {
                return Err(format!("{} is left after a pass", path.display()));
            }
        }
        self.check_manifests(disk)
    }

    /// Takes in the files as they are.
    pub(super) fn look(&mut self, disk: &FaultyDisk, hosts: &[HostModel]) -> Result<(), String> {
        let is_file = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "parquet");
        let mut there = BTreeMap::new();
        for path in disk.files_below(Path::new(ARCHIVE)).into_iter().filter(is_file) {
            let (bytes, _) = disk.peek(&path).ok_or("a file that is listed is not there")?;
            there.insert(path, bytes);
        }
        for (path, known) in self.files.iter().filter(|(_, known)| known.is_durable) {
            if there.get(path) != Some(&known.bytes) {
                let now = there.get(path).map(Vec::len);
                return Err(format!("{}: was durable, now {now:?} bytes", path.display()));
            }
        }
        self.files.retain(|path, known| there.get(path) == Some(&known.bytes));
        let new: Vec<_> = there.into_iter().filter(|(path, _)| !self.files.contains_key(path)).collect();
        for (path, bytes) in new {
            let rows = rows_of(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
            self.check_rows(&path, &rows, hosts).map_err(|error| format!("{}: {error}", path.display()))?;
            self.files.insert(path, Known { bytes, rows, is_durable: false });
        }
        self.rows = self.files.values().map(|file| file.rows.len() as u64).sum();
        Ok(())
    }

    /// Checks the rows of a file that is new.
    fn check_rows(&self, path: &Path, rows: &[Row], hosts: &[HostModel]) -> Result<(), String> {
        let before = self.newest();
        let key =
            |row: &Row| (row.hostname.clone(), row.metric.clone(), row.scope.clone(), row.scope_id.clone(), row.secs);
        if rows.is_empty() || !rows.is_sorted_by_key(key) {
            return Err("has no rows, or unsorted ones".to_owned());
        }
        let mut here = HashSet::new();
        for row in rows {
            let origin = self.origin(row, hosts, Some(path))?;
            let Origin { host, series, tick } = origin;
            if !here.insert((host, series, tick)) {
                return Err(format!("{row:?}: twice for one tick"));
            }
            match before.get(&(host, series, tick)) {
                Some(older) if *older == row.value => return Err(format!("{row:?}: archived twice")),
                Some(older) if *older > row.value => {
                    return Err(format!("{row:?}: behind {older}, which was written later"));
                }
                _ => {}
            }
            let below = &hosts[host].series[series].below;
            let over = self.allowed[host].iter().filter(|(path, _)| below.starts_with(path));
            if !self.has_cap && over.map(|(_, to)| *to).max().is_none_or(|to| row.secs >= to) {
                return Err(format!("{row:?}: archived before its time, allowed: {:?}", self.allowed[host]));
            }
        }
        Ok(())
    }

    /// Which sample a row is.
    fn origin(&self, row: &Row, hosts: &[HostModel], path: Option<&Path>) -> Result<Origin, String> {
        let Some(&origin) = self.sent.get(&row.value.to_bits()) else {
            return Err(format!("{row:?}: was never sent"));
        };
        let host = &hosts[origin.host];
        let series = &host.series[origin.series];
        let mut is_right = row.hostname == host.name && row.metric == series.metric && names(series) == names_of(row);
        is_right &= (row.secs - series.secs_of(origin.tick)).abs() <= series.frequency;
        if let Some(path) = path {
            is_right &= path.starts_with(Path::new(ARCHIVE).join(host.cluster));
        }
        let context = || format!("{row:?}: in the wrong place, of {origin:?} {:?} {}", series.below, series.metric);
        if is_right { Ok(origin) } else { Err(context()) }
    }

    /// The newest archived value of each tick.
    fn newest(&self) -> HashMap<(usize, usize, i64), f64> {
        let mut newest = HashMap::new();
        for row in self.files.values().flat_map(|file| &file.rows) {
            if let Some(Origin { host, series, tick }) = self.sent.get(&row.value.to_bits()) {
                let value = newest.entry((*host, *series, *tick)).or_insert(row.value);
                *value = row.value.max(*value);
            }
        }
        newest
    }

    /// All that memory and the files hold.
    pub(super) fn union(
        &mut self,
        disk: &FaultyDisk,
        engine: &Engine,
        hosts: &[HostModel],
        has_extra: bool,
    ) -> Result<Found, String> {
        self.look(disk, hosts)?;
        let mut found: Found = hosts.iter().map(|host| vec![BTreeMap::new(); host.series.len()]).collect();
        for ((host, series, tick), value) in self.newest() {
            found[host][series].insert(tick, value);
        }
        for (at, host) in hosts.iter().enumerate() {
            let rows = rows_in_memory(engine, host);
            let to_secs = horizons(engine, host);
            let mut visible: Vec<BTreeMap<i64, f64>> = vec![BTreeMap::new(); host.series.len()];
            let mut ticks = HashSet::new();
            for row in &rows {
                let Origin { host: of, series, tick } = self.origin(row, hosts, None)?;
                let below = &host.series[series].below;
                if of != at || !ticks.insert((series, tick)) {
                    return Err(format!("{row:?}: twice in memory, or another host's"));
                }
                match found[at][series].insert(tick, row.value) {
                    Some(archived) if archived == row.value && self.is_settled => {
                        return Err(format!("{row:?}: in a file and in memory, though all files are settled"));
                    }
                    Some(archived) if archived > row.value => {
                        return Err(format!("{row:?}: in memory, though {archived} came later and is in a file"));
                    }
                    _ => {}
                }
                let is_hidden = to_secs.iter().any(|(path, to)| below.starts_with(path) && row.secs < *to);
                if !is_hidden {
                    visible[series].insert(tick, row.value);
                }
            }
            for (series, visible) in host.series.iter().zip(visible) {
                if !has_extra && series.metric == super::world::EXTRA {
                    continue;
                }
                if visible.is_empty() {
                    // Those below it may answer.
                    continue;
                }
                let answered = read(engine, host.cluster, &host.name, series)?;
                if answered != visible {
                    let place = format!("{}/{} {:?} {}", host.cluster, host.name, series.below, series.metric);
                    return Err(format!("{place}: memory holds {visible:?}, a read answers {answered:?}"));
                }
            }
        }
        Ok(found)
    }

    /// What is in files and manifests agrees, once a pass has succeeded.
    fn check_manifests(&self, disk: &FaultyDisk) -> Result<(), String> {
        let mut known = HashSet::new();
        let is_manifest = |path: &PathBuf| path.file_name().is_some_and(|name| name == "_manifest.json");
        for path in disk.files_below(Path::new(ARCHIVE)).into_iter().filter(is_manifest) {
            let (bytes, _) = disk.peek(&path).ok_or("a manifest that is listed is not there")?;
            let manifest: serde_json::Value =
                serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
            let folder = path.parent().ok_or("a manifest without a folder")?;
            for entry in manifest["files"].as_array().ok_or("a manifest without files")? {
                let file = folder.join(entry["file"].as_str().ok_or("an entry without a file")?);
                match self.files.get(&file) {
                    Some(there) if entry["rows"].as_u64() != Some(there.rows.len() as u64) => {
                        return Err(format!("{entry} of {} rows", there.rows.len()));
                    }
                    None => return Err(format!("{}: in the manifest and not there", file.display())),
                    Some(_) => _ = known.insert(file),
                }
            }
        }
        match self.files.keys().find(|file| !known.contains(*file)) {
            Some(file) => Err(format!("{}: not in its manifest", file.display())),
            None => Ok(()),
        }
    }
}

/// What a file calls a series: the joined name of its component, and of the one above. Where kind and id are parted
/// is known until a restart from the reference's files only.
fn names(series: &SeriesModel) -> (String, String) {
    match series.below.as_slice() {
        [] => ("node".to_owned(), String::new()),
        [component] => (component.clone(), String::new()),
        [.., parent, component] => (component.clone(), parent.clone()),
    }
}

fn names_of(row: &Row) -> (String, String) {
    (format!("{}{}", row.scope, row.scope_id), row.parent.clone())
}

/// Whether memory holds rows behind horizons.
pub(super) fn has_hidden(engine: &Engine) -> bool {
    engine.store().hosts().iter().any(|host| {
        let departing = host.departing(&engine.store().metrics(), i64::MIN, i64::MIN, i64::MAX);
        departing.is_some_and(|departing| {
            departing.each(|rows| if rows.secs.is_empty() { Ok(()) } else { Err(()) }).is_err()
        })
    })
}

/// All rows that memory holds of a host, those behind horizons too.
fn rows_in_memory(engine: &Engine, host: &HostModel) -> Vec<Row> {
    let metrics = engine.store().metrics();
    let found = engine.store().host(host.cluster, &host.name);
    let Some(departing) = found.and_then(|found| found.departing(&metrics, i64::MAX, i64::MIN, i64::MAX)) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    _ = departing.each(|rows| {
        all.extend(rows.secs.iter().zip(rows.values).map(|(&secs, &value)| Row {
            hostname: host.name.clone(),
            metric: rows.metric.to_owned(),
            scope: rows.scope.to_owned(),
            scope_id: rows.scope_id.to_owned(),
            parent: rows.parent.to_owned(),
            secs,
            value,
        }));
        Ok::<(), ()>(())
    });
    all
}

/// The bytes of a file.
struct Bytes(Vec<u8>);

impl RandomRead for Bytes {
    fn file_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let begin = usize::try_from(offset).map_err(std::io::Error::other)?;
        let found = self.0.get(begin..begin.saturating_add(buffer.len()));
        buffer.copy_from_slice(found.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

fn rows_of(bytes: &[u8]) -> Result<Vec<Row>, String> {
    let reader = ArchiveReader::open(Arc::new(Bytes(bytes.to_vec()))).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    for batch in reader.read(&Filter::default()) {
        let batch = batch.map_err(|error| error.to_string())?;
        all.extend(batch.timestamps.iter().zip(&batch.values).map(|(&secs, &value)| Row {
            hostname: batch.hostname.clone(),
            metric: batch.metric.clone(),
            scope: batch.scope.clone(),
            scope_id: batch.scope_id.clone(),
            parent: batch.parent.clone(),
            secs,
            value,
        }));
    }
    Ok(all)
}
