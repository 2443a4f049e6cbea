//! The text of a spool entry, to the byte as the original receiver writes it, with what is lossy about it: six
//! decimals, help texts as they are, and labels that only some series have given to all of them.

use std::borrow::Cow;
use std::fmt::Write;

use super::scrape::{Scrape, ScrapedSeries};
use crate::model::{METRIC_NAME, write_quoted};

/// The labels that an entry has in common: those of the first series, less the names that a series has with another
/// value, less the one taken into a metric's name. A label that the other series lack stays.
pub(super) fn common_labels(scrape: &Scrape) -> Vec<(&str, &str)> {
    let Some(first) = scrape.series.first() else { return Vec::new() };
    let mut common: Vec<(&str, &str)> = first.labels.iter().map(|label| (&*label.name, &*label.value)).collect();
    for series in &scrape.series {
        let is_moded = mode(series).is_some();
        common.retain(|(name, value)| {
            !(is_moded && *name == MODE) && series.labels.get(name).is_none_or(|other| other == *value)
        });
    }
    common
}

/// Writes the text.
pub(super) fn write_text(scrape: &Scrape, out: &mut String) {
    let common = common_labels(scrape);
    let mut base_before: Option<Cow<'_, str>> = None;
    for series in &scrape.series {
        // Nameless series are left out.
        let Some(name) = series.labels.get(METRIC_NAME) else { continue };
        let mode = mode(series);
        let name = mode.map_or(Cow::Borrowed(name), |mode| Cow::Owned(format!("{name}_{mode}")));
        let base = base(&name, &series.kind);
        // Writing into memory cannot fail, here and below.
        if base_before.as_deref() != Some(base) {
            let kind = if &*series.kind == "unknown" { "untyped" } else { &*series.kind };
            let _ = write!(out, "# HELP {base} {}\n# TYPE {base} {kind}\n", series.help);
            base_before = Some(match &name {
                Cow::Borrowed(name) => Cow::Borrowed(&name[..base.len()]),
                Cow::Owned(_) => Cow::Owned(base.to_owned()),
            });
        }
        out.push_str(&name);
        out.push('{');
        let mut is_first = true;
        for label in series.labels.iter() {
            let is_in_name = &*label.name == METRIC_NAME || (mode.is_some() && &*label.name == MODE);
            if is_in_name || common.contains(&(&*label.name, &*label.value)) {
                continue;
            }
            if !std::mem::replace(&mut is_first, false) {
                out.push_str(", ");
            }
            let _ = write!(out, "{}=", label.name);
            let _ = write_quoted(out, &label.value);
        }
        out.push_str("} ");
        write_value(out, series.value);
        if series.time_ms != scrape.time_ms {
            let _ = write!(out, " {}", series.time_ms);
        }
        out.push('\n');
    }
}

/// The name of the metric that a series is part of.
fn base<'a>(name: &'a str, kind: &str) -> &'a str {
    let suffixes: &[&str] = match kind {
        "summary" => &["_sum", "_count"],
        "histogram" => &["_sum", "_count", "_bucket"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// The mode of a processor, if it goes into the metric's name.
fn mode(series: &ScrapedSeries) -> Option<&str> {
    let name = series.labels.get(METRIC_NAME)?;
    let is_moded = MODED.contains(&name) && &*series.kind == "counter" && series.labels.get("cpu").is_some();
    series.labels.get(MODE).filter(|mode| is_moded && mode.len() <= MODE_BYTES_MAX)
}

fn write_value(out: &mut String, value: f64) {
    // Writing into memory cannot fail.
    let _ = if value.is_nan() {
        out.write_str("NaN")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        write!(out, "{value:.6}")
    };
}

/// Metrics that are one for each mode.
const MODED: [&str; 2] = ["node_cpu_seconds_total", "node_cpu_guest_seconds_total"];
const MODE: &str = "mode";
/// Longer modes stay labels.
const MODE_BYTES_MAX: usize = 16;
