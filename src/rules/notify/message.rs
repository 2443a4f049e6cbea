//! What an Alertmanager is told: the JSON of `POST /api/v2/alerts`.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::super::template::Rfc3339Millis;
use crate::model::Labels;
use crate::model::relabel::{Rule, relabel};

/// An alert as an Alertmanager gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// What tells it from others.
    pub labels: Labels,
    /// What it says.
    pub annotations: Labels,
    /// Since when it fires, in milliseconds since 1970.
    pub starts_at_ms: Option<i64>,
    /// When it ends, or until when it is known to fire.
    pub ends_at_ms: Option<i64>,
    /// Where its expression is shown.
    pub generator_url: Arc<str>,
}

impl Notification {
    /// The same with these labels where it has none of their names.
    pub(super) fn with_labels(mut self, labels: &Labels) -> Notification {
        if labels.iter().any(|label| self.labels.get(&label.name).is_none()) {
            let mut builder = self.labels.edit();
            for label in labels.iter().filter(|label| self.labels.get(&label.name).is_none()) {
                builder.set(&label.name, Arc::clone(&label.value));
            }
            self.labels = builder.build();
        }
        self
    }

    /// The same with the labels that rules make of its own; none if they drop it.
    pub(super) fn relabelled(mut self, rules: &[Rule]) -> Option<Notification> {
        self.labels = relabel(rules, &self.labels)?;
        Some(self)
    }
}

impl Serialize for Notification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("alert", 5)?;
        object.serialize_field("labels", &Members(&self.labels))?;
        object.serialize_field("annotations", &Members(&self.annotations))?;
        for (name, time_ms) in [("startsAt", self.starts_at_ms), ("endsAt", self.ends_at_ms)] {
            if let Some(time_ms) = time_ms {
                object.serialize_field(name, &Rfc3339Millis(time_ms).to_string())?;
            }
        }
        object.serialize_field("generatorURL", &*self.generator_url)?;
        object.end()
    }
}

/// Labels as an object.
struct Members<'l>(&'l Labels);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for label in self.0.iter() {
            object.serialize_entry(&*label.name, &*label.value)?;
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_what_the_receiver_expects() {
        let alert = Notification {
            labels: Labels::from_pairs([("alertname", "NodeDown"), ("site", "own")]),
            annotations: Labels::from_pairs([("summary", "a \"b\"")]),
            starts_at_ms: Some(1_435_781_451_780),
            ends_at_ms: None,
            generator_url: "http://here/graph?g0.expr=up&g0.tab=1".into(),
        };
        let alert = alert.with_labels(&Labels::from_pairs([("site", "erlangen"), ("store", "1")]));
        assert_eq!(
            serde_json::to_string(&[&alert]).unwrap(),
            r#"[{"labels":{"alertname":"NodeDown","site":"own","store":"1"},"annotations":{"summary":"a \"b\""},"startsAt":"2015-07-01T20:10:51.78Z","generatorURL":"http://here/graph?g0.expr=up&g0.tab=1"}]"#
        );
    }
}
