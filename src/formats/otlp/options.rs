//! How metrics of OpenTelemetry become series: the settings of Prometheus's `otlp` section.

/// How names are translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TranslationStrategy {
    /// Old characters only, units and types behind the names.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Old characters only.
    UnderscoreEscapingWithoutSuffixes,
    /// Names as they are, units and types behind them.
    NoUtf8EscapingWithSuffixes,
    /// Names as they are.
    NoTranslation,
}

impl TranslationStrategy {
    /// The one of that name in Prometheus's configuration.
    pub fn of_name(name: &str) -> Option<TranslationStrategy> {
        match name {
            "UnderscoreEscapingWithSuffixes" => Some(TranslationStrategy::UnderscoreEscapingWithSuffixes),
            "UnderscoreEscapingWithoutSuffixes" => Some(TranslationStrategy::UnderscoreEscapingWithoutSuffixes),
            "NoUTF8EscapingWithSuffixes" => Some(TranslationStrategy::NoUtf8EscapingWithSuffixes),
            "NoTranslation" => Some(TranslationStrategy::NoTranslation),
            _ => None,
        }
    }

    pub(super) fn escapes(self) -> bool {
        use TranslationStrategy::{UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes};
        matches!(self, UnderscoreEscapingWithSuffixes | UnderscoreEscapingWithoutSuffixes)
    }

    pub(super) fn adds_suffixes(self) -> bool {
        use TranslationStrategy::{NoUtf8EscapingWithSuffixes, UnderscoreEscapingWithSuffixes};
        matches!(self, UnderscoreEscapingWithSuffixes | NoUtf8EscapingWithSuffixes)
    }
}

/// The settings; the defaults are Prometheus's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpOptions {
    /// How names are translated.
    pub strategy: TranslationStrategy,
    /// Whether all attributes of a resource become labels of its series, but those of `resource_attributes`, instead of
    /// those alone.
    pub promote_all: bool,
    /// The attributes that `promote_all` leaves out, or the ones that become labels without it.
    pub resource_attributes: Vec<String>,
    /// Whether `target_info` keeps the attributes that `job` and `instance` are made of.
    pub keep_identifying: bool,
    /// Whether histograms with bounds become native ones with custom buckets.
    pub histograms_to_custom: bool,
    /// Whether the scope's name, version, schema and attributes become labels.
    pub promote_scope: bool,
    /// Whether label names that begin with one underscore get `key` before it.
    pub underscores_get_key: bool,
    /// Whether underscores in a row stay in label names.
    pub keep_underscores: bool,
    /// Whether deltas are taken as they are, instead of being refused.
    pub allow_delta: bool,
    /// How far queries look back, in milliseconds: `target_info` comes twice in that time.
    pub lookback_delta_ms: i64,
    /// Parts of one body: points, attributes, exemplars, all other messages. The body is refused beyond.
    pub parts_max: usize,
}

impl Default for OtlpOptions {
    fn default() -> OtlpOptions {
        OtlpOptions {
            strategy: TranslationStrategy::default(),
            promote_all: false,
            resource_attributes: Vec::new(),
            keep_identifying: false,
            histograms_to_custom: false,
            promote_scope: false,
            underscores_get_key: true,
            keep_underscores: true,
            allow_delta: false,
            lookback_delta_ms: 300_000,
            parts_max: 1_000_000,
        }
    }
}
