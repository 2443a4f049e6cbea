//! One history: an engine on a faulty disk, the model beside it, and the way from one life of the engine to the next.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::archive::{ArchiveModel, Found};
use super::model::{Crash, Fate, HostModel, SeriesKind, SeriesModel};
use super::stamped;
use crate::engine::{CheckpointFormat, Engine, Options, WalSync};
use crate::model::{Aggregation, Element, Metric, MetricTable, NO_PARENT, Selector};
use crate::store::Host;
use crate::telemetry::Telemetry;
use crate::testing::{FaultyDisk, ManualClock, Random};

pub(super) const NOW: i64 = 1_770_244_800;
pub(super) const CHECKPOINTS: &str = "/var/checkpoints";
const FORMS: [CheckpointFormat; 3] = [CheckpointFormat::Native, CheckpointFormat::Wal, CheckpointFormat::Json];

/// The metrics with their frequencies. The last one is not always configured.
const METRICS: [(&str, u32); 4] = [("load", 60), ("power", 10), ("energy", 300), (EXTRA, 60)];
pub(super) const EXTRA: &str = "extra";

/// Levels below a host: their tags and names.
const LEVELS: [(&str, &[&str]); 5] = [
    ("", &[]),
    (",type=core,type-id=0", &["core0"]),
    (",type=core,type-id=1", &["core1"]),
    (",type=node,stype=network,stype-id=eth0", &["networketh0"]),
    (",type=socket,type-id=0,stype=link,stype-id=a", &["socket0", "linka"]),
];

