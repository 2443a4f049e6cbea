//! Adoption: what lies in the reference's files, whoever wrote them, comes into memory.
//!
//! A host's folder is read in the order of its files' times, later files over earlier ones, the log last; one that
//! can't be read never stops another. What was not read is moved out of the way of the next checkpoint, which removes
//! what it believes to hold. Only a sound state file of a newer version is an error: it may say what was freed.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::disk::Entry;
use crate::formats::ccms::{
    self, CcmsError, CheckpointFile, DETECT_BYTES, FileKind, Visitor, WAL_FILE, WalItem, WalReader,
};
use crate::model::{Component, HostImage, KnownKinds, Sample, SeriesId};
use crate::store::{Host, SeriesPath};

use super::core::{Engine, OWN_FOLDER};
use super::damage;
use super::files::state_path;
use super::outcome::OpenError;

/// Hosts between two lines of progress.
const PROGRESS_HOSTS: u64 = 1000;

/// The folder below Treering's own for folders that can't be read.
const UNREAD_FOLDER: &str = "unread";

/// Samples of a log that are applied at once.
const BATCH_SAMPLES: usize = 10_000;

/// Reads all hosts' folders in the checkpoint directory.
pub(super) fn adopt(engine: &Engine) -> Result<(), OpenError> {
    let folders = host_folders(engine)?;
    let done = AtomicU64::new(0);
    let failure = Mutex::new(None);
    engine.in_parallel(folders.len(), |at| {
        let (cluster, host, folder) = &folders[at];
        if let Err(error) = adopt_host(engine, cluster, host, folder) {
            *failure.lock() = Some(error);
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(PROGRESS_HOSTS) {
            tracing::info!("recovery: {done} of {} hosts read", folders.len());
        }
    });
    failure.into_inner().map_or(Ok(()), Err)?;
    let known = folders.into_iter().map(|(cluster, host, _)| (cluster, host)).collect();
    super::states::adopt_horizons(engine, &known)
}

/// The folders of hosts in the checkpoint directory, with the names of cluster and host.
pub(super) fn host_folders(engine: &Engine) -> Result<Vec<(String, String, PathBuf)>, OpenError> {
    let root = &engine.options.checkpoints;
    let clusters = engine.disk.list(root).map_err(|error| OpenError::Disk { path: root.clone(), error })?;
    let mut folders: Vec<(String, String, PathBuf)> = Vec::new();
    for cluster in clusters.iter().filter(|entry| entry.name != OWN_FOLDER) {
        let path = root.join(&cluster.name);
        if !cluster.is_dir {
            note_foreign(engine, &path);
            continue;
        }
        let hosts = match engine.disk.list(&path) {
            Ok(hosts) => hosts,
            Err(error) => {
                move_unread(engine, &path, &error);
                continue;
            }
        };
        for host in hosts {
            if !host.is_dir {
                note_foreign(engine, &path.join(&host.name));
                continue;
            }
            let names = (ccms::name_of_directory(&cluster.name), ccms::name_of_directory(&host.name));
            folders.push((names.0, names.1, path.join(&host.name)));
        }
    }
    Ok(folders)
}

fn note_foreign(engine: &Engine, path: &Path) {
    damage::note(&engine.telemetry, "foreign", path, &"expected only folders here");
}

/// Moves a cluster's or host's folder that can't be listed out of the way: once it can be again, a checkpoint would
/// remove what lies in it as covered, and nothing of it is in memory.
fn move_unread(engine: &Engine, folder: &Path, error: &std::io::Error) {
    damage::note(&engine.telemetry, "unreadable", folder, error);
    let unread = engine.options.checkpoints.join(OWN_FOLDER).join(UNREAD_FOLDER);
    let below = folder.strip_prefix(&engine.options.checkpoints).unwrap_or(folder);
    let to = unread.join(below.to_string_lossy().replace('/', "%2F"));
    let moved = engine.disk.create_dir_all(&unread).and_then(|()| {
        let to = damage::free_name(&*engine.disk, &to);
        engine.disk.rename(folder, &to).map(|()| to)
    });
    match moved {
        Ok(to) => tracing::warn!("{} is kept as {}", folder.display(), to.display()),
        Err(error) => tracing::error!("{} can't be moved to {}: {error}", folder.display(), unread.display()),
    }
}

/// Reads one host's folder into memory.
pub(super) fn adopt_host(engine: &Engine, cluster: &str, name: &str, folder: &Path) -> Result<(), OpenError> {
    let host = match engine.store.host_or_create(cluster, name) {
        Ok(host) => host,
        Err(limit) => {
            damage::note(&engine.telemetry, "limit", folder, &limit);
            return Ok(());
        }
    };
    let entries = match engine.disk.list(folder) {
        Ok(entries) => entries,
        Err(error) => {
            move_unread(engine, folder, &error);
            return Ok(());
        }
    };
    let state = read_state(engine, cluster, name)?;
    let mut adoption = Adoption::new(engine, host, folder, state.as_ref());
    let mut snapshots: Vec<(i64, &Entry)> = entries
        .iter()
        .filter(|entry| !entry.is_dir)
        .filter_map(|entry| match CheckpointFile::parse(&entry.name)? {
            CheckpointFile::Snapshot { from_secs, .. } => Some((from_secs, entry)),
            CheckpointFile::Wal => None,
        })
        .collect();
    snapshots.sort_by_key(|(from_secs, _)| *from_secs);
    for (from_secs, entry) in snapshots {
        adoption.snapshot(from_secs, entry);
    }
    if let Some(state) = &state {
        adoption.host.restore(state, &engine.store.metrics(), engine.store.limits());
    }
    if entries.iter().any(|entry| entry.name == WAL_FILE) {
        adoption.log();
    }
    Ok(())
}

/// What Treering put beside the host's files, if it did.
fn read_state(engine: &Engine, cluster: &str, host: &str) -> Result<Option<HostImage>, OpenError> {
    let path = state_path(&engine.options.checkpoints, cluster, host);
    let useless = |what: &dyn std::fmt::Display| {
        damage::note(&engine.telemetry, "state", &path, what);
        damage::set_aside(&*engine.disk, &path);
        Ok(None)
    };
    let source = match engine.disk.read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return useless(&error),
    };
    match ccms::read_state(source.as_slice(), source.len() as u64) {
        Ok(image) if (&*image.cluster, &*image.host) == (cluster, host) => Ok(Some(image)),
        // Its horizons would hide what was never freed.
        Ok(image) => useless(&format!("it speaks of {}/{}, expected {cluster}/{host}", image.cluster, image.host)),
        Err(error @ CcmsError::UnknownVersion { .. }) => Err(OpenError::Newer { path, reason: error.to_string() }),
        Err(error) => useless(&error),
    }
}

