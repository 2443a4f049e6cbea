//! Mappings: rules that turn chosen series into grid series of the tree.
//!
//! A mapping fits a series when its matchers do and the series has every label that its templates name; then metric
//! and component are what the templates make of the labels. Invariant: templates are taken apart once.

use std::borrow::Cow;

use regex::{Captures, Regex};

use super::grid::{ComponentWords, GridTarget};
use crate::model::relabel::{Part, parts};
use crate::model::{Labels, MatchOp, Matcher, MetricTable, PatternError, compile_anchored};

/// A mapping as it is written. Texts are templates: `$name` and `${name}` stand for a label of the series, or for a
/// group of that name in a pattern of `matchers`; `$$` is a dollar.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MappingSettings {
    /// Which series are meant.
    pub matchers: Vec<Matcher>,
    /// The metric; the series' own name where there is none.
    pub metric: Option<String>,
    /// The kind of the component: `accelerator` for one; `node` or nothing for the host itself.
    pub kind: String,
    /// The component's id.
    pub id: String,
    /// The kind of the part of the component, or of the host's device.
    pub sub_kind: String,
    /// The part's id.
    pub sub_id: String,
    /// What values are multiplied with; 1 where there is none.
    pub scale: Option<f64>,
    /// Whether the series is stamped too, with its labels as they are.
    pub keep: bool,
}

/// Why a mapping can't be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// It would take every series.
    #[error("match must contain at least one non-empty matcher")]
    MatchesAll,
    /// A pattern with groups is too large.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Nothing can be multiplied with that.
    #[error("scale {0} is no finite number other than zero")]
    Scale(f64),
    /// A kind without an id is fine, an id without a kind is none in the tree.
    #[error("type-id without type")]
    IdAlone,
}

/// A mapping that was checked.
#[derive(Debug, Clone)]
pub struct Mapping {
    matchers: Vec<Matcher>,
    /// Patterns with groups that templates use, with the labels that they are about.
    patterns: Vec<(String, Regex)>,
    metric: Template,
    kind: Template,
    id: Template,
    sub_kind: Template,
    sub_id: Template,
    scale: f64,
    keep: bool,
}

impl Mapping {
    /// Checks a mapping.
    pub fn new(settings: MappingSettings) -> Result<Mapping, MappingError> {
        if settings.matchers.iter().all(|matcher| matcher.matches("")) {
            return Err(MappingError::MatchesAll);
        }
        let scale = settings.scale.unwrap_or(1.0);
        if !scale.is_finite() || scale == 0.0 {
            return Err(MappingError::Scale(scale));
        }
        if settings.kind.is_empty() && !settings.id.is_empty() {
            return Err(MappingError::IdAlone);
        }
        let patterns = settings.matchers.iter().filter(|matcher| matcher.op() == MatchOp::Regex);
        let patterns = patterns.filter(|matcher| matcher.value().contains("(?"));
        let patterns = patterns.map(|matcher| Ok((matcher.name().to_owned(), compile_anchored(matcher.value())?)));
        Ok(Mapping {
            patterns: patterns.collect::<Result<_, PatternError>>()?,
            matchers: settings.matchers,
            metric: Template::new(settings.metric.as_deref().unwrap_or("$__name__")),
            kind: Template::new(&settings.kind),
            id: Template::new(&settings.id),
            sub_kind: Template::new(&settings.sub_kind),
            sub_id: Template::new(&settings.sub_id),
            scale,
            keep: settings.keep,
        })
    }

    /// The metric, where it is the same for all series.
    pub fn constant_metric(&self) -> Option<&str> {
        match &self.metric.pieces[..] {
            [Piece::Text(name)] => Some(name),
            _ => None,
        }
    }

    /// The grid series that a series becomes; `None` if it is not meant, or if there is no such metric.
    pub(super) fn target(&self, labels: &Labels, metrics: &MetricTable) -> Option<GridTarget> {
        if !self.matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
            return None;
        }
        let found = self.patterns.iter().filter_map(|(name, regex)| regex.captures(labels.value(name)));
        let values = Values { labels, found: found.collect() };
        let metric = metrics.find(&self.metric.expand(&values)?)?;
        let words = ComponentWords {
            kind: self.kind.expand(&values)?,
            id: self.id.expand(&values)?,
            sub_kind: self.sub_kind.expand(&values)?,
            sub_id: self.sub_id.expand(&values)?,
        };
        Some(GridTarget::new(metric, &words, self.scale, self.keep))
    }
}

/// What variables stand for.
struct Values<'l> {
    labels: &'l Labels,
    found: Vec<Captures<'l>>,
}

impl<'l> Values<'l> {
    fn get(&self, name: &str) -> Option<&'l str> {
        let group = self.found.iter().find_map(|captures| captures.name(name)).map(|group| group.as_str());
        group.or_else(|| self.labels.get(name))
    }
}

/// A text with labels in it.
#[derive(Debug, Clone)]
struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(Box<str>),
    Label(Box<str>),
}