/// Counts over many histories.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) histories: u64,
    pub(super) kills: u64,
    pub(super) power_failures: u64,
    pub(super) faults: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) checkpoints: u64,
    pub(super) compared: u64,
    /// Passes that archive, and rows in the archives of the ends.
    pub(super) passes: u64,
    pub(super) archived: u64,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) disk: FaultyDisk,
    pub(super) clock: Arc<ManualClock>,
    pub(super) engine: Option<Engine>,
    pub(super) options: Options,
    pub(super) hosts: Vec<HostModel>,
    pub(super) has_extra: bool,
    /// Whether there are stamped series: in the native form only.
    pub(super) has_stamped: bool,
    /// What is at risk up to here is durable.
    pub(super) durable: u64,
    pub(super) number: u64,
    /// A flush failed: only a checkpoint makes what was written before it durable.
    pub(super) is_poisoned: bool,
    /// Something is wrong with the disk, or was since it last healed.
    pub(super) is_broken: bool,
    /// The form changed and no checkpoint has taken everything over.
    pub(super) is_converting: bool,
    pub(super) next_value: u32,
    /// In the mode that archives.
    pub(super) archive: Option<ArchiveModel>,
    /// What memory held when it was last looked at.
    pub(super) held_bytes: u64,
    pub(super) counts: Counts,
    /// What happened, for the reader of a failure.
    pub(super) trace: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64, has_archive: bool) -> World {
        let mut random = Random::new(seed);
        let mut options = Options {
            format: *random.pick(&FORMS),
            wal_sync: *random.pick(&[WalSync::Interval, WalSync::Interval, WalSync::Always, WalSync::Never]),
            retention: Duration::from_secs(*random.pick(&[1800, 7200, 14_400])),
            ..Options::new(CHECKPOINTS)
        };
        let has_stamped = !has_archive && options.format == CheckpointFormat::Native && random.percent(70);
        // Of exemplars all are kept, so that each of them can be asked for.
        options.limits.exemplars_per_series_max = 10_000;
        let mut hosts = Vec::new();
        for cluster in ["alex", "fritz"].into_iter().take(1 + random.below(2)) {
            for name in ["a", "b", "c"].into_iter().take(1 + random.below(3)) {
                hosts.push(host(&mut random, cluster, name));
                if has_stamped && let Some(host) = hosts.last_mut() {
                    host.series.extend(stamped::series(&mut random));
                }
            }
        }
        let disk = FaultyDisk::new(random.bits());
        if has_archive {
            options.cleanup = ArchiveModel::mode(&mut random);
        }
        let archive = has_archive.then(|| ArchiveModel::new(hosts.len()));
        let mut world = World {
            random,
            disk,
            clock: Arc::new(ManualClock::at(NOW)),
            engine: None,
            options,
            hosts,
            has_extra: true,
            has_stamped,
            durable: 0,
            number: 0,
            is_poisoned: false,
            is_broken: false,
            is_converting: false,
            next_value: 0,
            archive,
            held_bytes: 0,
            counts: Counts { histories: 1, ..Counts::default() },
            trace: Vec::new(),
        };
        world.note(format!("{:?} {:?} {:?}", world.options.format, world.options.wal_sync, world.options.cleanup));
        // The folder is there before the store is, as an administrator makes it.
        crate::disk::Disk::create_dir_all(&world.disk, Path::new("/var")).unwrap();
        crate::disk::Disk::sync_all(&world.disk, Path::new("/")).unwrap();
        world.engine = Some(world.open().expect("an empty folder can be opened"));
        world
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.trace.push(what.into());
    }

    pub(super) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("an engine is open between two steps")
    }

    pub(super) fn metrics(&self) -> Vec<Metric> {
        let configured = METRICS.iter().filter(|(name, _)| self.has_extra || *name != EXTRA);
        let metric = |&(name, frequency_secs): &(&str, u32)| Metric {
            name: name.into(),
            frequency_secs,
            aggregation: Aggregation::Sum,
        };
        configured.map(metric).collect()
    }

    /// Opens an engine and lets it recover.
    fn open(&self) -> Result<Engine, String> {
        let (disk, clock) = (Arc::new(self.disk.clone()), Arc::clone(&self.clock));
        let telemetry = Arc::new(Telemetry::default());
        let engine = Engine::open(self.options.clone(), MetricTable::new(self.metrics()), disk, clock, telemetry);
        let engine = engine.map_err(|error| error.to_string())?;
        if let Some(archive) = &self.archive {
            engine.set_node_provider(archive.provider());
        }
        engine.recover().map_err(|error| error.to_string())?;
        if engine.telemetry().archive_failures.get() > 0 {
            return Err("what was pending could not be settled".to_owned());
        }
        Ok(engine)
    }

    /// The number of what was acknowledged just now.
    pub(super) fn at_risk(&mut self) -> Fate {
        self.number += 1;
        Fate::AtRisk(self.number)
    }

    /// Everything that is in memory is on the disk.
    pub(super) fn checkpointed(&mut self) {
        self.durable = self.number;
        self.is_poisoned = false;
        self.is_converting = false;
        self.hosts.iter_mut().for_each(HostModel::forget_doubts);
        if !self.has_extra {
            self.doubt_extra();
        }
    }

    /// What is not configured is in no checkpoint, and no recovery takes it.
    pub(super) fn doubt_extra(&mut self) {
        let all = self.hosts.iter_mut().flat_map(|host| &mut host.series).filter(|series| series.metric == EXTRA);
        all.flat_map(|series| series.cells.values_mut()).for_each(|cell| cell.is_unsure = true);
    }

    /// The machine stops, and starts again with the same files.
    pub(super) fn crash(&mut self, crash: Crash) -> Result<(), String> {
        self.note(format!("{crash:?}"));
        // Nothing that a dying process still does may reach the disk.
        self.disk.halt_after(0);
        self.engine = None;
        self.reopen(crash)
    }

    /// Opens the files as they are after a crash (or a clean end), and compares.
    pub(super) fn reopen(&mut self, mut crash: Crash) -> Result<(), String> {
        let mut attempts = 0;
        self.stop(crash);
        self.before_start(&mut crash)?;
        if !self.is_converting && !self.has_stamped && self.random.percent(25) {
            self.options.format = *self.random.pick(&FORMS);
            self.is_converting = true;
            self.note(format!("now {:?}", self.options.format));
        }
        if self.random.percent(15) {
            self.options.wal_sync = *self.random.pick(&[WalSync::Interval, WalSync::Always, WalSync::Never]);
        }
        let engine = loop {
            // A machine can die again while it recovers.
            attempts += 1;
            if attempts < 3 && self.random.percent(20) {
                self.disk.halt_after(self.random.below(6) as u64);
            }
            let opened = self.open();
            match opened {
                Ok(engine) if !self.disk.is_halted() => break engine,
                Err(error) if !self.disk.is_halted() => return Err(format!("the start failed: {error}")),
                _ => {
                    let again = *self.random.pick(&[Crash::Kill, Crash::Power]);
                    self.note(format!("{again:?} at the start"));
                    self.stop(again);
                    if again == Crash::Power {
                        crash = again;
                    }
                }
            }
        };
        self.disk.heal();
        self.is_converting = engine.check_open().is_err();
        if !self.has_extra {
            self.doubt_extra();
        }
        if let Some(archive) = &mut self.archive {
            archive.succeeded(&self.disk, &self.hosts)?;
        }
        let all = read_all(self.archive.as_mut(), &self.disk, &engine, &self.hosts, self.has_extra)?;
        let durable = self.durable;
        // What a failed flush has lost is still in the system's memory after a kill, and on no device: a checkpoint of
        // the next process brings it there.
        let is_at_risk = crash == Crash::Kill && self.is_poisoned;
        let fate = if is_at_risk { self.at_risk() } else { Fate::Durable };
        for (host, of_host) in self.hosts.iter_mut().zip(&all) {
            if self.archive.is_none() {
                let found = horizons(&engine, host);
                host.settle_horizons(&found, crash, durable, fate)?;
            }
            let mut newest = 0;
            for (series, found) in host.series.iter_mut().zip(of_host) {
                let ticks: Vec<i64> = series.cells.keys().chain(found.keys()).copied().collect();
                for tick in ticks {
                    let value = found.get(&tick).copied();
                    let cell = series.cells.entry(tick).or_default();
                    self.counts.compared += 1;
                    // Of a metric that was not configured for a while, what is archived may be older.
                    let is_archived = self.archive.is_some() && cell.is_unsure;
                    if !cell.allows(value, crash, durable) && !is_archived {
                        let place = format!("{}/{} {:?}", host.cluster, host.name, series.below);
                        let metric = series.metric;
                        return Err(format!(
                            "{place} {metric} tick {tick}: after {crash:?} {value:?} was found, durable up to \
                             {durable}, of {cell:?}"
                        ));
                    }
                    cell.settle(value, durable, fate);
                    // Exemplars are no samples: a store does not count them.
                    if value.is_some() && series.kind != SeriesKind::Exemplar {
                        newest = newest.max(series.phase + tick * series.frequency);
                    }
                }
            }
            host.newest_secs = newest;
        }
        if !is_at_risk {
            self.durable = self.number;
            self.is_poisoned = false;
        }
        self.engine = Some(engine);
        self.after_start()
    }

    pub(super) fn stop(&mut self, crash: Crash) {
        self.is_broken = false;
        if let Some(archive) = &mut self.archive {
            archive.is_settled = false;
        }
        match crash {
            Crash::Kill => {
                self.counts.kills += 1;
                self.disk.crash_process();
            }
            Crash::Power => {
                self.counts.power_failures += 1;
                self.disk.crash_power();
            }
        }
    }

    /// Compares everything that is read now.
    pub(super) fn compare(&mut self) -> Result<(), String> {
        let engine = self.engine.as_ref().expect("an engine is open between two steps");
        self.held_bytes = engine.store().memory_bytes();
        let all = read_all(self.archive.as_mut(), &self.disk, engine, &self.hosts, self.has_extra)?;
        for (host, of_host) in self.hosts.iter().zip(&all) {
            let with_found = host.series.iter().zip(of_host);
            for (series, found) in with_found.filter(|(series, _)| self.has_extra || series.metric != EXTRA) {
                for (tick, cell) in &series.cells {
                    self.counts.compared += 1;
                    if !cell.is_unsure && cell.now() != found.get(tick).copied() {
                        let place = format!("{}/{} {:?} {}", host.cluster, host.name, series.below, series.metric);
                        let value = found.get(tick);
                        return Err(format!("{place} tick {tick}: a read answers {value:?}, of {cell:?}"));
                    }
                }
                if let Some((tick, value)) = found.iter().find(|(tick, _)| !series.cells.contains_key(tick)) {
                    return Err(format!("{} {}: {value} at tick {tick} was never sent", host.name, series.metric));
                }
            }
        }
        Ok(())
    }
}

