//! What a pass is to archive: up to which second the rows of which host leave.

use std::collections::{BTreeMap, HashSet};

use crate::store::Host;

use super::super::retain::{UsedNodes, is_used};

/// What a pass is to archive. Besides, rows behind a horizon leave, whosever they are.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Plan {
    /// The second before which rows leave; `None`: only what lies behind a horizon does.
    pub(in crate::engine) cutoff_secs: Option<i64>,
    /// Hosts to be spared by the cutoff.
    pub(in crate::engine) spared: UsedNodes,
    /// The cutoff is for these alone; `None`: for all.
    pub(in crate::engine) only: Option<HashSet<(String, String)>>,
}

impl Plan {
    /// The second before which a host's rows leave.
    pub(super) fn cutoff_of(&self, host: &Host) -> Option<i64> {
        let is_meant =
            self.only.as_ref().is_none_or(|only| only.contains(&(host.cluster().to_string(), host.name().to_string())));
        self.cutoff_secs.filter(|_| is_meant && !is_used(&self.spared, host))
    }

    /// As [`exceptions`](Self::exceptions), for all spared hosts of a cluster.
    pub(super) fn exceptions_of(&self, cluster: &str) -> BTreeMap<String, Option<i64>> {
        self.spared.get(cluster).into_iter().flatten().map(|host| (host.clone(), None)).collect()
    }

    /// As the manifest holds it: the hosts among these whose cutoff is not the general one.
    pub(super) fn exceptions<'h>(&self, hosts: impl Iterator<Item = &'h Host>) -> BTreeMap<String, Option<i64>> {
        hosts
            .filter(|host| self.cutoff_secs.is_some() && self.cutoff_of(host).is_none())
            .map(|host| (host.name().to_string(), None))
            .collect()
    }
}
