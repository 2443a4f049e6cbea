//! The section `remote-write`.

use crate::config::file::Quantity;
use crate::config::remote_write::{
    MappingEntry, OtlpSection, Protocol, RelabelEntry, RemoteLimitsSection, RemoteWriteSection,
};
use crate::engine::{CheckpointFormat, Mapping, MappingSettings, Placing, Protocols, RemoteLimits, RemoteOptions};
use crate::formats::otlp::{OtlpOptions, TranslationStrategy};
use crate::model::Metric;
use crate::model::relabel::{Action, Rule, RuleSettings};
use crate::promql::parse::{ParseOptions, parse_selector};

use super::{Notes, text_of};

/// Rules and mappings together: each costs every new series its time.
const RULES_MAX: usize = 1000;

/// What the rest of the file says that matters here.
pub(super) struct Around<'a> {
    pub(super) metrics: &'a [Metric],
    pub(super) format: CheckpointFormat,
    pub(super) name_bytes_max: usize,
    pub(super) lookback_ms: i64,
}

pub(super) fn resolve(section: RemoteWriteSection, around: &Around<'_>, notes: &mut Notes) -> RemoteOptions {
    let rules = section.relabel_configs.len() + section.mappings.len();
    if rules > RULES_MAX {
        notes.violation("/remote-write", format_args!("{rules} rules"), format_args!("at most {RULES_MAX}"));
    }
    let is_native = around.format == CheckpointFormat::Native;
    if !is_native && !section.mappings.is_empty() {
        let text = "only what a mapping or a metric's name puts on the grid is taken: the other series need \
                    /metric-store/checkpoints/file-format native";
        notes.warn("/remote-write", text);
    }
    let placing = placing(&section, around.name_bytes_max, notes);
    let limits = limits(&section.limits, notes);
    let otlp = otlp(section.otlp, around.lookback_ms, notes);
    let relabel = section.relabel_configs.into_iter().enumerate();
    let mappings = section.mappings.into_iter().enumerate();
    RemoteOptions {
        protocols: protocols(section.protocols.as_deref()),
        placing,
        relabel: relabel
            .filter_map(|(index, entry)| rule(&format!("/remote-write/relabel-configs/{index}"), entry, notes))
            .collect(),
        mappings: mappings.filter_map(|(index, entry)| mapping(index, entry, around.metrics, notes)).collect(),
        reject_non_finite: section.reject_non_finite.unwrap_or(false),
        otlp,
        limits,
    }
}

fn protocols(setting: Option<&[Protocol]>) -> Protocols {
    let has = |protocol| setting.is_none_or(|listed| listed.contains(&protocol));
    Protocols {
        remote_write: has(Protocol::RemoteWrite),
        remote_read: has(Protocol::RemoteRead),
        import: has(Protocol::Import),
        otlp: has(Protocol::Otlp),
    }
}

fn placing(section: &RemoteWriteSection, name_bytes_max: usize, notes: &mut Notes) -> Placing {
    let default = Placing::default();
    let text = |setting: &Option<String>, default: String| text_of(setting).map_or(default, str::to_owned);
    let placing = Placing {
        cluster_label: text(&section.cluster_label, default.cluster_label),
        default_cluster: text(&section.default_cluster, default.default_cluster),
        host_labels: section.host_labels.clone().unwrap_or(default.host_labels),
        default_host: text(&section.default_host, default.default_host),
        cut_domain: section.cut_domain.unwrap_or(default.cut_domain),
        name_bytes_max,
    };
    for (key, name) in [("default-cluster", &section.default_cluster), ("default-host", &section.default_host)] {
        if let Some(name) = text_of(name)
            && !placing.is_good(name)
        {
            let expected = format!("a name of 1 to {name_bytes_max} bytes without \"..\", \"/\" and \"\\\"");
            notes.wrong(&format!("/remote-write/{key}"), name, expected);
        }
    }
    placing
}