/// All that there is of all series: what reads answer, or what memory and the archive hold together.
fn read_all(
    archive: Option<&mut ArchiveModel>,
    disk: &FaultyDisk,
    engine: &Engine,
    hosts: &[HostModel],
    has_extra: bool,
) -> Result<Found, String> {
    if let Some(archive) = archive {
        return archive.union(disk, engine, hosts, has_extra);
    }
    let of_host = |host: &HostModel| {
        let read = |series: &SeriesModel| match series.kind {
            SeriesKind::Grid => read(engine, host.cluster, &host.name, series),
            _ => stamped::read(engine, host, series),
        };
        host.series.iter().map(read).collect::<Result<_, _>>()
    };
    hosts.iter().map(of_host).collect()
}

/// All that a read answers of a series, by tick.
pub(super) fn read(
    engine: &Engine,
    cluster: &str,
    host: &str,
    series: &SeriesModel,
) -> Result<BTreeMap<i64, f64>, String> {
    let below = series.below.iter().map(|name| Element::from(name.as_str())).collect();
    let selector = Selector { cluster: cluster.into(), host: host.into(), below };
    // A level that does not hold the metric would answer by those below it.
    let holds = engine.store().host(cluster, host).is_some_and(|host| holds_itself(engine, &host, series));
    if !holds {
        return Ok(BTreeMap::new());
    }
    let Ok(answer) = engine.store().read(&selector, series.metric, i64::MIN, i64::MAX) else {
        return Ok(BTreeMap::new());
    };
    let mut found = BTreeMap::new();
    for (at, value) in answer.data.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
        let tick = series.tick_at(answer.from_secs + at as i64 * answer.frequency_secs);
        if found.insert(tick, *value).is_some() {
            return Err(format!("{host} {}: two slots answer for tick {tick}", series.metric));
        }
    }
    Ok(found)
}

