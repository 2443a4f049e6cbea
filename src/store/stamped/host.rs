//! Stamped series as the layers above see them: what a [`Host`] can be asked and told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::{Exemplar, Labels, Matcher, Metadata, StampedId, StampedSample};
use crate::store::host_data::HostData;
use crate::store::{Applied, Host, LimitReached, Limits, Store};

use super::cardinality::{Cardinality, Counting};
use super::data::Stamped;
use super::departing::{StampedDeparting, StampedRows, StampedStamp};
use super::found::StampedFound;
use super::retain::ms;
use super::view::StampedView;

impl Host {
    /// Finds or creates the stamped series with exactly these labels.
    ///
    /// # Errors
    /// When a limit is reached; nothing is created then.
    pub fn stamped(&self, labels: &Labels, limits: &Limits) -> Result<StampedId, LimitReached> {
        if let Some(found) = self.find_one(labels) {
            return Ok(found);
        }
        check(labels, limits)?;
        let mut data = self.data.write();
        let stamped = data.stamped.get_or_insert_with(|| Box::new(Stamped::new()));
        if let Some(found) = stamped.find(labels) {
            return Ok(found);
        }
        if stamped.table.live() >= limits.stamped_per_host_max || stamped.table.is_exhausted() {
            return Err(LimitReached::StampedPerHost(limits.stamped_per_host_max));
        }
        let all = self.shared().stamped_series();
        if all.fetch_add(1, Ordering::Relaxed) >= limits.stamped_max as u64 {
            all.fetch_sub(1, Ordering::Relaxed);
            return Err(LimitReached::Stamped(limits.stamped_max));
        }
        let id = stamped.index.insert(labels, &mut stamped.table);
        self.note_stamped(&mut data);
        Ok(id)
    }

    fn find_one(&self, labels: &Labels) -> Option<StampedId> {
        if self.stamped_series() == 0 {
            return None;
        }
        let data = self.data.read();
        let stamped = data.stamped.as_ref()?;
        let id = stamped.find(labels)?;
        if let Some(series) = stamped.table.get(id) {
            series.touch();
        }
        Some(id)
    }

    /// The labels of a stamped series; none once it is gone (see [`sweep_stamped`](Self::sweep_stamped)).
    pub fn stamped_labels(&self, id: StampedId) -> Labels {
        self.data.read().stamped.as_ref().map_or_else(Labels::empty, |stamped| stamped.labels(id))
    }

    /// Whether a stamped series still exists: samples for one that does not are counted in [`Applied::gone`].
    pub fn holds_stamped(&self, id: StampedId) -> bool {
        self.data.read().stamped.as_ref().is_some_and(|stamped| stamped.table.get(id).is_some())
    }

    /// Changes whenever series have gone. Who keeps ids for long looks at it before using one, and asks
    /// [`stamped`](Self::stamped) anew for all ids of the host after a change.
    pub fn stamped_generation(&self) -> u64 {
        self.stamped_sweeps.load(Ordering::Acquire)
    }

    /// Applies stamped samples in their order, of any age behind the horizon; `now_ms` is when they were received.
    pub fn apply_stamped(&self, samples: &[StampedSample], now_ms: i64) -> Applied {
        let mut data = self.data.write();
        // With an archive what comes late is kept for the next file, and answered to nobody.
        let horizon_ms = if data.keeps_departed { i64::MIN } else { data.horizon_ms() };
        let HostData { stamped, newest_secs, .. } = &mut *data;
        let Some(stamped) = stamped else {
            return Applied { gone: samples.len() as u64, ..Applied::default() };
        };
        let applied = stamped.apply(samples, now_ms, horizon_ms);
        if stamped.newest_ms > i64::MIN {
            *newest_secs = (*newest_secs).max(stamped.newest_ms.div_euclid(1000));
        }
        self.note_stamped(&mut data);
        applied
    }