/// One host's files on their way into memory.
struct Adoption<'e> {
    engine: &'e Engine,
    host: Arc<Host>,
    folder: &'e Path,
    /// By joined names: what the state file knows of components.
    components: HashMap<String, (Component, bool)>,
    kinds: KnownKinds,
    /// The first second of each series in the log, by joined path and metric; read when a snapshot needs it.
    log_phases: Option<HashMap<(Vec<String>, String), i64>>,
    has_snapshot: bool,
}

impl<'e> Adoption<'e> {
    fn new(engine: &'e Engine, host: Arc<Host>, folder: &'e Path, state: Option<&HostImage>) -> Self {
        let mut kinds = KnownKinds::default();
        let mut components = HashMap::new();
        for (at, image) in state.iter().flat_map(|state| state.components.iter().enumerate()) {
            kinds.learn(&image.component.kind);
            let path = state.map_or(Vec::new(), |state| state.path(at as u32));
            let joined: Vec<String> = path.iter().map(|part| part.component.to_string()).collect();
            components.insert(joined.join("\0"), (image.component.clone(), image.is_device));
        }
        Adoption { engine, host, folder, components, kinds, log_phases: None, has_snapshot: false }
    }

    fn note(&self, name: &str, what: &dyn std::fmt::Display) {
        damage::note(&self.engine.telemetry, "reference_file", &self.folder.join(name), what);
    }

