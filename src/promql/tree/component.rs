//! The labels of a component.

use std::sync::Arc;

use crate::model::{Label, Labels, METRIC_NAME};
use crate::store::{ComponentPath, Host};

/// The label of a cluster.
pub(super) const CLUSTER: &str = "cluster";
/// The label of a host.
pub(super) const HOSTNAME: &str = "hostname";
/// The label of a component's kind; `node` for the host itself.
const TYPE: &str = "type";
/// The label of a component's id.
const TYPE_ID: &str = "type_id";
/// The label of the kind of a part of a component, or of a device of the host.
const STYPE: &str = "stype";
/// The label of its id.
const STYPE_ID: &str = "stype_id";

/// Every label that a grid series can have, sorted.
pub(super) const NAMES: [&str; 7] = [METRIC_NAME, CLUSTER, HOSTNAME, STYPE, STYPE_ID, TYPE, TYPE_ID];

/// The labels of a component, those of its host and metric left out; sorted, none empty.
#[derive(Debug, Clone)]
pub(super) struct ComponentLabels(Vec<(&'static str, Arc<str>)>);

impl ComponentLabels {
    pub(super) fn new(path: &ComponentPath) -> ComponentLabels {
        let node = ("node", "");
        let parts = |at: usize| path.components.get(at).map(|part| (&*part.kind, &*part.id));
        let (component, part) = match parts(0) {
            None => (node, None),
            Some(device) if path.is_device => (node, Some(device)),
            Some(component) => (component, parts(1)),
        };
        let (stype, stype_id) = part.unwrap_or_default();
        let all = [(STYPE, stype), (STYPE_ID, stype_id), (TYPE, component.0), (TYPE_ID, component.1)];
        let filled = all.into_iter().filter(|(_, value)| !value.is_empty());
        ComponentLabels(filled.map(|(name, value)| (name, Arc::from(value))).collect())
    }

    /// The value of a label; empty without one.
    pub(super) fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(label, _)| *label == name).map_or("", |(_, value)| value)
    }

    /// All labels of a series of this component.
    pub(super) fn of_series(&self, metric: &Arc<str>, host: &Host, names: &Names) -> Labels {
        let mut labels = Vec::with_capacity(self.0.len() + 3);
        let own = [(&names.metric_name, metric), (&names.cluster, host.cluster()), (&names.hostname, host.name())];
        for (name, value) in own.into_iter().filter(|(_, value)| !value.is_empty()) {
            labels.push(Label { name: Arc::clone(name), value: Arc::clone(value) });
        }
        for (name, value) in &self.0 {
            let shared = names.component.iter().find(|shared| &***shared == *name);
            let name = shared.map_or_else(|| Arc::from(*name), Arc::clone);
            labels.push(Label { name, value: Arc::clone(value) });
        }
        Labels::from_sorted(labels)
    }
}

/// The names of labels, made once a query and shared by its series.
pub(super) struct Names {
    metric_name: Arc<str>,
    cluster: Arc<str>,
    hostname: Arc<str>,
    component: [Arc<str>; 4],
}

impl Default for Names {
    fn default() -> Self {
        Names {
            metric_name: METRIC_NAME.into(),
            cluster: CLUSTER.into(),
            hostname: HOSTNAME.into(),
            component: [STYPE, STYPE_ID, TYPE, TYPE_ID].map(Arc::from),
        }
    }
}

const _: () = assert!(NAMES.len() == 7, "a metric, a cluster, a host and the four of a component");