fn otlp(section: OtlpSection, lookback_delta_ms: i64, notes: &mut Notes) -> OtlpOptions {
    let default = OtlpOptions::default();
    let strategy = text_of(&section.translation_strategy).map(|name| {
        TranslationStrategy::of_name(name).unwrap_or_else(|| {
            let expected = "UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, \
                            NoUTF8EscapingWithSuffixes or NoTranslation";
            notes.wrong("/remote-write/otlp/translation-strategy", name, expected);
            default.strategy
        })
    });
    OtlpOptions {
        strategy: strategy.unwrap_or(default.strategy),
        promote_all: section.promote_all_resource_attributes.unwrap_or(default.promote_all),
        resource_attributes: section.promote_resource_attributes.unwrap_or(default.resource_attributes),
        keep_identifying: section.keep_identifying_resource_attributes.unwrap_or(default.keep_identifying),
        histograms_to_custom: section.convert_histograms_to_nhcb.unwrap_or(default.histograms_to_custom),
        promote_scope: section.promote_scope_metadata.unwrap_or(default.promote_scope),
        lookback_delta_ms,
        ..OtlpOptions::default()
    }
}

fn limits(section: &RemoteLimitsSection, notes: &mut Notes) -> RemoteLimits {
    const BODY: &str = "/remote-write/limits/body";
    let default = RemoteLimits::default();
    let body_bytes_max = notes.bytes(BODY, &section.body, 1.0, default.body_bytes_max as u64);
    // The length of a message in Protobuf, and of a snappy block, is a number of 32 bits.
    if !(1..=u64::from(u32::MAX)).contains(&body_bytes_max) && section.body != Some(Quantity::Text(String::new())) {
        notes.violation(BODY, body_bytes_max, "1 byte to 4 GiB");
    }
    RemoteLimits {
        samples_max: section.samples_per_body.unwrap_or(default.samples_max),
        body_bytes_max: usize::try_from(body_bytes_max).unwrap_or(default.body_bytes_max),
    }
}

/// A rule of relabelling at a pointer.
pub(super) fn rule(pointer: &str, entry: RelabelEntry, notes: &mut Notes) -> Option<Rule> {
    let action = match text_of(&entry.action).map_or(Ok(Action::default()), str::parse) {
        Ok(action) => action,
        Err(error) => {
            notes.refused(&format!("{pointer}/action"), error);
            return None;
        }
    };
    let rule = Rule::new(RuleSettings {
        source_labels: entry.source_labels,
        separator: entry.separator,
        regex: entry.regex,
        modulus: entry.modulus,
        target_label: entry.target_label,
        replacement: entry.replacement,
        action,
    });
    rule.map_err(|error| notes.refused(pointer, error)).ok()
}

fn mapping(index: usize, entry: MappingEntry, metrics: &[Metric], notes: &mut Notes) -> Option<Mapping> {
    let pointer = format!("/remote-write/mappings/{index}");
    // A mapping without a selector broke the schema already.
    let matchers = match parse_selector(entry.r#match.as_deref()?, &ParseOptions::plain()) {
        Ok(matchers) => matchers,
        Err(error) => {
            notes.refused(&format!("{pointer}/match"), error);
            return None;
        }
    };
    let mapping = Mapping::new(MappingSettings {
        matchers,
        metric: text_of(&entry.metric).map(str::to_owned),
        kind: entry.r#type.unwrap_or_default(),
        id: entry.type_id.unwrap_or_default(),
        sub_kind: entry.stype.unwrap_or_default(),
        sub_id: entry.stype_id.unwrap_or_default(),
        scale: entry.scale,
        keep: entry.keep.unwrap_or(false),
    });
    let mapping = mapping.map_err(|error| notes.refused(&pointer, error)).ok()?;
    if let Some(name) = mapping.constant_metric()
        && !metrics.iter().any(|metric| *metric.name == *name)
    {
        let text = format!("{name:?} is not in /metrics: the mapping takes no series");
        notes.warn(&format!("{pointer}/metric"), &text);
    }
    Some(mapping)
}
