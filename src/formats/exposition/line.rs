//! One sample of an exposition, from its line.

use std::borrow::Cow;

use super::error::{ExpositionError, excerpt};
use super::number::{float, seconds};
use super::parse::Syntax;
use super::scan::Scan;
use crate::model::histogram::general_text;
use crate::model::{BUCKET_LABEL, Exemplar, Labels, METRIC_NAME, MetricKind};

/// A sample of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpositionSample<'a> {
    /// Names and values: sorted by name, no name twice, no empty value, a metric's name among them.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The value.
    pub value: f64,
    /// Milliseconds since 1970, where the line says so.
    pub time_ms: Option<i64>,
    /// When the counting began, in milliseconds since 1970; 0 where nobody said.
    pub start_ms: i64,
    /// An example, in OpenMetrics. Its time is the sample's where it has none of its own, or 0.
    pub exemplar: Option<Exemplar>,
}

impl ExpositionSample<'_> {
    /// The labels as a set that outlives the body.
    pub fn to_labels(&self) -> Labels {
        Labels::from_pairs(self.labels.iter().map(|(name, value)| (&**name, &**value)))
    }

    /// The metric's name.
    pub fn metric(&self) -> &str {
        self.labels.iter().find(|(name, _)| name == METRIC_NAME).map_or("", |(_, value)| value)
    }
}

/// Reads a line that is neither empty nor a comment. Bounds and quantiles of classic histograms and summaries get the
/// form that OpenMetrics has for them, as in Prometheus: `1` becomes `1.0`.
pub(super) fn parse_sample(
    line: &str,
    syntax: Syntax,
    kind: MetricKind,
) -> Result<ExpositionSample<'_>, ExpositionError> {
    let mut scan = Scan::new(line, syntax);
    let mut metric = Some(Cow::Borrowed(scan.name(true))).filter(|name| !name.is_empty());
    let mut labels = Vec::new();
    if metric.is_none() && !scan.is_at("{") {
        return Err(ExpositionError::expected("a metric's name", line));
    }
    scan.blanks();
    if scan.take("{") {
        let known = metric.is_some();
        let (inside, found) = scan.labels(true)?;
        if known && inside.is_some() {
            return Err(ExpositionError::TwoNames);
        }
        metric = metric.or(inside);
        labels = found;
    }
    let metric = metric.filter(|name| !name.is_empty()).ok_or(ExpositionError::NoName)?;
    let value = read_value(&mut scan)?;
    let (mut time_ms, mut exemplar) = (None, None);
    match syntax {
        Syntax::Text => {
            scan.blanks();
            let word = scan.word();
            if !word.is_empty() {
                let time = word.parse().ok().filter(|_| !word.starts_with('+'));
                let expected = "a time in whole milliseconds";
                time_ms = Some(time.ok_or_else(|| ExpositionError::expected(expected, word))?);
            }
            scan.blanks();
        }
        Syntax::OpenMetrics => {
            if !scan.rest().is_empty() && !scan.is_at(EXEMPLAR_MARK) {
                time_ms = Some(read_time(&mut scan)?);
            }
            if scan.take(EXEMPLAR_MARK) {
                exemplar = read_exemplar(&mut scan, time_ms)?;
            }
        }
    }
    if !scan.rest().is_empty() {
        return Err(ExpositionError::expected("the end of the line", scan.rest()));
    }
    for (name, text) in &mut labels {
        normalize(kind, name, text);
    }
    labels.push((Cow::Borrowed(METRIC_NAME), metric));
    sort_labels(&mut labels)?;
    Ok(ExpositionSample { labels, value, time_ms, start_ms: 0, exemplar })
}

fn read_value(scan: &mut Scan<'_>) -> Result<f64, ExpositionError> {
    let start = scan.rest();
    let separated = scan.separator();
    let word = scan.word();
    float(word).filter(|_| separated).ok_or_else(|| ExpositionError::expected("a value", start))
}

fn read_time(scan: &mut Scan<'_>) -> Result<i64, ExpositionError> {
    let start = scan.rest();
    let separated = scan.separator();
    let word = scan.word();
    seconds(word).filter(|_| separated).ok_or_else(|| ExpositionError::expected("a time in seconds", start))
}

/// An exemplar, or nothing if its labels are longer than OpenMetrics allows: the sample is kept without it.
fn read_exemplar(scan: &mut Scan<'_>, time_ms: Option<i64>) -> Result<Option<Exemplar>, ExpositionError> {
    let (_, mut labels) = scan.labels(false)?;
    let value = read_value(scan)?;
    let own_ms = if scan.rest().is_empty() { None } else { Some(read_time(scan)?) };
    sort_labels(&mut labels)?;
    let characters: usize = labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    let labels = Labels::from_pairs(labels.iter().map(|(name, value)| (&**name, &**value)));
    let exemplar = Exemplar { labels, value, time_ms: own_ms.or(time_ms).unwrap_or(0) };
    Ok((characters <= EXEMPLAR_CHARACTERS_MAX).then_some(exemplar))
}

fn sort_labels(labels: &mut Vec<(Cow<'_, str>, Cow<'_, str>)>) -> Result<(), ExpositionError> {
    labels.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(pair) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(ExpositionError::Duplicate { name: excerpt(&pair[0].0) });
    }
    if labels.first().is_some_and(|(name, _)| name.is_empty()) {
        return Err(ExpositionError::expected("a label's name", "\"\""));
    }
    labels.retain(|(_, value)| !value.is_empty());
    Ok(())
}

fn normalize(kind: MetricKind, name: &str, text: &mut Cow<'_, str>) {
    if matches!((kind, name), (MetricKind::Histogram, BUCKET_LABEL) | (MetricKind::Summary, "quantile"))
        && let Some(number) = float(text)
    {
        let mut normal = general_text(number);
        if number.is_finite() && !normal.contains(['e', '.']) {
            normal.push_str(".0");
        }
        *text = Cow::Owned(normal);
    }
}

const EXEMPLAR_MARK: &str = " # {";
/// Characters of all names and values of an exemplar's labels, as OpenMetrics allows.
const EXEMPLAR_CHARACTERS_MAX: usize = 128;
