//! `GET /federate`: the newest values of series, for another Prometheus to scrape.
//!
//! As with Prometheus, all metrics are untyped, each value has its time, markers of staleness are left out, and so are
//! native histograms with exponential buckets, which the text has no words for. Memory is bounded: by the labels and
//! one value of each series, of which there are at most as many as a query may hold samples.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::super::answer::{self, Unanswered};
use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::catalogue::Question;
use super::evaluate::{Watch, watch};
use crate::formats::exposition::{Escaping, TextPrinter};
use crate::model::{Labels, METRIC_NAME, MetricKind, is_stale};
use crate::promql::tree::TreeSource;
use crate::promql::{Hints, Point, QueryError, Samples, Series, Source};

/// Bytes of text that are gathered before they go on.
const BUFFER_BYTES: usize = 64 << 10;

/// The label that a scrape gives to every series, unless the series has it.
const INSTANCE: &str = "instance";

/// The newest value of a series.
struct Newest {
    labels: Labels,
    time_ms: i64,
    point: Point,
}

pub(super) async fn federate(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let policy = app.policy(&request);
    let escaping = escaping(request.headers());
    let form = app.form(request).await.map_err(in_text)?;
    let turn = app.answer_turn(AnswerLimit::Promql).await?;
    let (waiting, watch) = watch(app.options.prometheus.query_timeout);
    let answer = answer::of_type(content_type(escaping), policy, turn, move |out| {
        let question = Question::read_with(&app, &form, |text| Refusal::text(StatusCode::BAD_REQUEST, text));
        let series = newest(&app, question?, &watch)?;
        write(&series, &app.options.prometheus.external_labels, escaping, out)
    })
    .await;
    drop(waiting);
    answer
}

/// Who scrapes expects a text.
fn in_text(refusal: Refusal) -> Refusal {
    Refusal::text(refusal.status(), refusal.message())
}

/// The newest values of the series that fit any selector, each series once, sorted by metric and then by labels.
fn newest(app: &App, question: Question, watch: &Watch) -> Result<Vec<Newest>, Unanswered> {
    let lookback_ms = app.lookback_ms(None);
    let now_ms = app.clock.now_millis();
    let hints = Hints { start_ms: now_ms.saturating_sub(lookback_ms), end_ms: now_ms, ..Hints::default() };
    let source = TreeSource::new(app.service.store(), lookback_ms, watch);
    let mut found: Vec<Newest> = Vec::new();
    let mut samples = Samples::default();
    for matchers in question.matcher_sets() {
        let selection = source.select(matchers, &hints).map_err(QueryError::from)?;
        watch.check()?;
        if let Some(most) = selection.exceeds {
            return Err(QueryError::TooManySeries(most).into());
        }
        for series in &selection.series {
            let lookback_ms = series.lookback_ms().unwrap_or(lookback_ms);
            let Some(newest) = last(&**series, now_ms.saturating_sub(lookback_ms), now_ms, &mut samples)? else {
                continue;
            };
            if found.len() as u64 == app.options.prometheus.query_samples_max {
                return Err(QueryError::TooManySamples.into());
            }
            if found.len().is_multiple_of(1024) {
                watch.check()?;
            }
            found.push(newest);
        }
    }
    found.sort_by(|a, b| (a.labels.metric_name(), &a.labels).cmp(&(b.labels.metric_name(), &b.labels)));
    found.dedup_by(|a, b| a.labels == b.labels);
    Ok(found)
}

/// The newest sample of a series between two times, both inclusive; none if it ends the series.
fn last(series: &dyn Series, from_ms: i64, to_ms: i64, samples: &mut Samples) -> Result<Option<Newest>, QueryError> {
    let mut cursor = series.cursor(from_ms, to_ms);
    let mut newest = None;
    loop {
        samples.clear();
        if !cursor.next_batch(samples)? {
            break;
        }
        let is_in = |time_ms: &&i64| (from_ms..=to_ms).contains(*time_ms);
        let Some(at) = samples.times.iter().rposition(|time_ms| is_in(&time_ms)) else { continue };
        let histogram = samples.histograms.iter().find(|(place, _)| *place as usize == at);
        let point = match histogram {
            Some((_, histogram)) => Point::Histogram(Arc::clone(histogram)),
            None => Point::Float(samples.values[at]),
        };
        newest = Some(Newest { labels: series.labels().clone(), time_ms: samples.times[at], point });
    }
    Ok(newest.filter(|newest| match &newest.point {
        Point::Float(value) => !is_stale(*value),
        Point::Histogram(histogram) => !is_stale(histogram.sum),
    }))
}

