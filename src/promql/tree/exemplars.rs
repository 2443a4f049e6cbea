//! Examples behind samples.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use hashbrown::HashSet;

use crate::model::{Exemplar, Labels, Matcher};

use super::source::TreeSource;
use super::stamped_hosts;

impl TreeSource<'_> {
    /// The exemplars with `start_ms <= time <= end_ms` of the series that fit all matchers of any set, oldest first;
    /// the series sorted by their labels, those without any left out.
    pub fn exemplars(
        &self,
        matcher_sets: &[Vec<Matcher>],
        (start_ms, end_ms): (i64, i64),
    ) -> Vec<(Labels, Vec<Exemplar>)> {
        let mut all: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
        stamped_hosts::visit((self.store, self.interrupt), |host| {
            // A series fits several sets, but its exemplars are there once.
            let mut seen: HashSet<Labels> = HashSet::new();
            for matchers in matcher_sets {
                for (labels, exemplars) in host.exemplars(matchers, start_ms, end_ms) {
                    if seen.insert(labels.clone()) {
                        all.entry(labels).or_default().extend(exemplars);
                    }
                }
            }
            ControlFlow::Continue(())
        });
        for exemplars in all.values_mut() {
            // Those of a host are in order; a series may lie on several.
            exemplars.sort_by_key(|exemplar| exemplar.time_ms);
            exemplars.dedup();
        }
        all.into_iter().collect()
    }
}