impl Template {
    fn new(text: &str) -> Template {
        let piece = |part| match part {
            Part::Text(text) => Piece::Text(text.into()),
            Part::Variable(name) => Piece::Label(name.into()),
        };
        Template { pieces: parts(text).into_iter().map(piece).collect() }
    }

    /// The text for these labels; `None` when one of them is missing.
    fn expand<'l>(&'l self, values: &Values<'l>) -> Option<Cow<'l, str>> {
        let mut text = Cow::Borrowed("");
        for piece in &self.pieces {
            let part: &'l str = match piece {
                Piece::Text(literal) => literal,
                Piece::Label(name) => values.get(name)?,
            };
            // Borrows as long as there is one piece, as most often.
            text += part;
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Aggregation, Component, Metric};

    fn metrics() -> MetricTable {
        let metric = |name: &str| Metric { name: name.into(), frequency_secs: 60, aggregation: Aggregation::Avg };
        MetricTable::new(["acc_utilization", "gpu_power", "net_bytes_in"].map(metric))
    }

    fn utilization() -> MappingSettings {
        MappingSettings {
            matchers: vec![Matcher::equal("__name__", "DCGM_FI_DEV_GPU_UTIL")],
            metric: Some("acc_utilization".into()),
            kind: "accelerator".into(),
            id: "$gpu".into(),
            ..MappingSettings::default()
        }
    }

    fn gpu(labels: &[(&str, &str)]) -> Labels {
        Labels::from_pairs([&[("__name__", "DCGM_FI_DEV_GPU_UTIL"), ("instance", "a:9400")], labels].concat())
    }

    #[test]
    fn labels_become_metrics_and_components() {
        let mapping = Mapping::new(utilization()).unwrap();
        let target = mapping.target(&gpu(&[("gpu", "3"), ("UUID", "GPU-1")]), &metrics()).unwrap();
        assert_eq!(target.metric, metrics().find("acc_utilization").unwrap());
        assert_eq!((target.components, target.is_device), (vec![Component::new("accelerator", "3")], false));
        assert_eq!((target.scale, target.keep), (1.0, false));
        assert_eq!(mapping.target(&gpu(&[]), &metrics()), None, "no label to make the id of");
        assert_eq!(mapping.target(&Labels::from_pairs([("__name__", "x"), ("gpu", "3")]), &metrics()), None);
        assert_eq!(mapping.constant_metric(), Some("acc_utilization"));
    }

    #[test]
    fn groups_of_patterns_are_variables_too() {
        let settings = MappingSettings {
            matchers: vec![
                Matcher::new("__name__", MatchOp::Regex, "ipmi_(?P<what>[a-z]+)_watts").unwrap(),
                Matcher::new("name", MatchOp::Regex, "GPU ?(?<n>[0-9]+)").unwrap(),
            ],
            metric: Some("${what}_power".into()),
            kind: "accelerator".into(),
            id: "0$n".into(),
            scale: Some(0.5),
            keep: true,
            ..MappingSettings::default()
        };
        let mapping = Mapping::new(settings).unwrap();
        let labels = Labels::from_pairs([("__name__", "ipmi_gpu_watts"), ("name", "GPU 7")]);
        let target = mapping.target(&labels, &metrics()).unwrap();
        assert_eq!(target.components, [Component::new("accelerator", "07")]);
        assert_eq!((target.scale, target.keep), (0.5, true));
        let unknown = Labels::from_pairs([("__name__", "ipmi_cpu_watts"), ("name", "GPU 7")]);
        assert_eq!(mapping.target(&unknown, &metrics()), None, "cpu_power is no metric");
    }

    #[test]
    fn a_mapping_without_a_metric_keeps_the_name() {
        let settings = MappingSettings {
            matchers: vec![Matcher::equal("__name__", "net_bytes_in")],
            kind: "node".into(),
            sub_kind: "network".into(),
            sub_id: "$device".into(),
            ..MappingSettings::default()
        };
        let labels = Labels::from_pairs([("__name__", "net_bytes_in"), ("device", "eth0"), ("job", "x")]);
        let target = Mapping::new(settings).unwrap().target(&labels, &metrics()).unwrap();
        assert_eq!((target.components, target.is_device), (vec![Component::new("network", "eth0")], true));
    }

    #[test]
    fn mappings_that_make_no_sense_are_refused() {
        let error = |settings: MappingSettings| Mapping::new(settings).unwrap_err();
        let all = Matcher::new("a", MatchOp::Regex, ".*").unwrap();
        assert_eq!(error(MappingSettings { matchers: vec![all], ..utilization() }), MappingError::MatchesAll);
        assert_eq!(error(MappingSettings { matchers: vec![], ..utilization() }), MappingError::MatchesAll);
        assert_eq!(error(MappingSettings { scale: Some(0.0), ..utilization() }), MappingError::Scale(0.0));
        assert_eq!(error(MappingSettings { kind: String::new(), ..utilization() }), MappingError::IdAlone);
    }
}
