//! Walks over a body: lines, what is said about metrics, samples.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::{ExpositionError, excerpt};
use super::line::{ExpositionSample, parse_sample};
use super::scan::{Scan, unescaped};
use crate::model::{BUCKET_LABEL, METRIC_NAME, MetricKind};

/// Which of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Prometheus's own text format.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Syntax {
    /// The one of a `Content-Type`; Prometheus's own for all types but OpenMetrics's.
    pub fn of_content_type(content_type: &str) -> Syntax {
        let kind = content_type.split(';').next().unwrap_or("").trim();
        if kind.eq_ignore_ascii_case("application/openmetrics-text") { Syntax::OpenMetrics } else { Syntax::Text }
    }
}

/// How a body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpositionOptions {
    /// Its format.
    pub syntax: Syntax,
    /// Whether `…_created` of counters, histograms and summaries says when the counting of the others began, in
    /// OpenMetrics, and is no series itself.
    pub created_is_start: bool,
}

/// A receiver of what a body says.
pub trait ExpositionVisitor {
    /// A sample.
    fn sample(&mut self, sample: ExpositionSample<'_>);

    /// Something about a metric, whose series may follow or not.
    fn metadata(&mut self, metric: &str, part: MetadataPart<'_>);

    /// A line that cannot be used; the first one is line 1.
    fn refused(&mut self, line: usize, error: ExpositionError);
}

/// What is said about a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataPart<'a> {
    /// What it means, in words.
    Help(&'a str),
    /// Its type.
    Kind(MetricKind),
    /// The unit of its values.
    Unit(&'a str),
}

/// Shows everything in a body to the visitor, line by line.
pub fn parse_exposition(body: &[u8], options: &ExpositionOptions, visitor: &mut impl ExpositionVisitor) {
    let open_metrics = options.syntax == Syntax::OpenMetrics;
    let starts = if open_metrics && options.created_is_start { collect_starts(body) } else { HashMap::new() };
    let mut kind = MetricKind::Unknown;
    let mut ended = false;
    let mut count = 0;
    for (at, line) in lines(body) {
        count = at;
        let read = line.and_then(|line| {
            if ended {
                return Err(ExpositionError::AfterEnd);
            }
            match read_line(line, options.syntax, &mut kind)? {
                Line::Nothing => {}
                Line::End => ended = true,
                Line::Metadata(metric, part) => visitor.metadata(&metric, part.as_part()),
                Line::Sample(mut sample) => {
                    let is_start = open_metrics && options.created_is_start && is_created(&sample, kind);
                    if !is_start {
                        if !starts.is_empty() && has_start(kind) {
                            sample.start_ms = starts.get(&point_of(&sample)).copied().unwrap_or(0);
                        }
                        visitor.sample(sample);
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = read {
            visitor.refused(at, error);
            if ended {
                return;
            }
        }
    }
    if open_metrics && !ended {
        visitor.refused(count + 1, ExpositionError::NoEnd);
    }
}

/// What a line is.
enum Line<'a> {
    Nothing,
    End,
    Metadata(Cow<'a, str>, OwnedPart<'a>),
    Sample(ExpositionSample<'a>),
}

enum OwnedPart<'a> {
    Help(Cow<'a, str>),
    Kind(MetricKind),
    Unit(&'a str),
}

impl OwnedPart<'_> {
    fn as_part(&self) -> MetadataPart<'_> {
        match self {
            OwnedPart::Help(text) => MetadataPart::Help(text),
            OwnedPart::Kind(kind) => MetadataPart::Kind(*kind),
            OwnedPart::Unit(unit) => MetadataPart::Unit(unit),
        }
    }
}

/// The lines of a body with their numbers.
fn lines(body: &[u8]) -> impl Iterator<Item = (usize, Result<&str, ExpositionError>)> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let lines = body.split(|&byte| byte == b'\n').filter(move |_| !body.is_empty());
    lines.enumerate().map(|(at, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = if line.len() > LINE_BYTES_MAX {
            Err(ExpositionError::TooLong { length: line.len(), limit: LINE_BYTES_MAX })
        } else {
            std::str::from_utf8(line).map_err(|_| ExpositionError::NotUtf8)
        };
        (at + 1, text)
    })
}

fn read_line<'a>(line: &'a str, syntax: Syntax, kind: &mut MetricKind) -> Result<Line<'a>, ExpositionError> {
    let line = if syntax == Syntax::Text { line.trim_start_matches([' ', '\t']) } else { line };
    if line.is_empty() && syntax == Syntax::Text {
        return Ok(Line::Nothing);
    }
    let Some(comment) = line.strip_prefix('#') else {
        return Ok(Line::Sample(parse_sample(line, syntax, *kind)?));
    };
    if syntax == Syntax::OpenMetrics {
        let expected = || ExpositionError::expected("HELP, TYPE, UNIT or EOF", comment);
        let comment = comment.strip_prefix(' ').ok_or_else(expected)?;
        if comment == "EOF" {
            return Ok(Line::End);
        }
        let (word, rest) = comment.split_once(' ').ok_or_else(expected)?;
        return read_metadata(word, rest, syntax, kind)?.ok_or_else(expected);
    }
    let comment = comment.trim_start_matches([' ', '\t']);
    let Some((word, rest)) = comment.split_once([' ', '\t']) else { return Ok(Line::Nothing) };
    Ok(read_metadata(word, rest, syntax, kind)?.unwrap_or(Line::Nothing))
}

/// What a comment says about a metric; nothing if it is about something else.
fn read_metadata<'a>(
    word: &str,
    rest: &'a str,
    syntax: Syntax,
    kind: &mut MetricKind,
) -> Result<Option<Line<'a>>, ExpositionError> {
    let open_metrics = syntax == Syntax::OpenMetrics;
    if !(matches!(word, "HELP" | "TYPE") || open_metrics && word == "UNIT") {
        return Ok(None);
    }
    let mut scan = Scan::new(rest, syntax);
    scan.blanks();
    let metric = if scan.is_at("\"") { scan.quoted()? } else { Cow::Borrowed(scan.name(true)) };
    if metric.is_empty() {
        return Err(ExpositionError::expected("a metric's name", scan.rest()));
    }
    let text = match scan.rest() {
        "" => "",
        rest => rest
            .strip_prefix([' ', '\t'])
            .ok_or_else(|| ExpositionError::expected("a blank behind the metric's name", rest))?,
    };
    let part = match word {
        "HELP" if text.contains('\\') => OwnedPart::Help(Cow::Owned(unescaped(text, open_metrics))),
        "HELP" => OwnedPart::Help(Cow::Borrowed(text)),
        "TYPE" => {
            let text = if open_metrics { text } else { text.trim_matches([' ', '\t']) };
            *kind = kind_of(text, syntax).ok_or_else(|| ExpositionError::Kind { found: excerpt(text) })?;
            OwnedPart::Kind(*kind)
        }
        _ => {
            let fits = metric.strip_suffix(text).is_some_and(|rest| rest.ends_with('_'));
            if !text.is_empty() && !fits {
                return Err(ExpositionError::Unit { unit: excerpt(text), metric: excerpt(&metric) });
            }
            OwnedPart::Unit(text)
        }
    };
    Ok(Some(Line::Metadata(metric, part)))
}

fn kind_of(text: &str, syntax: Syntax) -> Option<MetricKind> {
    match (text, syntax) {
        ("counter", _) => Some(MetricKind::Counter),
        ("gauge", _) => Some(MetricKind::Gauge),
        ("histogram", _) => Some(MetricKind::Histogram),
        ("summary", _) => Some(MetricKind::Summary),
        ("untyped", Syntax::Text) | ("unknown", Syntax::OpenMetrics) => Some(MetricKind::Unknown),
        ("gaugehistogram", Syntax::OpenMetrics) => Some(MetricKind::GaugeHistogram),
        ("info", Syntax::OpenMetrics) => Some(MetricKind::Info),
        ("stateset", Syntax::OpenMetrics) => Some(MetricKind::StateSet),
        _ => None,
    }
}

fn has_start(kind: MetricKind) -> bool {
    matches!(kind, MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary)
}

fn is_created(sample: &ExpositionSample<'_>, kind: MetricKind) -> bool {
    has_start(kind) && sample.metric().len() > CREATED.len() && sample.metric().ends_with(CREATED)
}

/// What the samples of one counter, histogram or summary have in common: the family's name, and the labels without
/// bounds and quantiles.
fn point_of(sample: &ExpositionSample<'_>) -> Vec<String> {
    let metric = sample.metric();
    let family = [CREATED, "_total", "_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end));
    let others =
        |(name, _): &&(Cow<'_, str>, Cow<'_, str>)| ![METRIC_NAME, BUCKET_LABEL, "quantile"].contains(&&**name);
    let labels = sample.labels.iter().filter(others).flat_map(|(name, value)| [name.to_string(), value.to_string()]);
    std::iter::once(family.unwrap_or(metric).to_owned()).chain(labels).collect()
}

/// When the counting of each counter, histogram and summary began, in milliseconds.
fn collect_starts(body: &[u8]) -> HashMap<Vec<String>, i64> {
    let mut starts = HashMap::new();
    let mut kind = MetricKind::Unknown;
    for (_, line) in lines(body) {
        let Ok(Ok(read)) = line.map(|line| read_line(line, Syntax::OpenMetrics, &mut kind)) else { continue };
        match read {
            Line::Sample(sample) if is_created(&sample, kind) && sample.value.is_finite() => {
                starts.insert(point_of(&sample), (sample.value * 1000.0) as i64);
            }
            Line::End => break,
            _ => {}
        }
    }
    starts
}

const CREATED: &str = "_created";

/// The longest line in bytes, its end not counted.
const LINE_BYTES_MAX: usize = 1024 * 1024;