fn holds_itself(engine: &Engine, host: &Host, series: &SeriesModel) -> bool {
    let metrics = engine.store().metrics();
    host.series_with_data().into_iter().map(|id| host.describe(id, &metrics)).any(|found| {
        *found.metric == *series.metric
            && found.components.iter().map(ToString::to_string).eq(series.below.iter().cloned())
    })
}

/// The horizons of a host by path.
pub(super) fn horizons(engine: &Engine, host: &HostModel) -> BTreeMap<Vec<String>, i64> {
    let Some(found) = engine.store().host(host.cluster, &host.name) else { return BTreeMap::new() };
    let image = found.image(&engine.store().metrics());
    let mut horizons = BTreeMap::from([(Vec::new(), image.horizon_secs)]);
    for at in (0..image.components.len() as u32).filter(|at| *at != NO_PARENT) {
        let path = image.path(at);
        let to_secs = path.last().map_or(i64::MIN, |last| last.horizon_secs);
        horizons.insert(path.iter().map(|part| part.component.to_string()).collect(), to_secs);
    }
    horizons.retain(|_, to_secs| *to_secs > i64::MIN);
    horizons
}

fn host(random: &mut Random, cluster: &'static str, name: &str) -> HostModel {
    let tick_secs = NOW - 400 + random.within(0..300);
    let mut series = Vec::new();
    for (tags, below) in LEVELS.iter().take(1 + random.below(LEVELS.len())) {
        for (metric, frequency) in METRICS {
            // Not both a level and those below it, nor everything everywhere.
            if random.percent(40) {
                continue;
            }
            let phase = if random.percent(70) { tick_secs } else { NOW - 400 + random.within(0..300) };
            series.push(SeriesModel {
                below: below.iter().map(|&name| name.to_owned()).collect(),
                metric,
                tags,
                kind: SeriesKind::Grid,
                frequency: i64::from(frequency),
                phase,
                cells: BTreeMap::new(),
            });
        }
    }
    HostModel { cluster, name: name.to_owned(), series, horizons: BTreeMap::new(), newest_secs: 0 }
}
