//! Stamped series of a host, to be compared: how many samples each has, and a checksum of all their bits.

use std::collections::BTreeMap;

use crc32fast::Hasher;

use crate::model::{Labels, StampedId};
use crate::store::Host;

/// The samples of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Samples {
    pub(super) count: u64,
    checksum: u32,
}

/// The series of a host that hold samples.
pub(super) fn all_stamped(host: &Host) -> BTreeMap<Labels, Samples> {
    let found = host.find_stamped(&[], i64::MIN, i64::MAX);
    let ids: Vec<StampedId> = found.iter().map(|series| series.id).collect();
    let views = host.take_stamped(&ids, i64::MIN, i64::MAX);
    let mut all = BTreeMap::new();
    for (series, view) in found.into_iter().zip(views) {
        let mut reader = view.reader(i64::MIN, i64::MAX);
        let (mut times, mut values, mut histograms, mut starts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        while reader.next(&mut times, &mut values, &mut histograms, &mut starts) {}
        let mut hasher = Hasher::new();
        for (at, _) in &histograms {
            if let Some(value) = values.get_mut(*at as usize) {
                *value = 0.0;
            }
        }
        times
            .iter()
            .chain(starts.iter().filter(|start| **start != 0))
            .for_each(|time| hasher.update(&time.to_le_bytes()));
        values.iter().for_each(|value| hasher.update(&value.to_bits().to_le_bytes()));
        for (at, histogram) in &histograms {
            hasher.update(format!("{at} {histogram:?}").as_bytes());
        }
        if !times.is_empty() {
            all.insert(series.labels, Samples { count: times.len() as u64, checksum: hasher.finalize() });
        }
    }
    all
}
