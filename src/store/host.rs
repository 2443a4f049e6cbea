//! A host: its names, its data behind a lock, and what is remembered of its senders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::model::{ComponentId, HostImage, MetricId, MetricTable, Sample, SeriesId};

use super::archived::ArchivedRows;
use super::depart::{Departing, Stamp};
use super::host_data::{Applied, HostData, SeriesPath};
use super::keys::KeyCache;
use super::lane::Lane;
use super::limits::{LimitReached, Limits};
use super::memory::{Bytes, SharedBytes, Use};
use super::rolled::Rolled;
use super::rollup::Family;
use super::view::SeriesView;

/// A host of a cluster.
#[derive(Debug)]
pub struct Host {
    cluster: Arc<str>,
    name: Arc<str>,
    /// An `RwLock`, for queries of many users read while one sender writes. It is held for the apply of one body, and
    /// by readers only to clone block handles and copy open rows.
    pub(super) data: RwLock<HostData>,
    /// Held by a writer while it reads the lines of one host; readers never take it.
    keys: Arc<Mutex<KeyCache>>,
    shared_bytes: Arc<SharedBytes>,
    horizon_moves: AtomicU64,
    /// How many stamped series there are: most hosts have none, and are asked without a lock.
    pub(super) stamped_live: AtomicU64,
    /// Sweeps after which stamped series were gone.
    pub(super) stamped_sweeps: AtomicU64,
}

impl Host {
    pub(super) fn new(cluster: Arc<str>, name: Arc<str>, shared_bytes: Arc<SharedBytes>, keeps_departed: bool) -> Self {
        Host {
            cluster,
            name,
            data: RwLock::new(HostData::new(keeps_departed)),
            keys: Arc::default(),
            shared_bytes,
            horizon_moves: AtomicU64::new(0),
            stamped_live: AtomicU64::new(0),
            stamped_sweeps: AtomicU64::new(0),
        }
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &Arc<str> {
        &self.cluster
    }

    /// The host's name; may be empty.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What is remembered of the lines that name this host.
    pub fn keys(&self) -> &Arc<Mutex<KeyCache>> {
        &self.keys
    }

    /// Finds or creates a series.
    pub fn series(&self, path: &SeriesPath<'_>, limits: &Limits) -> Result<SeriesId, LimitReached> {
        let mut data = self.data.write();
        let id = data.insert(path, limits);
        self.publish(&mut data);
        id
    }

    /// How a series is reached: its components from the host downwards with whether the first is a device, and the
    /// metric.
    pub fn describe(&self, id: SeriesId, metrics: &MetricTable) -> SeriesDescription {
        let data = self.data.read();
        let series = data.series.get(id);
        let mut components = Vec::new();
        let mut at = series.component;
        while at != crate::model::ComponentId::HOST {
            components.push(data.components.node(at).component());
            at = data.components.node(at).parent;
        }
        components.reverse();
        SeriesDescription {
            is_device: data.components.is_device(series.component),
            metric: metrics.get(series.metric).name.clone(),
            components,
        }
    }

    /// The series that hold any value.
    pub fn series_with_data(&self) -> Vec<SeriesId> {
        let data = self.data.read();
        data.series.iter().map(|(id, _)| id).filter(|&id| data.holds_data(id)).collect()
    }

    /// Puts all slots of a series behind each other on the grid of its newest run; answers the centre of the first
    /// and how many older ones were left out, or `None` when there is none. Of a series that spans more than an answer
    /// may have, the newest only.
    pub fn slots(&self, id: SeriesId, frequency_secs: u32, slots: &mut Vec<f64>) -> Option<(i64, u64)> {
        let (view, grid_secs) = {
            let data = self.data.read();
            (SeriesView::take_whole(&data, id)?, data.newest_grid(id)?)
        };
        super::read::whole_series(&view, grid_secs, frequency_secs, slots)
    }

    /// Applies samples in their order; `now_secs` is when they were received.
    pub fn apply(&self, metrics: &MetricTable, samples: &[Sample], now_secs: i64) -> Applied {
        let mut data = self.data.write();
        let applied = data.apply(metrics, samples, now_secs);
        self.publish(&mut data);
        applied
    }

    /// Merges a run of slots, as a file of another store holds them: see
    /// [`HostData::merge_run`](super::host_data::HostData::merge_run).
    pub fn merge_run(&self, id: SeriesId, start_secs: i64, frequency_secs: u32, slots: &[f64], start_is_centre: bool) {
        let mut data = self.data.write();
        data.merge_run(id, start_secs, frequency_secs, slots, start_is_centre);
        self.publish(&mut data);
    }

    /// Takes over an image, merging it with what is there.
    pub fn restore(&self, image: &HostImage, metrics: &MetricTable, limits: &Limits) -> Restored {
        let mut data = self.data.write();
        let restored = data.restore(image, metrics, limits, &self.shared_bytes);
        self.note_stamped(&mut data);
        restored
    }

    /// The host as data. Late samples are folded into blocks first.
    pub fn image(&self, metrics: &MetricTable) -> HostImage {
        let has_late = self.data.read().series.iter().any(|(_, series)| series.overlay.is_some());
        if has_late {
            let mut data = self.data.write();
            data.fold_all();
            self.publish(&mut data);
        }
        self.data.read().image(&self.cluster, &self.name, metrics)
    }

    /// Moves the horizon below a path of joined names to `to_secs`; answers how many blocks went out of reach. They
    /// are dropped, unless the store keeps them for the archive. A path that leads nowhere drops nothing.
    pub fn move_horizon<'n>(&self, path: impl IntoIterator<Item = &'n str>, to_secs: i64) -> u64 {
        let mut data = self.data.write();
        let Some(component) = data.component(path) else { return 0 };
        let dropped = data.move_horizon(component, to_secs);
        self.horizon_moves.fetch_add(1, Ordering::Relaxed);
        self.note_stamped(&mut data);
        dropped
    }

