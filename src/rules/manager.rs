//! All groups: a task each, which waits for its times and evaluates on a thread that may block.
//!
//! Invariant: at most `evaluations_max` groups are evaluated at a time, so rules never take all cores from those who
//! ask; a group is never evaluated twice at a time, and of two groups with one name only the newer one runs.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::environment::Environment;
use super::file::{FileError, GroupSpec, find_files, read_file};
use super::group::{Group, stale};
use super::notify::{Notifier, Receiver, SenderError};
use super::options::Options;
use super::query::{Querier, Sources};
use super::restore::restore;
use super::schedule::{Look, Schedule};
use super::sink::ResultSink;
use crate::disk::{Disk, SharedDisk};
use crate::model::Labels;
use crate::telemetry::SharedTelemetry;
use crate::time::SharedClock;

/// Between two looks at the clock.
const LOOK_MAX_MS: i64 = 1000;
/// How long evaluations under way may take at the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads all rule files of some options.
pub fn load(disk: &dyn Disk, options: &Options) -> Result<Vec<GroupSpec>, Vec<FileError>> {
    let files = find_files(disk, &options.files).map_err(|error| vec![error])?;
    let (mut groups, mut errors) = (Vec::new(), Vec::new());
    for file in files {
        match read_file(disk, &file, &options.query.parse) {
            Ok(found) => groups.extend(found),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(groups) } else { Err(errors) }
}

/// What a manager works with.
pub struct Parts {
    /// Where series are read from.
    pub sources: Arc<dyn Sources>,
    /// Where results go.
    pub sink: Arc<dyn ResultSink>,
    /// Where the files of secrets and certificates are.
    pub disk: SharedDisk,
    /// The time of day.
    pub clock: SharedClock,
    /// Own metrics.
    pub telemetry: SharedTelemetry,
    /// Where tasks run.
    pub runtime: Handle,
}

/// Evaluates groups.
pub struct Manager {
    parts: Parts,
    notifier: Arc<Notifier>,
    shared: Arc<Shared>,
    /// Becomes true when the store is ready.
    ready: watch::Sender<bool>,
    /// One reload at a time; it waits for evaluations.
    tasks: tokio::sync::Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    /// By file and name.
    groups: HashMap<(String, String), Task>,
    /// Those that end the series of groups that are no more.
    leaving: Vec<JoinHandle<()>>,
    was_applied: bool,
    is_stopped: bool,
}

/// What the tasks share with those who look at them.
struct Shared {
    /// In the order of files and names.
    groups: RwLock<Arc<Vec<Arc<Group>>>>,
    environment: RwLock<Option<Arc<Environment>>>,
    turns: Mutex<Arc<Semaphore>>,
}

struct Task {
    group: Arc<Group>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Manager {
    /// A manager without rules; nothing is evaluated before [`Manager::begin`].
    pub fn new(parts: Parts) -> Manager {
        let notifier =
            Arc::new(Notifier::new(parts.runtime.clone(), Arc::clone(&parts.telemetry), Arc::clone(&parts.disk)));
        let shared = Shared {
            groups: RwLock::default(),
            environment: RwLock::default(),
            turns: Mutex::new(Arc::new(Semaphore::new(1))),
        };
        let (ready, _) = watch::channel(false);
        Manager { parts, notifier, shared: Arc::new(shared), ready, tasks: tokio::sync::Mutex::default() }
    }

    /// All groups, in the order of files and names.
    pub fn groups(&self) -> Arc<Vec<Arc<Group>>> {
        Arc::clone(&self.shared.groups.read())
    }

    /// The URLs that alerts are sent to.
    pub fn alertmanagers(&self) -> Vec<String> {
        self.notifier.urls()
    }

    /// Says that the store is complete: evaluations begin.
    pub fn begin(&self) {
        self.ready.send_replace(true);
    }

    /// Goes on with these rules. Groups that stay the same go on as if nothing was; those that changed keep the state
    /// of the rules that stay. On an error nothing has changed.
    pub async fn apply(&self, options: &Options, specs: Vec<GroupSpec>) -> Result<(), SenderError> {
        let mut tasks = self.tasks.lock().await;
        if tasks.is_stopped {
            return Ok(());
        }
        self.notifier.apply(options.notify.clone())?;
        *self.shared.environment.write() = Some(Arc::new(self.environment(options)));
        *self.shared.turns.lock() = Arc::new(Semaphore::new(options.evaluations_max.max(1)));
        let restores = !tasks.was_applied;
        tasks.was_applied = true;
        let mut old = std::mem::take(&mut tasks.groups);
        let (mut groups, mut new) = (Vec::new(), Vec::new());
        for spec in specs {
            let key = (spec.file.clone(), spec.name.clone());
            let group = Group::new(spec, options.interval_ms, options.query_offset_ms, restores);
            match old.remove(&key) {
                Some(task) if task.group.is_same(&group) => {
                    groups.push(Arc::clone(&task.group));
                    tasks.groups.insert(key, task);
                }
                previous => {
                    if let Some(previous) = previous {
                        group.take_over(&*previous.end().await);
                    }
                    let group = Arc::new(group);
                    groups.push(Arc::clone(&group));
                    new.push((key, group));
                }
            }
        }
        let mut left = Vec::new();
        for task in old.into_values() {
            left.push(task.end().await);
        }
        groups.sort_by(|a, b| (&a.spec().file, &a.spec().name).cmp(&(&b.spec().file, &b.spec().name)));
        *self.shared.groups.write() = Arc::new(groups);
        tasks.leaving.retain(|task| !task.is_finished());
        for group in left {
            self.forget(&group);
            let now_ms = self.parts.clock.now_millis();
            let task = leave(Arc::clone(&self.shared), Arc::clone(&self.parts.clock), group, now_ms);
            tasks.leaving.push(self.parts.runtime.spawn(task));
        }
        for (key, group) in new {
            self.describe(&group);
            let (stop, stopped) = watch::channel(false);
            let run = Run { shared: Arc::clone(&self.shared), group: Arc::clone(&group), restores };
            let clock = Arc::clone(&self.parts.clock);
            let task = self.parts.runtime.spawn(run.run(clock, self.ready.subscribe(), stopped));
            tasks.groups.insert(key, Task { group, stop, task });
        }
        Ok(())
    }

    /// Ends all evaluations, sends the alerts that wait, and ends. Series are not ended: the next start goes on.
    pub async fn stop(&self) {
        let mut tasks = self.tasks.lock().await;
        tasks.is_stopped = true;
        tasks.leaving.drain(..).for_each(|task| task.abort());
        let groups = std::mem::take(&mut tasks.groups);
        let ended = async {
            for task in groups.values() {
                task.ask();
            }
            for (_, task) in groups {
                task.end().await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("rules that are still evaluated are given up");
        }
        self.notifier.stop().await;
    }

    /// What evaluations work with under these options.
    fn environment(&self, options: &Options) -> Environment {
        Environment {
            querier: Arc::new(Querier::new(Arc::clone(&self.parts.sources), options.query.clone())),
            sink: Arc::clone(&self.parts.sink),
            receiver: Arc::clone(&self.notifier) as Arc<dyn Receiver>,
            clock: Arc::clone(&self.parts.clock),
            telemetry: Arc::clone(&self.parts.telemetry),
            external_labels: options.notify.external_labels.clone(),
            external_url: options.external_url.trim_end_matches('/').into(),
            resend_ms: options.resend_ms,
            outage_tolerance_ms: options.outage_tolerance_ms,
            grace_ms: options.grace_ms,
        }
    }

    fn describe(&self, group: &Group) {
        let (telemetry, label) = (&self.parts.telemetry, group.label());
        telemetry.rule_group_rules.get_or_create(&label).set(group.rules().len() as i64);
        telemetry.rule_group_interval_seconds.get_or_create(&label).set(group.interval_ms() as f64 / 1000.0);
        // They are shown from the beginning.
        telemetry.rule_group_iterations.get_or_create(&label).inc_by(0);
        telemetry.rule_group_iterations_missed.get_or_create(&label).inc_by(0);
        telemetry.rule_evaluations.get_or_create(&label).inc_by(0);
        telemetry.rule_evaluation_failures.get_or_create(&label).inc_by(0);
    }

    fn forget(&self, group: &Group) {
        let (telemetry, label) = (&self.parts.telemetry, group.label());
        for family in [
            &telemetry.rule_group_iterations,
            &telemetry.rule_group_iterations_missed,
            &telemetry.rule_evaluations,
            &telemetry.rule_evaluation_failures,
        ] {
            family.remove(&label);
        }
        for family in [&telemetry.rule_group_rules, &telemetry.rule_group_last_evaluation_samples] {
            family.remove(&label);
        }
        for family in [
            &telemetry.rule_group_interval_seconds,
            &telemetry.rule_group_last_duration_seconds,
            &telemetry.rule_group_last_evaluation_timestamp_seconds,
        ] {
            family.remove(&label);
        }
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("groups", &self.groups().len()).finish_non_exhaustive()
    }
}

impl Task {
    fn ask(&self) {
        self.group.stop();
        // A task that has ended does not hear it.
        _ = self.stop.send(true);
    }

    /// Ends the task and waits until nothing of it runs.
    async fn end(self) -> Arc<Group> {
        self.ask();
        if self.task.await.is_err() {
            let (file, name) = (&self.group.spec().file, &self.group.spec().name);
            tracing::error!("{file}: group {name:?}: the evaluation had panicked");
        }
        self.group
    }
}

/// The task of one group.
struct Run {
    shared: Arc<Shared>,
    group: Arc<Group>,
    /// Whether alerts go on where they were before the start.
    restores: bool,
}

impl Run {
    async fn run(self, clock: SharedClock, mut ready: watch::Receiver<bool>, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            ready = ready.wait_for(|&ready| ready) => if ready.is_err() { return },
            _ = stop.wait_for(|&stop| stop) => return,
        }
        let spec = self.group.spec();
        let mut schedule = Schedule::new(&spec.file, &spec.name, self.group.interval_ms(), clock.now_millis());
        // What was known before is looked up after the second evaluation: by then recording rules have what alerts
        // build on.
        let mut until_restored = if self.restores && self.group.has_alerts() { Some(2) } else { None };
        if until_restored.is_none() {
            self.group.rules().iter().for_each(|rule| rule.state_mut().is_restored = true);
        }
        loop {
            match schedule.look(clock.now_millis()) {
                Look::Wait(wait_ms) => {
                    // The clock may be set meanwhile.
                    let wait = Duration::from_millis(wait_ms.clamp(1, LOOK_MAX_MS).unsigned_abs());
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = stop.wait_for(|&stop| stop) => return,
                    }
                }
                Look::Due { time_ms, missed } => {
                    let environment = self.shared.environment.read().clone();
                    let Some(environment) = environment else { return };
                    let (telemetry, label) = (&environment.telemetry, self.group.label());
                    telemetry.rule_group_iterations.get_or_create(&label).inc_by(missed + 1);
                    telemetry.rule_group_iterations_missed.get_or_create(&label).inc_by(missed);
                    until_restored = until_restored.map(|left: u32| left.saturating_sub(1));
                    let restores = until_restored == Some(0);
                    if restores {
                        until_restored = None;
                    }
                    let turns = Arc::clone(&self.shared.turns.lock());
                    let turn = tokio::select! {
                        turn = turns.acquire_owned() => turn,
                        _ = stop.wait_for(|&stop| stop) => return,
                    };
                    let (group, clock) = (Arc::clone(&self.group), Arc::clone(&clock));
                    let evaluated = tokio::task::spawn_blocking(move || {
                        let _turn = turn;
                        group.evaluate(&environment, time_ms);
                        if restores {
                            restore(&group, &environment, clock.now_millis());
                        }
                    });
                    if evaluated.await.is_err() {
                        tracing::error!("{}: group {:?}: the evaluation panicked", spec.file, spec.name);
                    }
                }
            }
        }
    }
}

/// Ends the series of a group that is no more. Rules that have moved to another group have two of its intervals to go
/// on with their series, which are then left alone.
async fn leave(shared: Arc<Shared>, clock: SharedClock, group: Arc<Group>, left_ms: i64) {
    while clock.now_millis() < left_ms.saturating_add(2 * group.interval_ms()) {
        tokio::time::sleep(Duration::from_millis(LOOK_MAX_MS.unsigned_abs())).await;
    }
    let ended = tokio::task::spawn_blocking(move || end_series(&shared, &group, left_ms));
    // It has logged what went wrong.
    _ = ended.await;
}

/// Stores staleness markers for what a group made and no other group makes now.
fn end_series(shared: &Shared, group: &Group, time_ms: i64) {
    let mut series: Vec<Labels> = group.leave();
    for other in shared.groups.read().clone().iter() {
        other.retain_others(&mut series);
    }
    let Some(environment) = shared.environment.read().clone() else { return };
    let samples: Vec<_> = series.into_iter().map(|labels| stale(labels, time_ms - group.offset_ms)).collect();
    if !samples.is_empty()
        && let Err(error) = environment.sink.store(&samples)
    {
        tracing::warn!("{}: group {:?}: ending series: {error}", group.spec().file, group.spec().name);
    }
}
