//! Stamped series as the layers above see them: what a [`Host`] can be asked and told.

use std::sync::Arc;

use crate::model::{Exemplar, Labels, Matcher, StampedId, StampedSample};
use crate::store::{Applied, Host, LimitReached, Limits};

use super::departing::{StampedDeparting, StampedStamp};
use super::found::{Cardinality, StampedFound};
use super::view::StampedView;

impl Host {
    /// Finds or creates the stamped series with exactly these labels.
    ///
    /// # Errors
    /// When a limit is reached; nothing is created then.
    pub fn stamped(&self, _labels: &Labels, limits: &Limits) -> Result<StampedId, LimitReached> {
        Err(LimitReached::Series(limits.series_per_host_max))
    }

    /// The labels of a stamped series; none once it is gone (see [`sweep_stamped`](Self::sweep_stamped)).
    pub fn stamped_labels(&self, _id: StampedId) -> Labels {
        Labels::empty()
    }

    /// Whether a stamped series still exists: samples for one that does not are counted in [`Applied::gone`].
    pub fn holds_stamped(&self, _id: StampedId) -> bool {
        false
    }

    /// Changes whenever series have gone. Who keeps ids for long looks at it before using one, and asks
    /// [`stamped`](Self::stamped) anew for all ids of the host after a change.
    pub fn stamped_generation(&self) -> u64 {
        0
    }

    /// Applies stamped samples in their order, of any age behind the horizon; `now_ms` is when they were received.
    pub fn apply_stamped(&self, _samples: &[StampedSample], _now_ms: i64) -> Applied {
        Applied::default()
    }

    /// Adds exemplars; of each series the newest are kept. Answers how many were taken.
    pub fn add_exemplars(&self, _exemplars: &[(StampedId, Exemplar)]) -> u64 {
        0
    }

    /// The series that fit all matchers and may hold samples with `from_ms <= time <= to_ms`, in order of creation.
    pub fn find_stamped(&self, _matchers: &[Matcher], _from_ms: i64, _to_ms: i64) -> Vec<StampedFound> {
        Vec::new()
    }

    /// Takes handles to what series hold with `from_ms <= time <= to_ms`, one view for each id, in their order. Series
    /// of one call share what is decoded of shared times.
    pub fn take_stamped(&self, ids: &[StampedId], _from_ms: i64, _to_ms: i64) -> Vec<StampedView> {
        vec![StampedView::default(); ids.len()]
    }

    /// The exemplars with `from_ms <= time <= to_ms` of the series that fit, oldest first; series without any are left
    /// out.
    pub fn exemplars(&self, _matchers: &[Matcher], _from_ms: i64, _to_ms: i64) -> Vec<(Labels, Vec<Exemplar>)> {
        Vec::new()
    }

    /// Calls for each label name of the host's stamped series, in any order.
    pub fn stamped_label_names(&self, _call: &mut dyn FnMut(&Arc<str>)) {}

    /// Calls for each value of a label among the host's stamped series, in any order.
    pub fn stamped_label_values(&self, _name: &str, _call: &mut dyn FnMut(&Arc<str>)) {}

    /// How many stamped series there are.
    pub fn stamped_series(&self) -> u64 {
        0
    }

    /// Forgets the series that hold nothing, and held nothing and were not asked for since the sweep before; answers
    /// how many went. Moving a horizon never does. Their ids never mean another series; samples for them are counted in
    /// [`Applied::gone`] and not kept. So: not while a log is replayed, and where the engine holds the lock under which
    /// it logs and applies.
    pub fn sweep_stamped(&self) -> u64 {
        0
    }

    /// Takes the stamped samples with `begin <= time < end` that lie before the limit, or before the host's horizon;
    /// `None` when there are none. They stay until [`depart_stamped`](Self::depart_stamped).
    pub fn departing_stamped(&self, _limit_secs: i64, _begin_secs: i64, _end_secs: i64) -> Option<StampedDeparting> {
        None
    }

    /// Drops the samples that were taken, if nothing was written to their time since; else nothing, and `false`.
    pub fn depart_stamped(&self, _stamp: &StampedStamp) -> bool {
        true
    }

    /// Drops those of these samples (ascending, floats bit by bit, histograms by their time alone) that the series of
    /// these labels holds, as a file of the archive holds them; answers how many went.
    pub fn remove_archived_stamped(&self, _rows: &super::StampedRows<'_>) -> u64 {
        0
    }
}

impl crate::store::Store {
    /// What makes the stamped series so many; of each list the `top` largest.
    pub fn stamped_cardinality(&self, _top: usize) -> Cardinality {
        Cardinality::default()
    }

    /// The metadata of a metric.
    pub fn metadata_of(&self, name: &str) -> Option<crate::model::Metadata> {
        self.metadata().into_iter().find(|(known, _)| &**known == name).map(|(_, metadata)| metadata)
    }

    /// The metadata of all metrics, sorted by name.
    pub fn metadata(&self) -> Vec<(Arc<str>, crate::model::Metadata)> {
        Vec::new()
    }

    /// Sets the metadata of a metric. `true` when that changed anything.
    ///
    /// # Errors
    /// When there are too many, or their texts are too long; what was there stays then.
    pub fn set_metadata(&self, _name: &str, _metadata: crate::model::Metadata) -> Result<bool, LimitReached> {
        Ok(false)
    }
}
