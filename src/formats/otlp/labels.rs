//! The labels of a point: its attributes, and what its resource and its scope add to them.

use std::collections::BTreeMap;

use super::error::OtlpError;
use super::label_names::label_name;
use super::message::{Attribute, Resource, ScopeMetrics};
use super::options::OtlpOptions;
use crate::model::{Labels, METRIC_NAME};

/// Labels that grow; an empty value is no label.
pub(super) type LabelMap = BTreeMap<String, String>;

/// What all points of a resource have in common.
#[derive(Debug, Default)]
pub(super) struct ResourceLabels {
    job: String,
    instance: String,
    promoted: LabelMap,
}

impl ResourceLabels {
    pub fn new(resource: &Resource<'_>, options: &OtlpOptions) -> Result<ResourceLabels, OtlpError> {
        let text = |key| resource.attributes.iter().find(|found| found.key == key).map(|found| found.value.to_text());
        let mut labels = ResourceLabels::default();
        if let Some(name) = text(SERVICE_NAME) {
            labels.job = match text(SERVICE_NAMESPACE) {
                Some(namespace) => format!("{namespace}/{name}"),
                None => name,
            };
        }
        labels.instance = text(SERVICE_INSTANCE).unwrap_or_default();
        for attribute in &resource.attributes {
            if options.promote_all != options.resource_attributes.iter().any(|name| *name == attribute.key) {
                set(&mut labels.promoted, label_name(&attribute.key, options)?, attribute.value.to_text());
            }
        }
        Ok(labels)
    }
}

/// What all points of a scope have in common, where scopes become labels.
pub(super) fn scope_labels(metrics: &ScopeMetrics<'_>, options: &OtlpOptions) -> Result<LabelMap, OtlpError> {
    let mut labels = LabelMap::new();
    if !options.promote_scope || metrics.scope.name.is_empty() {
        return Ok(labels);
    }
    for attribute in &metrics.scope.attributes {
        let name = label_name(&format!("otel_scope_{}", attribute.key), options)?;
        set(&mut labels, name, attribute.value.to_text());
    }
    for (name, value) in [
        ("otel_scope_name", &metrics.scope.name),
        ("otel_scope_version", &metrics.scope.version),
        ("otel_scope_schema_url", &metrics.schema_url),
    ] {
        // An empty one is kept here: it hides the label of an attribute.
        labels.insert(name.to_owned(), value.to_string());
    }
    Ok(labels)
}

/// The labels of a point, without the metric's name.
pub(super) fn point_labels(
    attributes: &[Attribute<'_>],
    ignored: &[&str],
    resource: &ResourceLabels,
    promote: bool,
    scope: &LabelMap,
    options: &OtlpOptions,
) -> Result<LabelMap, OtlpError> {
    let mut labels = LabelMap::new();
    let mut sorted: Vec<&Attribute<'_>> =
        attributes.iter().filter(|attribute| !ignored.contains(&&*attribute.key)).collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    for attribute in sorted {
        let name = if options.strategy.escapes() {
            label_name(&attribute.key, options)?
        } else if attribute.key.is_empty() {
            return Err(OtlpError::EmptyLabel);
        } else {
            attribute.key.to_string()
        };
        let text = attribute.value.to_text();
        match labels.get_mut(&name) {
            // Two names that became one: both values count.
            Some(value) if options.strategy.escapes() => {
                value.push(';');
                value.push_str(&text);
            }
            _ => set(&mut labels, name, text),
        }
    }
    if promote {
        for (name, value) in &resource.promoted {
            labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    for (name, value) in [("job", &resource.job), ("instance", &resource.instance)] {
        if !value.is_empty() {
            labels.insert(name.to_owned(), value.clone());
        }
    }
    for (name, value) in scope {
        set(&mut labels, name.clone(), value.clone());
    }
    Ok(labels)
}

/// The labels of a series: those of the point, the metric's name, maybe one more.
pub(super) fn series_labels(point: &LabelMap, metric: &str, more: Option<(&str, &str)>) -> Labels {
    let own = point.iter().map(|(name, value)| (&**name, &**value));
    Labels::from_pairs(own.chain(more).chain([(METRIC_NAME, metric)]))
}

fn set(labels: &mut LabelMap, name: String, value: String) {
    if value.is_empty() {
        labels.remove(&name);
    } else {
        labels.insert(name, value);
    }
}

/// The attributes that `job` and `instance` are made of.
pub(super) const IDENTIFYING: [&str; 3] = [SERVICE_NAMESPACE, SERVICE_NAME, SERVICE_INSTANCE];
const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";
