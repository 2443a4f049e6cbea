//! From matchers to grid series: which hosts, which metrics, which components.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::{ComponentId, Matcher, MetricId, MetricTable};
use crate::store::{Found, Host, Store};

use super::super::limits::Interrupt;
use super::component::{CLUSTER, ComponentLabels, HOSTNAME, NAMES};

/// Matchers, each where it can be decided first.
#[derive(Default)]
pub(super) struct Search<'m> {
    cluster: Vec<&'m Matcher>,
    hostname: Vec<&'m Matcher>,
    name: Vec<&'m Matcher>,
    component: Vec<&'m Matcher>,
    /// A label that no grid series has would have to have a value.
    is_hopeless: bool,
}

/// What was found on one host.
pub(super) struct OnHost {
    pub(super) host: Arc<Host>,
    pub(super) found: Vec<Found>,
    components: Vec<Option<Option<ComponentLabels>>>,
}

impl OnHost {
    /// The labels of the component that a series belongs to.
    pub(super) fn component(&self, found: &Found) -> Option<&ComponentLabels> {
        self.components.get(found.component.0 as usize)?.as_ref()?.as_ref()
    }
}

impl<'m> Search<'m> {
    pub(super) fn new(matchers: &'m [Matcher]) -> Search<'m> {
        let mut search = Search::default();
        for matcher in matchers {
            match matcher.name() {
                CLUSTER => search.cluster.push(matcher),
                HOSTNAME => search.hostname.push(matcher),
                _ if matcher.is_name() => search.name.push(matcher),
                name if NAMES.contains(&name) => search.component.push(matcher),
                _ => search.is_hopeless |= !matcher.matches(""),
            }
        }
        search
    }

    /// The metrics whose names fit.
    pub(super) fn metrics(&self, table: &MetricTable) -> Vec<MetricId> {
        if self.is_hopeless {
            return Vec::new();
        }
        match literals(&self.name) {
            Some(names) => {
                let known = names.iter().filter(|name| fit(&self.name, name)).filter_map(|name| table.find(name));
                let mut known: Vec<MetricId> = known.collect();
                known.sort_unstable();
                known.dedup();
                known
            }
            None => table.iter().filter(|(_, metric)| fit(&self.name, &metric.name)).map(|(id, _)| id).collect(),
        }
    }

    /// Visits the hosts that fit, sorted, with their series of these metrics that hold samples near `[from, to]`, until
    /// it is interrupted or told to stop.
    pub(super) fn visit(
        &self,
        (store, interrupt): (&Store, &dyn Interrupt),
        metrics: &[MetricId],
        (from_secs, to_secs): (i64, i64),
        mut visit: impl FnMut(OnHost) -> ControlFlow<()>,
    ) {
        if metrics.is_empty() {
            return;
        }
        for host in self.hosts(store) {
            if interrupt.poll().is_some() {
                return;
            }
            let mut components: Vec<Option<Option<ComponentLabels>>> = Vec::new();
            let found = host.find_series(metrics, from_secs, to_secs, |ComponentId(id), path| {
                let id = id as usize;
                if components.len() <= id {
                    components.resize(id + 1, None);
                }
                let known = components[id].get_or_insert_with(|| {
                    let labels = ComponentLabels::new(&path());
                    let fits = self.component.iter().all(|matcher| matcher.matches(labels.value(matcher.name())));
                    fits.then_some(labels)
                });
                known.is_some()
            });
            if !found.is_empty() && visit(OnHost { host, found, components }).is_break() {
                return;
            }
        }
    }

    fn hosts(&self, store: &Store) -> Vec<Arc<Host>> {
        let clusters: Vec<Arc<str>> = match literals(&self.cluster) {
            Some(names) => names.iter().map(|name| Arc::from(&**name)).collect(),
            None => store.cluster_names(),
        };
        let mut hosts = Vec::new();
        for cluster in clusters.into_iter().filter(|cluster| fit(&self.cluster, cluster)) {
            match literals(&self.hostname) {
                Some(names) => {
                    let fitting = names.iter().filter(|name| fit(&self.hostname, name));
                    hosts.extend(fitting.filter_map(|name| store.host(&cluster, name)));
                }
                None => {
                    let fitting = store.host_names(&cluster).into_iter().filter(|name| fit(&self.hostname, name));
                    hosts.extend(fitting.filter_map(|name| store.host(&cluster, &name)));
                }
            }
        }
        hosts.sort_unstable_by(|a, b| (a.cluster(), a.name()).cmp(&(b.cluster(), b.name())));
        hosts.dedup_by(|a, b| (a.cluster(), a.name()) == (b.cluster(), b.name()));
        hosts
    }
}

fn fit(matchers: &[&Matcher], value: &str) -> bool {
    matchers.iter().all(|matcher| matcher.matches(value))
}

/// The only values that can fit, where one of the matchers names them.
fn literals<'m>(matchers: &[&'m Matcher]) -> Option<&'m [String]> {
    matchers.iter().filter_map(|matcher| matcher.literals()).min_by_key(|literals| literals.len())
}