    /// Adds exemplars; of each series the newest are kept, and one that is older than all of them counts as stored
    /// though newer ones push it out at once. Those whose labels have more than 128 characters are not taken and not
    /// counted.
    pub fn add_exemplars(&self, exemplars: &[(StampedId, Exemplar)]) -> Applied {
        let mut data = self.data.write();
        let horizon_ms = data.horizon_ms();
        let most = self.shared().exemplars_max();
        let Some(stamped) = &mut data.stamped else {
            return Applied { gone: exemplars.len() as u64, ..Applied::default() };
        };
        let mut applied = Applied::default();
        for (id, exemplar) in exemplars {
            if exemplar.time_ms < horizon_ms {
                applied.before_horizon += 1;
            } else if stamped.table.get(*id).is_none() {
                applied.gone += 1;
            } else {
                applied.stored += u64::from(stamped.add_exemplar(*id, exemplar, most));
            }
        }
        self.note_stamped(&mut data);
        applied
    }

    /// The series that fit all matchers and may hold samples with `from_ms <= time <= to_ms`, in order of creation.
    pub fn find_stamped(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Vec<StampedFound> {
        if self.stamped_series() == 0 {
            return Vec::new();
        }
        let data = self.data.read();
        let Some(stamped) = &data.stamped else { return Vec::new() };
        let mut found = stamped.find_all(matchers);
        let from_ms = from_ms.max(data.horizon_ms());
        found.retain(|&id| stamped.holds_between(id, from_ms, to_ms));
        found.into_iter().map(|id| StampedFound { id, labels: stamped.labels(id) }).collect()
    }

    /// Takes handles to what series hold with `from_ms <= time <= to_ms`, one view for each id, in their order. Series
    /// of one call share what is decoded of shared times.
    pub fn take_stamped(&self, ids: &[StampedId], from_ms: i64, to_ms: i64) -> Vec<StampedView> {
        let data = self.data.read();
        let horizon_ms = data.horizon_ms();
        match &data.stamped {
            Some(stamped) => stamped.take(ids, from_ms, to_ms, horizon_ms),
            None => vec![StampedView::default(); ids.len()],
        }
    }

    /// The exemplars with `from_ms <= time <= to_ms` of the series that fit, oldest first; series without any are left
    /// out.
    pub fn exemplars(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64) -> Vec<(Labels, Vec<Exemplar>)> {
        if self.stamped_series() == 0 {
            return Vec::new();
        }
        let data = self.data.read();
        let Some(stamped) = data.stamped.as_ref().filter(|stamped| stamped.exemplar_bytes > 0) else {
            return Vec::new();
        };
        let range = from_ms.max(data.horizon_ms())..=to_ms;
        let of_series = |id: StampedId| {
            let all = stamped.table.get(id)?.exemplars().iter();
            let inside: Vec<Exemplar> = all.filter(|exemplar| range.contains(&exemplar.time_ms)).cloned().collect();
            (!inside.is_empty()).then(|| (stamped.labels(id), inside))
        };
        stamped.find_all(matchers).into_iter().filter_map(of_series).collect()
    }

    /// Calls for each label name of the host's stamped series, in any order.
    pub fn stamped_label_names(&self, call: &mut dyn FnMut(&Arc<str>)) {
        if let Some(stamped) = &self.data.read().stamped {
            stamped.index.names().for_each(|name| call(stamped.index.symbols.text(name)));
        }
    }

    /// Calls for each value of a label among the host's stamped series, in any order.
    pub fn stamped_label_values(&self, name: &str, call: &mut dyn FnMut(&Arc<str>)) {
        let data = self.data.read();
        let Some(stamped) = &data.stamped else { return };
        let Some(name) = stamped.index.symbols.find(name) else { return };
        for &pair in stamped.index.pairs_of(name) {
            call(stamped.index.symbols.text(stamped.index.pair(pair).value));
        }
    }

    /// How many stamped series there are.
    pub fn stamped_series(&self) -> u64 {
        self.stamped_live.load(Ordering::Acquire)
    }

    /// Forgets the series that hold nothing, and held nothing and were not asked for since the sweep before; answers
    /// how many went. Moving a horizon never does. Their ids never mean another series; samples for them are counted in
    /// [`Applied::gone`] and not kept. So: not while a log is replayed, and where the engine holds the lock under which
    /// it logs and applies.
    pub fn sweep_stamped(&self) -> u64 {
        let mut data = self.data.write();
        let Some(stamped) = &mut data.stamped else { return 0 };
        let gone = stamped.sweep() as u64;
        if gone > 0 {
            self.shared().stamped_series().fetch_sub(gone, Ordering::Relaxed);
            self.stamped_sweeps.fetch_add(1, Ordering::Release);
            self.note_stamped(&mut data);
        }
        gone
    }

    /// Takes the stamped samples with `begin <= time < end` that lie before the limit, or before the host's horizon;
    /// `None` when there are none. They stay until [`depart_stamped`](Self::depart_stamped).
    pub fn departing_stamped(&self, limit_secs: i64, begin_secs: i64, end_secs: i64) -> Option<StampedDeparting> {
        let mut data = self.data.write();
        let end_ms = ms(limit_secs).max(data.horizon_ms()).min(ms(end_secs));
        data.stamped.as_mut()?.departing(ms(begin_secs), end_ms, self.horizon_moves())
    }

    /// Drops the samples that were taken, if nothing was written to their time since; else nothing, and `false`.
    pub fn depart_stamped(&self, stamp: &StampedStamp) -> bool {
        let mut data = self.data.write();
        let is_same = self.horizon_moves() == stamp.horizon_moves
            && data.stamped.as_mut().is_none_or(|stamped| stamped.depart(stamp));
        self.note_stamped(&mut data);
        is_same
    }

    /// Drops those of these samples (ascending, floats bit by bit, histograms by their time alone) that the series of
    /// these labels holds, as a file of the archive holds them; answers how many went.
    pub fn remove_archived_stamped(&self, rows: &StampedRows<'_>) -> u64 {
        let mut data = self.data.write();
        let removed = data.stamped.as_mut().map_or(0, |stamped| stamped.remove_archived(rows));
        self.note_stamped(&mut data);
        removed
    }

    /// After a change: counts series and bytes.
    pub(in crate::store) fn note_stamped(&self, data: &mut HostData) {
        if let Some(stamped) = &data.stamped {
            self.stamped_live.store(stamped.table.live() as u64, Ordering::Release);
            stamped.count_bytes(&mut data.bytes);
        }
        self.publish(data);
    }
}

/// Refuses labels that are too many or too long.
pub(super) fn check(labels: &Labels, limits: &Limits) -> Result<(), LimitReached> {
    if labels.len() > limits.labels_per_series_max {
        return Err(LimitReached::Labels(limits.labels_per_series_max));
    }
    for label in labels.iter() {
        if label.name.len() > limits.label_name_bytes_max {
            return Err(LimitReached::LabelName(limits.label_name_bytes_max));
        }
        if label.value.len() > limits.label_value_bytes_max {
            return Err(LimitReached::LabelValue(limits.label_value_bytes_max));
        }
    }
    Ok(())
}

impl Store {
    /// What makes the stamped series so many; of each list the `top` largest.
    pub fn stamped_cardinality(&self, top: usize) -> Cardinality {
        let mut counting = Counting::new();
        for host in self.hosts() {
            if let Some(stamped) = &host.data.read().stamped {
                counting.add(stamped);
            }
        }
        counting.finish(top)
    }

    /// The metadata of a metric.
    pub fn metadata_of(&self, name: &str) -> Option<Metadata> {
        self.metadata_table().get(name)
    }

    /// The metadata of all metrics, sorted by name.
    pub fn metadata(&self) -> Vec<(Arc<str>, Metadata)> {
        self.metadata_table().all()
    }

    /// Sets the metadata of a metric. `true` when that changed anything.
    ///
    /// # Errors
    /// When there are too many, or their texts are too long; what was there stays then.
    pub fn set_metadata(&self, name: &str, metadata: Metadata) -> Result<bool, LimitReached> {
        self.metadata_table().set(name, metadata, self.limits(), self.shared_bytes())
    }
}