    fn snapshot(&mut self, from_secs: i64, entry: &Entry) {
        let path = self.folder.join(&entry.name);
        let mut head = Vec::new();
        let opened = self.engine.disk.open(&path).and_then(|mut source| {
            source.by_ref().take(DETECT_BYTES as u64).read_to_end(&mut head)?;
            Ok(source)
        });
        let source = match opened {
            Ok(source) => BufReader::with_capacity(1 << 18, head.as_slice().chain(source)),
            Err(error) => {
                self.note(&entry.name, &error);
                damage::set_aside(&*self.engine.disk, &path);
                return;
            }
        };
        let mut taker = Taker { adoption: self, from_secs, path: Vec::new(), series: None };
        let read: Result<_, CcmsError> = match ccms::detect(&head) {
            FileKind::Bin => ccms::read_bin(source, entry.len, &mut taker),
            FileKind::Json => ccms::read_json(source, &mut taker),
            FileKind::Empty => return,
            other => {
                self.note(&entry.name, &format!("expected a snapshot, found {other:?}"));
                damage::set_aside(&*self.engine.disk, &path);
                return;
            }
        };
        // What came before an error is good, and its series is whole as far as it was read.
        taker.finish();
        self.has_snapshot = true;
        if let Err(error) = read {
            self.note(&entry.name, &error);
            damage::set_aside(&*self.engine.disk, &path);
        }
    }

    /// Finds or creates a series by joined names; `None` when the metric is unknown or a limit is reached.
    fn series(&self, path: &[String], metric: &str) -> Option<SeriesId> {
        let metric = self.engine.store.metrics().find(metric)?;
        let mut components = Vec::with_capacity(path.len());
        let mut is_device = false;
        for depth in 0..path.len() {
            let known = self.components.get(&path[..=depth].join("\0"));
            let (component, device) = known.cloned().unwrap_or_else(|| {
                let component = self.kinds.split(&path[depth]);
                let device = depth == 0 && self.kinds.is_device(&component.kind);
                (component, device)
            });
            is_device |= device && depth == 0;
            components.push(component);
        }
        let path = SeriesPath { components: &components, is_device, metric };
        self.host.series(&path, self.engine.store.limits()).ok()
    }

    /// The first second that the log has of a series.
    fn log_phase(&mut self, path: &[String], metric: &str) -> Option<i64> {
        if self.log_phases.is_none() {
            let mut phases = HashMap::new();
            if let Ok(source) = self.engine.disk.open(&self.folder.join(WAL_FILE)) {
                let mut reader = WalReader::new(source);
                while let Ok(Some(item)) = reader.next_item() {
                    if let WalItem::Record { record, .. } = item {
                        phases.entry((record.selector.clone(), record.metric.clone())).or_insert(record.secs);
                    }
                }
            }
            self.log_phases = Some(phases);
        }
        self.log_phases.as_ref()?.get(&(path.to_vec(), metric.to_owned())).copied()
    }

