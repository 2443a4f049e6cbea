//! The section `prometheus`.

use std::time::Duration;

use crate::config::prometheus::{PrometheusFeature, PrometheusSection};
use crate::config::settings::PrometheusSettings;

use super::main_section::check_address;
use super::{Notes, text_of};
use crate::model::Pattern;

const LOOKBACK_DEFAULT: Duration = Duration::from_secs(300);
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(120);
const SAMPLES_DEFAULT: u64 = 50_000_000;
const QUERIES_DEFAULT: usize = 20;

pub(super) fn resolve(section: &PrometheusSection, notes: &mut Notes) -> PrometheusSettings {
    let millisecond = Duration::from_millis(1);
    let addr = text_of(&section.addr).map(str::to_owned);
    if let Some(addr) = &addr {
        check_address("/prometheus/addr", addr, notes);
    }
    let cors_origin = cors_origin(section.cors_origin.as_deref(), notes);
    let mut duration =
        |key: &str, text, default| notes.duration(&format!("/prometheus/{key}"), text, default, millisecond);
    let has = |feature| section.features.contains(&feature);
    PrometheusSettings {
        addr,
        cors_origin,
        lookback: duration("lookback-delta", &section.lookback_delta, LOOKBACK_DEFAULT),
        query_timeout: duration("query-timeout", &section.query_timeout, TIMEOUT_DEFAULT),
        query_samples_max: section.query_max_samples.unwrap_or(SAMPLES_DEFAULT),
        queries_max: section.query_concurrency.unwrap_or(QUERIES_DEFAULT),
        experimental_functions: has(PrometheusFeature::ExperimentalFunctions),
        duration_expressions: has(PrometheusFeature::DurationExpressions),
        extended_range_selectors: has(PrometheusFeature::ExtendedRangeSelectors),
        fill_modifiers: has(PrometheusFeature::FillModifiers),
        delayed_name_removal: has(PrometheusFeature::DelayedNameRemoval),
    }
}

/// The pattern of origins.
fn cors_origin(text: Option<&str>, notes: &mut Notes) -> Option<Pattern> {
    let text = text.unwrap_or(".*");
    if text.is_empty() {
        return None;
    }
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            notes.wrong("/prometheus/cors-origin", text, format_args!("a regular expression, without {error}"));
            None
        }
    }
}
