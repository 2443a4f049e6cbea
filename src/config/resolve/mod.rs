//! From the file's form to typed settings, with the checks that a schema can't express.

mod main_section;
mod metric_store;
mod nats;
mod prometheus;
mod remote_write;
mod rules;
mod zstats;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::model::{Aggregation, Metric};
use crate::time::parse_duration;

use super::bytes::parse_bytes;
use super::file::{ConfigFile, MetricEntry, Quantity};
use super::plain::Moved;
use super::schema::{Violation, found};
use super::sections::escape;
use super::settings::{Config, Effective};

/// Makes a config of a file that follows the schema. With violations, the config holds defaults in their places and
/// must not be used. `effective` is what a reload will compare.
pub(super) fn resolve(mut file: ConfigFile, effective: Value) -> (Config, Vec<Violation>) {
    let mut moved = Moved::out_of(&mut file);
    let mut notes = Notes::default();
    let engine = metric_store::resolve(&file.metric_store, &mut notes);
    let metrics = metrics(file.metrics, engine.limits.name_bytes_max, &mut notes);
    let nats = nats::resolve(&file.nats, file.metric_store.nats_subscriptions, &mut notes);
    let prometheus = prometheus::resolve(&file.prometheus, &mut notes);
    let main = main_section::resolve(file.main, prometheus.addr.as_deref(), &mut notes);
    let zstats = zstats::resolve(file.zstats, &main, &mut notes);
    let around = remote_write::Around {
        metrics: &metrics,
        format: engine.format,
        name_bytes_max: engine.limits.name_bytes_max,
        lookback_ms: prometheus.lookback_ms(),
    };
    let remote_write = remote_write::resolve(file.remote_write, &around, &mut notes);
    let rules = rules::resolve(file.rules, &main, &prometheus, &mut notes);
    for (pointer, why) in &moved.without_effect {
        notes.warn(pointer, why);
    }
    let mut violations = std::mem::take(&mut moved.violations);
    violations.extend(notes.violations.into_iter().map(|Violation { pointer, text }| Violation {
        pointer: moved.in_the_files_words(&pointer),
        text: moved.in_the_files_words(&text),
    }));
    let warnings = notes.warnings.iter().map(|warning| moved.in_the_files_words(warning)).collect();
    let config = Config {
        main,
        nats,
        prometheus,
        remote_write,
        rules,
        zstats,
        warnings,
        engine,
        metrics,
        effective: Effective(effective),
    };
    (config, violations)
}

fn metrics(
    entries: std::collections::BTreeMap<String, MetricEntry>,
    name_bytes_max: usize,
    notes: &mut Notes,
) -> Vec<Metric> {
    if entries.is_empty() {
        let text = "no metric is configured: lines of line protocol are read, counted as unknown_metric and not stored";
        notes.warn("/metrics", text);
    }
    let mut metrics = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let pointer = format!("/metrics/{}", escape(&name));
        if name.is_empty() || name.len() > name_bytes_max {
            let length = format!("a name of {} bytes", name.len());
            notes.violation(&pointer, length, format!("1 to {name_bytes_max} bytes"));
        }
        let aggregation = match entry.aggregation.as_deref().unwrap_or_default().parse() {
            Ok(aggregation) => aggregation,
            // The schema lets only known words pass.
            Err(_) => Aggregation::None,
        };
        // A metric without a frequency broke the schema already.
        let Some(frequency_secs) = entry.frequency else { continue };
        metrics.push(Metric { name: name.into(), frequency_secs, aggregation });
    }
    metrics
}

/// What the checks found.
#[derive(Default)]
pub(super) struct Notes {
    violations: Vec<Violation>,
    warnings: Vec<String>,
}

impl Notes {
    fn violation(&mut self, pointer: &str, found: impl std::fmt::Display, expected: impl std::fmt::Display) {
        let text = format!("found {found}, expected {expected}");
        self.violations.push(Violation { pointer: pointer.to_owned(), text });
    }

    /// A value that does not pass the checks of the module that takes it.
    fn refused(&mut self, pointer: &str, error: impl std::fmt::Display) {
        self.violations.push(Violation { pointer: pointer.to_owned(), text: error.to_string() });
    }

    /// A value that is wrong.
    fn wrong(&mut self, pointer: &str, value: &str, expected: impl std::fmt::Display) {
        self.violation(pointer, found(&Value::from(value), pointer), expected);
    }

    /// A value that is missing.
    fn missing(&mut self, pointer: &str, expected: impl std::fmt::Display) {
        self.violations.push(Violation { pointer: pointer.to_owned(), text: format!("missing, expected {expected}") });
    }

    fn warn(&mut self, pointer: &str, text: &str) {
        self.warnings.push(format!("{pointer}: {text}"));
    }

    /// A duration that is longer than `min`; absent or empty: the default.
    fn duration(&mut self, pointer: &str, text: &Option<String>, default: Duration, min: Duration) -> Duration {
        let Some(text) = text_of(text) else { return default };
        match parse_duration(text) {
            Ok(duration) if duration >= min => duration,
            Ok(_) => {
                self.wrong(pointer, text, format!("at least {}", crate::time::GoDuration(min)));
                default
            }
            Err(_) => {
                self.wrong(pointer, text, "a duration like \"48h\", \"1h30m\" or \"300ms\"");
                default
            }
        }
    }

    /// A size in bytes; a plain number counts in `unit` bytes.
    fn bytes(&mut self, pointer: &str, quantity: &Option<Quantity>, unit: f64, default: u64) -> u64 {
        match quantity {
            None => default,
            // Casts of floats saturate, and the schema keeps negative numbers out.
            Some(Quantity::Number(number)) => (number * unit) as u64,
            Some(Quantity::Text(text)) if text.is_empty() => default,
            Some(Quantity::Text(text)) => parse_bytes(text).unwrap_or_else(|_| {
                self.wrong(pointer, text, "a number, or a text with a unit like \"512MB\" or \"16GiB\"");
                default
            }),
        }
    }

    /// Two settings that only make sense together; `None` when neither is there.
    fn pair(&mut self, first: (&str, &Option<String>), second: (&str, &Option<String>)) -> Option<(PathBuf, PathBuf)> {
        match (text_of(first.1), text_of(second.1)) {
            (Some(first), Some(second)) => Some((first.into(), second.into())),
            (None, None) => None,
            (None, Some(_)) => {
                self.missing(first.0, format!("a file, as {} has one", second.0));
                None
            }
            (Some(_), None) => {
                self.missing(second.0, format!("a file, as {} has one", first.0));
                None
            }
        }
    }
}

/// A text that is set; empty means not set, as in cc-metric-store.
fn text_of(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

fn path_of(text: &Option<String>) -> Option<PathBuf> {
    text_of(text).map(PathBuf::from)
}
