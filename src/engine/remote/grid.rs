//! Which series belong to the grid without a mapping: those that are a configured metric in the tree's own words.

use std::borrow::Cow;

use super::super::ingest::components_of;
use super::place::{Place, Placing};
use crate::model::{Component, Labels, METRIC_NAME, MetricId, MetricTable, SeriesId};
use crate::store::{Host, LimitReached, Limits, SeriesPath};

/// A grid series of a host, in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GridTarget {
    /// The metric.
    pub(super) metric: MetricId,
    /// The component and its sub-component; none for the host itself.
    pub(super) components: Vec<Component>,
    /// Whether the component is a device of the host.
    pub(super) is_device: bool,
    /// What values are multiplied with.
    pub(super) scale: f64,
    /// Whether the series is stamped too.
    pub(super) keep: bool,
}

/// The words that name a component of a host; empty ones are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ComponentWords<'w> {
    pub(super) kind: Cow<'w, str>,
    pub(super) id: Cow<'w, str>,
    pub(super) sub_kind: Cow<'w, str>,
    pub(super) sub_id: Cow<'w, str>,
}

impl GridTarget {
    pub(super) fn new(metric: MetricId, words: &ComponentWords<'_>, scale: f64, keep: bool) -> GridTarget {
        let ComponentWords { kind, id, sub_kind, sub_id } = words;
        let (components, is_device) = components_of(kind, id, sub_kind, sub_id);
        GridTarget { metric, components, is_device, scale, keep }
    }

    /// Finds or creates the series in a host.
    pub(super) fn series(&self, host: &Host, limits: &Limits) -> Result<SeriesId, LimitReached> {
        let GridTarget { metric, components, is_device, .. } = self;
        if components.iter().any(|component| component.to_string().len() > limits.name_bytes_max) {
            return Err(LimitReached::Name(limits.name_bytes_max));
        }
        host.series(&SeriesPath { components, is_device: *is_device, metric: *metric }, limits)
    }

    /// The grid series that a series is by its own labels, if it is one: its name is a configured metric, and beside
    /// what places it, its labels only name a component.
    pub(super) fn of(placing: &Placing, place: Place<'_>, labels: &Labels, metrics: &MetricTable) -> Option<Self> {
        let metric = metrics.find(labels.metric_name())?;
        let mut words = ComponentWords::default();
        for label in labels.iter().filter(|label| *label.name != *METRIC_NAME) {
            let word = match &*label.name {
                "type" => &mut words.kind,
                "type_id" | "type-id" => &mut words.id,
                "stype" => &mut words.sub_kind,
                "stype_id" | "stype-id" => &mut words.sub_id,
                _ if placing.is_told_by(place, label) => continue,
                _ => return None,
            };
            if !word.is_empty() {
                return None;
            }
            *word = Cow::Borrowed(&*label.value);
        }
        Some(GridTarget::new(metric, &words, 1.0, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Aggregation, Metric};

    fn target(pairs: &[(&str, &str)]) -> Option<GridTarget> {
        let metric = |name: &str| Metric { name: name.into(), frequency_secs: 60, aggregation: Aggregation::Sum };
        let metrics = MetricTable::new([metric("flops_any"), metric("net_bytes_in")]);
        let labels = Labels::from_pairs(pairs.iter().copied());
        let placing = Placing::default();
        GridTarget::of(&placing, placing.place(&labels), &labels, &metrics)
    }

    #[test]
    fn the_trees_own_words_lead_to_the_grid() {
        let place = [("cluster", "fritz"), ("hostname", "f0201")];
        let with = |more: &[(&'static str, &'static str)]| [&place[..], more].concat();
        let host = target(&with(&[("__name__", "flops_any"), ("type", "node")])).unwrap();
        assert_eq!((host.components.len(), host.is_device), (0, false));
        let thread = target(&with(&[("__name__", "flops_any"), ("type", "hwthread"), ("type_id", "12")])).unwrap();
        assert_eq!(thread.components, [Component::new("hwthread", "12")]);
        let hyphens = target(&with(&[("__name__", "flops_any"), ("type", "hwthread"), ("type-id", "12")]));
        assert_eq!(hyphens, Some(thread));
        let device = [("__name__", "net_bytes_in"), ("type", "node"), ("stype", "network"), ("stype_id", "eth0")];
        let device = target(&with(&device)).unwrap();
        assert_eq!((device.components, device.is_device), (vec![Component::new("network", "eth0")], true));
        assert!(target(&[("__name__", "flops_any"), ("instance", "f0201:9100"), ("host", "f0201")]).is_some());
    }

    #[test]
    fn other_names_and_labels_do_not() {
        assert_eq!(target(&[("__name__", "node_load1"), ("hostname", "f0201")]), None);
        assert_eq!(target(&[("__name__", "flops_any"), ("hostname", "f0201"), ("job", "node")]), None);
        assert_eq!(target(&[("__name__", "flops_any"), ("hostname", "a"), ("node", "b")]), None);
        assert_eq!(target(&[("__name__", "flops_any"), ("type_id", "1"), ("type-id", "2")]), None, "which one?");
    }
}
