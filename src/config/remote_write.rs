//! The form of the section `remote-write`: which series come in, and where they go.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::{ProtocolWord, Quantity};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RemoteWriteSection {
    /// The ways in and out that are open; a way that is not listed answers 404.
    #[serde(default)]
    #[schemars(with = "Vec<ProtocolWord>", extend("default" = ["remote-write", "remote-read", "import", "otlp"]))]
    pub protocols: Option<Vec<Protocol>>,
    /// The label that names the cluster of a series.
    #[schemars(extend("default" = "cluster"))]
    pub cluster_label: Option<String>,
    /// The cluster of series without that label.
    #[schemars(extend("default" = "default"))]
    pub default_cluster: Option<String>,
    /// Labels that name the host of a series, a port cut off; the first that a series has counts.
    #[schemars(extend("default" = ["instance", "hostname", "host", "node"]))]
    pub host_labels: Option<Vec<String>>,
    /// The host of series without any of these labels.
    #[schemars(extend("default" = "none"))]
    pub default_host: Option<String>,
    /// Whether a host's name ends at its first dot.
    #[schemars(extend("default" = false))]
    pub cut_domain: Option<bool>,
    /// Rules that change, choose and drop series, as in Prometheus.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub relabel_configs: Vec<RelabelEntry>,
    /// Rules that turn series into series of the tree; the first that fits counts.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub mappings: Vec<MappingEntry>,
    /// Whether NaN and infinities are refused.
    #[schemars(extend("default" = false))]
    pub reject_non_finite: Option<bool>,
    /// How OpenTelemetry's metrics become series.
    #[serde(default)]
    pub otlp: OtlpSection,
    /// Bounds against floods.
    #[serde(default)]
    pub limits: RemoteLimitsSection,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct OtlpSection {
    /// How names are translated, in Prometheus's words.
    #[schemars(extend("default" = "UnderscoreEscapingWithSuffixes"))]
    pub translation_strategy: Option<String>,
    /// Attributes of a resource that become labels of its series.
    #[schemars(extend("default" = []))]
    pub promote_resource_attributes: Option<Vec<String>>,
    /// Whether all attributes of a resource become labels, but the listed ones.
    #[schemars(extend("default" = false))]
    pub promote_all_resource_attributes: Option<bool>,
    /// Whether target_info keeps the attributes that job and instance are made of.
    #[schemars(extend("default" = false))]
    pub keep_identifying_resource_attributes: Option<bool>,
    /// Whether histograms with bounds become native ones with custom buckets.
    #[schemars(extend("default" = false))]
    pub convert_histograms_to_nhcb: Option<bool>,
    /// Whether name, version and attributes of a scope become labels.
    #[schemars(extend("default" = false))]
    pub promote_scope_metadata: Option<bool>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RemoteLimitsSection {
    /// Samples, histograms and exemplars of one body together.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("default" = 2_000_000))]
    pub samples_per_body: Option<usize>,
    /// Bytes of one body after decompression, or a text with a unit.
    #[serde(default)]
    #[schemars(with = "Quantity", extend("default" = "64MiB"))]
    pub body: Option<Quantity>,
}

/// A rule in Prometheus's words, so that rules can be taken over as they are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RelabelEntry {
    /// Labels whose values are joined.
    #[schemars(extend("default" = []))]
    pub source_labels: Option<Vec<String>>,
    /// What stands between them.
    #[schemars(extend("default" = ";"))]
    pub separator: Option<String>,
    /// The pattern over the joined values, or over names of labels.
    #[schemars(extend("default" = "(.*)"))]
    pub regex: Option<String>,
    /// What a hash is divided by.
    #[schemars(range(min = 0, max = 9_223_372_036_854_775_807u64))]
    pub modulus: Option<u64>,
    /// The label to set or to compare with.
    pub target_label: Option<String>,
    /// What to set, with groups of the pattern.
    #[schemars(extend("default" = "$1"))]
    pub replacement: Option<String>,
    /// replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase or uppercase.
    #[schemars(extend("default" = "replace"))]
    pub action: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline, extend("required" = ["match"]))]
pub(super) struct MappingEntry {
    /// Which series, as a selector of PromQL.
    pub r#match: Option<String>,
    /// The metric; texts may hold $label and ${label}. Without it, the series' own name.
    #[schemars(extend("default" = "$__name__"))]
    pub metric: Option<String>,
    /// The kind of the component; node or nothing for the host itself.
    #[schemars(extend("default" = ""))]
    pub r#type: Option<String>,
    /// The component's id.
    #[schemars(extend("default" = ""))]
    pub type_id: Option<String>,
    /// The kind of a part of the component, or of the host's device.
    #[schemars(extend("default" = ""))]
    pub stype: Option<String>,
    /// The part's id.
    #[schemars(extend("default" = ""))]
    pub stype_id: Option<String>,
    /// What values are multiplied with.
    #[schemars(extend("default" = 1))]
    pub scale: Option<f64>,
    /// Whether the series is kept with its own labels too.
    #[schemars(extend("default" = false))]
    pub keep: Option<bool>,
}

/// A way in or out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Protocol {
    RemoteWrite,
    RemoteRead,
    Import,
    Otlp,
}