/// Writes the text.
fn write(series: &[Newest], external: &Labels, escaping: Escaping, out: &mut dyn Write) -> Result<(), Unanswered> {
    // A scrape would add its own instance to series without one: as with Prometheus, they get an empty one.
    let mut added: BTreeSet<(&str, &str)> = external.iter().map(|label| (&*label.name, &*label.value)).collect();
    if external.get(INSTANCE).is_none() {
        added.insert((INSTANCE, ""));
    }
    let mut text = String::new();
    let mut family = None;
    for Newest { labels, time_ms, point } in series {
        let name = labels.metric_name();
        let kind = match point {
            Point::Float(_) => MetricKind::Unknown,
            Point::Histogram(histogram) if histogram.uses_custom_buckets() => MetricKind::Histogram,
            Point::Histogram(_) => continue,
        };
        if name.is_empty() {
            continue;
        }
        let mut printer = TextPrinter::new(&mut text, escaping);
        if family != Some((name, kind)) {
            printer.family(name, None, kind);
            family = Some((name, kind));
        }
        let own = labels.iter().map(|label| (&*label.name, &*label.value)).filter(|(name, _)| *name != METRIC_NAME);
        let more = added.iter().copied().filter(|(name, _)| labels.get(name).is_none());
        match point {
            Point::Float(value) => printer.sample(name, own.chain(more), *value, Some(*time_ms)),
            Point::Histogram(histogram) => {
                let all: Vec<(&str, &str)> = own.chain(more).collect();
                printer.classic_histogram(name, all, histogram, Some(*time_ms));
            }
        }
        if text.len() >= BUFFER_BYTES {
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    Ok(out.write_all(text.as_bytes())?)
}

/// How the reader wants names with new characters: what it names in the first of its types that does.
fn escaping(headers: &HeaderMap) -> Escaping {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parameters = accept.split([',', ';']).filter_map(|parameter| parameter.trim().strip_prefix("escaping="));
    parameters.filter_map(|name| Escaping::of_parameter(name.trim_matches('"'))).next().unwrap_or_default()
}

fn content_type(escaping: Escaping) -> &'static str {
    match escaping {
        Escaping::Underscores => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        Escaping::Dots => "text/plain; version=0.0.4; charset=utf-8; escaping=dots",
        Escaping::Values => "text/plain; version=0.0.4; charset=utf-8; escaping=values",
        Escaping::AllowUtf8 => "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram::Described;

    #[test]
    fn types_are_those_of_the_printer() {
        for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values, Escaping::AllowUtf8] {
            assert_eq!(content_type(escaping), TextPrinter::content_type(escaping));
        }
        let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.4";
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        assert_eq!((escaping(&headers), escaping(&HeaderMap::new())), (Escaping::AllowUtf8, Escaping::Underscores));
    }

    #[test]
    fn texts_are_those_of_prometheus() {
        let series = |pairs: &[(&str, &str)], point| Newest {
            labels: Labels::from_pairs(pairs.iter().copied()),
            time_ms: 6_000_000,
            point,
        };
        let described = Described::parse("{{schema:-53 sum:3 count:2 custom_values:[1 5] buckets:[1 1]}}").unwrap();
        let custom = Arc::new(described.0.histogram);
        let native = Arc::new(Described::parse("{{schema:0 sum:3 count:2 buckets:[1 1]}}").unwrap().0.histogram);
        let all = [
            series(&[("__name__", "lat"), ("instance", "i")], Point::Histogram(custom)),
            series(&[("__name__", "lat"), ("instance", "j")], Point::Histogram(native)),
            series(&[("__name__", "up"), ("foo", "baz")], Point::Float(0.0)),
            series(&[("__name__", "up"), ("instance", "i"), ("zone", "own")], Point::Float(1e6)),
            series(&[("job", "nameless")], Point::Float(1.0)),
        ];
        let external = Labels::from_pairs([("foo", "bar"), ("zone", "ie")]);
        let mut out = Vec::new();
        assert!(write(&all, &external, Escaping::AllowUtf8, &mut out).is_ok());
        let expected = "# TYPE lat histogram\n\
            lat_bucket{instance=\"i\",foo=\"bar\",zone=\"ie\",le=\"1\"} 1 6000000\n\
            lat_bucket{instance=\"i\",foo=\"bar\",zone=\"ie\",le=\"5\"} 2 6000000\n\
            lat_bucket{instance=\"i\",foo=\"bar\",zone=\"ie\",le=\"+Inf\"} 2 6000000\n\
            lat_sum{instance=\"i\",foo=\"bar\",zone=\"ie\"} 3 6000000\n\
            lat_count{instance=\"i\",foo=\"bar\",zone=\"ie\"} 2 6000000\n\
            # TYPE up untyped\n\
            up{foo=\"baz\",instance=\"\",zone=\"ie\"} 0 6000000\n\
            up{instance=\"i\",zone=\"own\",foo=\"bar\"} 1e+06 6000000\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
