//! Whether a target holds what its source does, value by value, but for what its form has no room for.

use std::collections::BTreeMap;

use crate::engine::CheckpointFormat;
use crate::formats::ccms;
use crate::model::HostImage;
use crate::store::Store;

use super::progress::Progress;
use super::stamped::all_stamped;
use super::values::{Values, values};

/// Series that are named when they differ.
const NAMED_MAX: usize = 10;

/// What a comparison found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Comparison {
    pub(super) hosts: u64,
    pub(super) series: u64,
    /// Values of the source.
    pub(super) values: u64,
    /// The first and the last second of a value.
    pub(super) range: Option<(i64, i64)>,
    /// Values that a float32 does not hold exactly.
    pub(super) rounded: u64,
    /// NaN and infinities that the form has no room for.
    pub(super) unwritable: u64,
    /// Series with runs of several phases or frequencies, which the form joins to one.
    pub(super) joined: u64,
    /// Values that had no slot of their own in the joined run.
    pub(super) joined_away: u64,
    /// Stamped series of the source, and their samples.
    pub(super) stamped: u64,
    pub(super) stamped_samples: u64,
    /// Series whose values are not the source's, though the form has room for them.
    pub(super) different: u64,
    /// The first of them.
    pub(super) first_different: Vec<String>,
}

impl Comparison {
    /// Compares all hosts of a store with those of another, which was read from files of a form.
    pub(super) fn of(source: &Store, target: &Store, form: CheckpointFormat, progress: &Progress) -> Self {
        let mut comparison = Comparison::default();
        let hosts = source.hosts();
        progress.steps("comparing", hosts.len());
        for host in hosts {
            let before = all_series(&host.image(&source.metrics()));
            let after = target.host(host.cluster(), host.name());
            let stamped = all_stamped(&host);
            comparison.stamped += stamped.len() as u64;
            comparison.stamped_samples += stamped.values().map(|samples| samples.count).sum::<u64>();
            if form == CheckpointFormat::Native {
                let there = after.as_ref().map(|host| all_stamped(host)).unwrap_or_default();
                for (labels, _) in stamped.iter().filter(|(labels, samples)| there.get(labels) != Some(samples)) {
                    comparison.note_different(format!("{}/{} {labels}", host.cluster(), host.name()));
                }
            }
            let mut after = after.map(|host| all_series(&host.image(&target.metrics()))).unwrap_or_default();
            comparison.hosts += u64::from(!before.is_empty());
            for (name, series) in before {
                let is_same = comparison.series(&series, &after.remove(&name).unwrap_or_default(), form);
                if !is_same {
                    comparison.note_different(format!("{}/{}/{name}", host.cluster(), host.name()));
                }
            }
            progress.step();
        }
        comparison
    }

    fn note_different(&mut self, name: String) {
        self.different += 1;
        if self.first_different.len() < NAMED_MAX {
            self.first_different.push(name);
        }
    }

    /// Whether the target holds all that its form has room for.
    pub(super) fn is_complete(&self) -> bool {
        self.different == 0
    }

    /// Counts a series; answers whether the target's is what it has to be.
    fn series(&mut self, before: &Values, after: &Values, form: CheckpointFormat) -> bool {
        self.series += 1;
        self.values += before.values.len() as u64;
        if let (Some((first, _)), Some((last, _))) = (before.values.first(), before.values.last()) {
            let (least, most) = self.range.unwrap_or((*first, *last));
            self.range = Some((least.min(*first), most.max(*last)));
        }
        let mut expected: Vec<(i64, u64)> = Vec::with_capacity(before.values.len());
        for &(secs, value) in &before.values {
            match written(value, form) {
                Some(written) => {
                    self.rounded += u64::from(written.to_bits() != value.to_bits());
                    expected.push((secs, written.to_bits()));
                }
                None => self.unwritable += 1,
            }
        }
        if form != CheckpointFormat::Native && before.grids.len() > 1 {
            self.joined += 1;
            self.joined_away += expected.len().saturating_sub(after.values.len()) as u64;
            return expected.is_empty() || !after.values.is_empty();
        }
        after.values.iter().map(|(secs, value)| (*secs, value.to_bits())).eq(expected)
    }
}

/// A value as the form's files give it back; `None` when it has no room for it.
fn written(value: f64, form: CheckpointFormat) -> Option<f64> {
    match form {
        CheckpointFormat::Native => Some(value),
        CheckpointFormat::Wal => (!value.is_nan()).then(|| f64::from(ccms::narrow(value))),
        CheckpointFormat::Json => value.is_finite().then_some(value),
    }
}

/// The series of a host that hold values, by their joined names.
fn all_series(image: &HostImage) -> BTreeMap<String, Values> {
    let filled = image.series.iter().zip(values(image)).filter(|(_, values)| !values.values.is_empty());
    let named = filled.map(|(series, values)| {
        let path = image.path(series.component);
        let name: String = path.iter().map(|part| format!("{}/", part.component)).collect();
        (name + &series.metric, values)
    });
    named.collect()
}