    fn log(&self) {
        let path = self.folder.join(WAL_FILE);
        let source = match self.engine.disk.open(&path) {
            Ok(source) => source,
            Err(error) => {
                self.note(WAL_FILE, &error);
                damage::set_aside(&*self.engine.disk, &path);
                return;
            }
        };
        let metrics = self.engine.store.metrics();
        let mut reader = WalReader::new(source);
        let mut is_foreign = false;
        let mut ids: HashMap<(Vec<String>, String), Option<SeriesId>> = HashMap::new();
        let mut batch: Vec<Sample> = Vec::with_capacity(BATCH_SAMPLES);
        // The log does not say when its samples were received: none counts as ahead of its time.
        let apply = |batch: &mut Vec<Sample>| {
            self.host.apply(&metrics, batch, i64::MAX / 4);
            batch.clear();
        };
        loop {
            match reader.next_item() {
                Ok(Some(WalItem::Record { record, .. })) => {
                    // Far beyond any time: what such a record says is not a sample's second.
                    if record.secs.unsigned_abs() > (i64::MAX / 8) as u64 {
                        continue;
                    }
                    let key = (record.selector.clone(), record.metric.clone());
                    let id = *ids.entry(key).or_insert_with(|| self.series(&record.selector, &record.metric));
                    if let Some(series) = id {
                        batch.push(Sample { series, secs: record.secs, value: record.value });
                    }
                    if batch.len() == BATCH_SAMPLES {
                        apply(&mut batch);
                    }
                }
                Ok(Some(WalItem::Damage(found))) => {
                    is_foreign = reader.good_end() == 0;
                    self.note(WAL_FILE, &found);
                }
                Ok(Some(WalItem::Tail(found))) => tracing::info!("{}: torn tail: {found}", path.display()),
                Ok(None) => break,
                Err(error) => {
                    // What lies behind may be good: nothing is cut off, and nothing appended.
                    self.note(WAL_FILE, &error);
                    apply(&mut batch);
                    damage::set_aside(&*self.engine.disk, &path);
                    return;
                }
            }
        }
        apply(&mut batch);
        if is_foreign && reader.good_end() == 0 {
            damage::set_aside(&*self.engine.disk, &path);
            return;
        }
        if reader.is_damaged_inside() {
            // cc-metric-store would stop reading there: a checkpoint replaces the log soon.
            self.engine.want_checkpoint();
        }
        self.cut_tail(&path, reader.good_end());
    }

    /// Cuts a torn tail off, so that nothing is appended behind it.
    fn cut_tail(&self, path: &Path, good_end: u64) {
        let cut = self
            .engine
            .disk
            .append(path)
            .and_then(|mut file| if file.file_bytes()? > good_end { file.truncate(good_end) } else { Ok(()) });
        if let Err(error) = cut {
            self.note(WAL_FILE, &format!("the torn tail can't be cut off: {error}"));
        }
    }
}

/// Takes a snapshot's series, one whole series after the other.
struct Taker<'a, 'e> {
    adoption: &'a mut Adoption<'e>,
    from_secs: i64,
    path: Vec<String>,
    series: Option<Pieces>,
}

/// A series whose pieces are being read.
struct Pieces {
    metric: String,
    frequency_secs: u32,
    start_secs: i64,
    slots: Vec<f64>,
}

impl Taker<'_, '_> {
    fn finish(&mut self) {
        let Some(Pieces { metric, frequency_secs, start_secs, slots }) = self.series.take() else { return };
        let Some(id) = self.adoption.series(&self.path, &metric) else { return };
        // The reference gives a run that begins before its file the file's own beginning as start: the phase is then
        // that of an earlier file, or of the log.
        let is_centre = start_secs != self.from_secs;
        let mut start = start_secs;
        if !is_centre
            && !self.adoption.has_snapshot
            && let Some(secs) = self.adoption.log_phase(&self.path, &metric)
        {
            let frequency = i64::from(frequency_secs);
            start += (secs - start_secs + frequency / 2).rem_euclid(frequency) - frequency / 2;
        }
        self.adoption.host.merge_run(id, start, frequency_secs, &slots, is_centre);
    }
}

impl Visitor for Taker<'_, '_> {
    fn enter(&mut self, name: &str) {
        self.finish();
        self.path.push(name.to_owned());
    }

    fn series(&mut self, name: &str, frequency_secs: u32, start_secs: i64, slots: &[f64]) {
        match &mut self.series {
            Some(pieces)
                if pieces.metric == name
                    && pieces.frequency_secs == frequency_secs
                    && pieces.start_secs + pieces.slots.len() as i64 * i64::from(frequency_secs) == start_secs =>
            {
                pieces.slots.extend_from_slice(slots);
            }
            _ => {
                self.finish();
                self.series =
                    Some(Pieces { metric: name.to_owned(), frequency_secs, start_secs, slots: slots.to_vec() });
            }
        }
    }

    fn leave(&mut self) {
        self.finish();
        self.path.pop();
    }
}