    /// Keeps roll-ups that were made of what the host held at an epoch; drops them if that is over.
    pub(super) fn keep_rolled(&self, metric: MetricId, family: Family<'_>, runs: Vec<Rolled>, epoch: u64) {
        let mut data = self.data.write();
        let HostData { rollups, bytes, .. } = &mut *data;
        if rollups.epoch() == epoch {
            rollups.keep(metric, family, runs, bytes);
        }
        self.publish(&mut data);
    }

    /// Whether a path of joined names leads anywhere.
    pub fn has_component<'n>(&self, path: impl IntoIterator<Item = &'n str>) -> bool {
        self.data.read().component(path).is_some()
    }

    /// Takes the rows with `begin <= centre < end` that lie before the limit, or before their component's horizon, as
    /// handles; `None` when there are none. They stay until [`depart`](Self::depart).
    pub fn departing(
        &self,
        metrics: &MetricTable,
        limit_secs: i64,
        begin_secs: i64,
        end_secs: i64,
    ) -> Option<Departing> {
        let mut data = self.data.write();
        let moves = self.horizon_moves();
        let departing = data.departing(metrics, limit_secs, begin_secs, end_secs, moves);
        self.publish(&mut data);
        departing
    }

    /// Drops the rows that were taken, if nothing was written to their time since; else nothing, and `false`.
    pub fn depart(&self, stamp: &Stamp) -> bool {
        let mut data = self.data.write();
        let is_same = self.horizon_moves() == stamp.horizon_moves && data.depart(stamp);
        self.publish(&mut data);
        is_same
    }

    /// Drops the rows that a file of the archive holds; answers how many went.
    pub fn remove_archived(&self, rows: &ArchivedRows, metrics: &MetricTable) -> u64 {
        let mut data = self.data.write();
        let removed = data.remove_archived(rows, metrics);
        self.publish(&mut data);
        removed
    }

    /// Adds the numbers of the days (since 1970) in which rows before the limit, or before their component's horizon,
    /// may lie.
    pub fn departing_days(&self, limit_secs: i64, days: &mut std::collections::BTreeSet<i64>) {
        let data = self.data.read();
        data.departing_days(limit_secs, days);
        if let Some(stamped) = &data.stamped {
            stamped.days(limit_secs.saturating_mul(1000).max(data.horizon_ms()), days);
        }
    }

    /// Whether rows may lie before their component's horizon: kept for the archive, and answered to nobody.
    pub fn has_hidden_rows(&self) -> bool {
        let mut days = std::collections::BTreeSet::new();
        self.departing_days(i64::MIN, &mut days);
        !days.is_empty()
    }

    /// The second before which nothing of the host is answered; `i64::MIN` before anything was freed.
    pub fn horizon_secs(&self) -> i64 {
        self.data.read().components.node(ComponentId::HOST).horizon_secs
    }

    /// Whether a component of the host has components of its own.
    pub fn nests(&self) -> bool {
        self.data.read().components.nests()
    }

    /// How often a horizon was moved by [`move_horizon`](Self::move_horizon).
    pub fn horizon_moves(&self) -> u64 {
        self.horizon_moves.load(Ordering::Relaxed)
    }

    /// The second before which data may be freed to make room, this one at most: not behind what is sealed, and not in
    /// open rows that reach up to it, which are those of series that still come. `None` when nothing is sealed.
    pub fn freeable_to_secs(&self, secs: i64) -> Option<i64> {
        let data = self.data.read();
        let stamped = data.stamped.as_ref();
        let blocks = data.series.iter().filter_map(|(_, series)| series.blocks.last()).map(|block| block.end_secs());
        let to_secs = blocks.chain(stamped.and_then(|stamped| stamped.sealed_end_secs())).max()?.min(secs);
        let reaching = data.lanes.iter().flatten().filter(|lane| lane.last_secs().is_some_and(|last| last >= to_secs));
        let open_ms = stamped.and_then(|stamped| stamped.open_since_ms(to_secs.saturating_mul(1000)));
        let open = reaching.filter_map(Lane::first_secs).chain(open_ms.map(|time_ms| time_ms.div_euclid(1000)));
        open.chain([to_secs]).min()
    }

    /// The newest second of any sample; 0 before the first.
    pub fn newest_secs(&self) -> i64 {
        self.data.read().newest_secs
    }

    /// Adds the bytes of sealed blocks to buckets by their last second: `buckets[i]` covers
    /// `[from + i · width, from + (i + 1) · width)`. What lies outside is left out.
    pub fn bytes_by_age(&self, from_secs: i64, width_secs: i64, buckets: &mut [u64]) {
        let data = self.data.read();
        for (_, series) in data.series.iter() {
            for block in &series.blocks {
                let at = (block.end_secs() - from_secs).div_euclid(width_secs);
                if let Some(bucket) = usize::try_from(at).ok().and_then(|at| buckets.get_mut(at)) {
                    *bucket += block.memory_bytes() as u64;
                }
            }
        }
        if let Some(stamped) = &data.stamped {
            stamped.bytes_by_age(from_secs, width_secs, buckets);
        }
    }

    /// The first slot that holds a value, in seconds; `None` when there is none.
    pub fn oldest_secs(&self) -> Option<i64> {
        let data = self.data.read();
        let stamped = data.stamped.as_ref().and_then(|stamped| stamped.oldest_ms());
        data.oldest_secs().into_iter().chain(stamped.map(|time_ms| time_ms.div_euclid(1000))).min()
    }

    /// Seals the lanes whose frequency is no longer the configured one.
    pub fn follow_config(&self, metrics: &MetricTable) {
        let mut data = self.data.write();
        data.follow_config(metrics);
        self.publish(&mut data);
    }

    /// Notes how many bytes the key cache takes.
    pub fn count_keys(&self, bytes: usize) {
        let mut data = self.data.write();
        data.bytes.set(Use::Keys, bytes);
        self.publish(&mut data);
    }

    /// Adds to counts of components, series, lanes and blocks.
    pub(super) fn count(&self, counts: &mut [u64; 6]) {
        let data = self.data.read();
        counts[0] += data.components.len() as u64 - 1;
        counts[1] += data.series.len() as u64;
        counts[2] += data.lanes.iter().flatten().count() as u64;
        counts[3] += data.series.iter().map(|(_, series)| series.blocks.len() as u64).sum::<u64>();
        if let Some(stamped) = &data.stamped {
            let (series, chunks) = stamped.count();
            counts[4] += series;
            counts[5] += chunks;
        }
    }

    /// Takes the host's bytes out of those of all hosts.
    pub(super) fn stop_counting(&self) {
        let mut data = self.data.write();
        data.bytes = Bytes::default();
        self.publish(&mut data);
        self.shared_bytes.stamped_series().fetch_sub(self.stamped_series(), Ordering::Relaxed);
    }

    /// What all hosts share.
    pub(super) fn shared(&self) -> &SharedBytes {
        &self.shared_bytes
    }

    pub(super) fn publish(&self, data: &mut HostData) {
        let HostData { bytes, published, .. } = data;
        self.shared_bytes.publish(published, bytes);
    }
}

/// How a series is reached, with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesDescription {
    /// The components from the host downwards.
    pub components: Vec<crate::model::Component>,
    /// Whether the first of them is a device of the host.
    pub is_device: bool,
    /// The metric's name.
    pub metric: Box<str>,
}

/// What became of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Series taken over.
    pub series: u64,
    /// Series of metrics that the config no longer names, left out.
    pub unknown_metrics: u64,
    /// Series and blocks that could not be used: damaged, or beyond a limit.
    pub refused: u64,
}
