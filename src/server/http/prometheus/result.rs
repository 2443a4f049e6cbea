//! Answers of queries as JSON, printed without a tree in between.

use std::io::{self, Write};

use crate::model::Labels;
use crate::model::histogram::json_number;
use crate::promql::{Column, Point, Samples, Stats, Steps, Value};
use crate::query::Sink;

use super::points::{self, Before, push_float};
use super::printed;

/// Bytes that are gathered before they go on.
const BUFFER_BYTES: usize = 64 << 10;

/// Points of a part that one thread prints at a time, if no series has more.
const PART_POINTS: usize = 8192;

/// How long the parts of a query took, in seconds, and how many samples it took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Statistics {
    pub(super) queue_secs: f64,
    pub(super) preparation_secs: f64,
    pub(super) evaluation_secs: f64,
    pub(super) samples: Stats,
}

/// Cuts a result down to so many series; tells whether there were more.
pub(super) fn truncate(value: &mut Value, limit: usize) -> bool {
    fn cut<T>(series: &mut Vec<T>, limit: usize) -> bool {
        let is_longer = series.len() > limit;
        series.truncate(limit);
        is_longer
    }
    match value {
        Value::Vector { series, .. } => cut(series, limit),
        Value::Matrix(series) => cut(series, limit),
        Value::Range { series, .. } => cut(series, limit),
        _ => false,
    }
}

/// Writes `{"resultType":…,"result":…}`, with the statistics if they are asked for. Large ranges are printed by so many
/// threads.
pub(super) fn write(
    out: &mut dyn Sink,
    value: &Value,
    statistics: Option<&Statistics>,
    threads: usize,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
    let kind = match value {
        Value::Scalar { .. } => "scalar",
        Value::Text { .. } => "string",
        Value::Vector { .. } => "vector",
        Value::Matrix(_) | Value::Range { .. } => "matrix",
    };
    write!(buffer, "{{\"resultType\":\"{kind}\",\"result\":")?;
    match value {
        Value::Scalar { time_ms, value } => {
            // As Prometheus: a scalar never has an exponent.
            let plain = if value.is_finite() { value.to_string() } else { json_number(*value) };
            buffer.push(b'[');
            push_time(&mut buffer, *time_ms);
            write!(buffer, ",\"{plain}\"]")?;
        }
        Value::Text { time_ms, text } => {
            buffer.push(b'[');
            push_time(&mut buffer, *time_ms);
            buffer.push(b',');
            serde_json::to_writer(&mut buffer, text)?;
            buffer.push(b']');
        }
        Value::Vector { time_ms, series } => vector(out, &mut buffer, *time_ms, series)?,
        Value::Matrix(series) => list(out, &mut buffer, series, matrix_series)?,
        Value::Range { steps, series }
            if let Some(before) = points::before(*steps)
                && series.iter().all(|(_, column)| column.histograms().is_empty()) =>
        {
            buffer.push(b'[');
            out.write_all(&buffer)?;
            buffer.clear();
            floats(out, &before, series, threads)?;
            buffer.push(b']');
        }
        Value::Range { steps, series } => range(out, &mut buffer, *steps, series)?,
    }
    if let Some(statistics) = statistics {
        push_statistics(&mut buffer, statistics)?;
    }
    buffer.push(b'}');
    out.write_all(&buffer)
}

/// Writes series with one point each.
fn vector(out: &mut dyn Write, buffer: &mut Vec<u8>, time_ms: i64, series: &[(Labels, Point)]) -> io::Result<()> {
    let time = time_text(time_ms);
    list(out, buffer, series, |_, buffer, (labels, point)| {
        push_metric(buffer, labels)?;
        let name: &[u8] = if matches!(point, Point::Float(_)) { b",\"value\":" } else { b",\"histogram\":" };
        buffer.extend_from_slice(name);
        push_point(buffer, &time, point);
        buffer.push(b'}');
        Ok(())
    })
}

/// Writes a series with times of its own.
fn matrix_series(out: &mut dyn Write, buffer: &mut Vec<u8>, (labels, samples): &(Labels, Samples)) -> io::Result<()> {
    push_metric(buffer, labels)?;
    let mut histograms = samples.histograms.iter().map(|(at, _)| *at as usize).peekable();
    let floats = (0..samples.times.len()).filter(|at| histograms.next_if_eq(at).is_none());
    points(out, buffer, "values", floats, |buffer, at| {
        push_point(buffer, &time_text(samples.times[at]), &Point::Float(samples.values[at]));
    })?;
    points(out, buffer, "histograms", samples.histograms.iter(), |buffer, (at, histogram)| {
        push_point(buffer, &time_text(samples.times[*at as usize]), &Point::Histogram(histogram.clone()));
    })?;
    buffer.push(b'}');
    Ok(())
}

/// Writes series over common steps, of any kinds of points.
fn range(out: &mut dyn Write, buffer: &mut Vec<u8>, steps: Steps, series: &[(Labels, Column)]) -> io::Result<()> {
    let times: Vec<Vec<u8>> = (0..steps.count).map(|step| time_text(steps.time_ms(step))).collect();
    list(out, buffer, series, |out, buffer, (labels, column)| {
        push_metric(buffer, labels)?;
        let floats = (0..column.steps()).filter_map(|step| Some((step, column.float(step)?)));
        points(out, buffer, "values", floats, |buffer, (step, value)| {
            push_point(buffer, &times[step], &Point::Float(value));
        })?;
        points(out, buffer, "histograms", column.histograms().iter(), |buffer, (step, histogram)| {
            push_point(buffer, &times[*step as usize], &Point::Histogram(histogram.clone()));
        })?;
        buffer.push(b'}');
        Ok(())
    })
}

fn push_statistics(buffer: &mut Vec<u8>, statistics: &Statistics) -> io::Result<()> {
    let Statistics { queue_secs, preparation_secs, evaluation_secs, samples } = statistics;
    let total_secs = queue_secs + preparation_secs + evaluation_secs;
    write!(
        buffer,
        ",\"stats\":{{\"timings\":{{\"evalTotalTime\":{evaluation_secs},\"resultSortTime\":0,\
         \"queryPreparationTime\":{preparation_secs},\"innerEvalTime\":{evaluation_secs},\
         \"execQueueTime\":{queue_secs},\"execTotalTime\":{total_secs}}},\
         \"samples\":{{\"totalQueryableSamples\":{},\"peakSamples\":{}}}}}",
        samples.samples_total, samples.samples_peak
    )
}

/// Writes series that have only floats, with commas between them.
fn floats(out: &mut dyn Sink, before: &[Before], series: &[(Labels, Column)], threads: usize) -> io::Result<()> {
    let at_once = (PART_POINTS / before.len().max(1)).max(1);
    let parts = series.len().div_ceil(at_once);
    printed::in_threads(out, parts, threads, |part| {
        let here = &series[part * at_once..series.len().min((part + 1) * at_once)];
        let mut text = Vec::new();
        for (at, (labels, column)) in here.iter().enumerate() {
            if at > 0 || part > 0 {
                text.push(b',');
            }
            push_metric(&mut text, labels)?;
            let begin = text.len();
            points::push_points(&mut text, before, column);
            if text.len() > begin {
                // The first point has no comma before it.
                text.splice(begin..begin + 1, *b",\"values\":[");
                text.push(b']');
            }
            text.push(b'}');
        }
        Ok(text)
    })
}

/// Writes a list of series.
fn list<T>(
    out: &mut dyn Write,
    buffer: &mut Vec<u8>,
    items: &[T],
    mut item: impl FnMut(&mut dyn Write, &mut Vec<u8>, &T) -> io::Result<()>,
) -> io::Result<()> {
    buffer.push(b'[');
    for (at, of) in items.iter().enumerate() {
        if at > 0 {
            buffer.push(b',');
        }
        item(out, buffer, of)?;
        drain(out, buffer)?;
    }
    buffer.push(b']');
    Ok(())
}

/// Writes a named list of points behind something else; without points nothing.
fn points<T>(
    out: &mut dyn Write,
    buffer: &mut Vec<u8>,
    name: &str,
    items: impl Iterator<Item = T>,
    mut point: impl FnMut(&mut Vec<u8>, T),
) -> io::Result<()> {
    let mut is_first = true;
    for of in items {
        if is_first {
            write!(buffer, ",\"{name}\":[")?;
        } else {
            buffer.push(b',');
        }
        is_first = false;
        point(buffer, of);
        drain(out, buffer)?;
    }
    if !is_first {
        buffer.push(b']');
    }
    Ok(())
}

/// Hands a full buffer on.
fn drain(out: &mut dyn Write, buffer: &mut Vec<u8>) -> io::Result<()> {
    if buffer.len() >= BUFFER_BYTES {
        out.write_all(buffer)?;
        buffer.clear();
    }
    Ok(())
}

fn push_metric(buffer: &mut Vec<u8>, labels: &Labels) -> io::Result<()> {
    buffer.extend_from_slice(b"{\"metric\":");
    push_labels(buffer, labels)
}

/// Writes labels as an object.
pub(super) fn push_labels(buffer: &mut Vec<u8>, labels: &Labels) -> io::Result<()> {
    buffer.push(b'{');
    for (at, label) in labels.iter().enumerate() {
        if at > 0 {
            buffer.push(b',');
        }
        serde_json::to_writer(&mut *buffer, &*label.name)?;
        buffer.push(b':');
        serde_json::to_writer(&mut *buffer, &*label.value)?;
    }
    buffer.push(b'}');
    Ok(())
}

fn push_point(buffer: &mut Vec<u8>, time: &[u8], point: &Point) {
    buffer.push(b'[');
    buffer.extend_from_slice(time);
    buffer.push(b',');
    match point {
        Point::Float(value) => push_value(buffer, *value),
        Point::Histogram(histogram) => histogram.write_json(buffer),
    }
    buffer.push(b']');
}

/// A value in quotes.
pub(super) fn push_value(buffer: &mut Vec<u8>, value: f64) {
    buffer.push(b'"');
    if value.trunc() == value && value.abs() < EXACT_MAX && (value != 0.0 || value.is_sign_positive()) {
        buffer.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        push_float(buffer, value);
    }
    buffer.push(b'"');
}

/// Seconds, with three digits behind the point where they are not all zero.
pub(super) fn push_time(buffer: &mut Vec<u8>, time_ms: i64) {
    if time_ms < 0 {
        buffer.push(b'-');
    }
    let (secs, millis) = (time_ms.unsigned_abs() / 1000, time_ms.unsigned_abs() % 1000);
    buffer.extend_from_slice(itoa::Buffer::new().format(secs).as_bytes());
    if millis > 0 {
        buffer.extend_from_slice(format!(".{millis:03}").as_bytes());
    }
}

fn time_text(time_ms: i64) -> Vec<u8> {
    let mut text = Vec::new();
    push_time(&mut text, time_ms);
    text
}

/// Below 2^53 whole floats are integers exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::histogram::Described;

    fn text(value: &Value) -> String {
        let mut out = Vec::new();
        write(&mut out, value, None, 2).unwrap();
        serde_json::from_slice::<serde_json::Value>(&out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn labels() -> Labels {
        Labels::from_pairs([("__name__", "up"), ("job", "a\"b")])
    }

    #[test]
    fn results_have_prometheus_shape() {
        let scalar = Value::Scalar { time_ms: 1500, value: 1e21 };
        assert_eq!(text(&scalar), r#"{"resultType":"scalar","result":[1.500,"1000000000000000000000"]}"#);
        let string = Value::Text { time_ms: -7, text: "a\"".into() };
        assert_eq!(text(&string), r#"{"resultType":"string","result":[-0.007,"a\""]}"#);
        let histogram = Arc::new(Described::parse("{{count:2 sum:3 buckets:[2]}}").unwrap().0.histogram);
        let points = [Point::Float(-0.0), Point::Float(f64::NAN), Point::Histogram(Arc::clone(&histogram))];
        let vector =
            Value::Vector { time_ms: 2000, series: points.into_iter().map(|point| (labels(), point)).collect() };
        let metric = r#"{"metric":{"__name__":"up","job":"a\"b"}"#;
        let shown = r#"{"count":"2","sum":"3","buckets":[[0,"0.5","1","2"]]}"#;
        let expected = format!(
            r#"{{"resultType":"vector","result":[{metric},"value":[2,"-0"]}},{metric},"value":[2,"NaN"]}},{metric},"histogram":[2,{shown}]}}]}}"#
        );
        assert_eq!(text(&vector), expected);
        let mut column = Column::new(3);
        column.set(0, 1e6);
        column.set(2, 0.25);
        column.push_histogram(1, Arc::clone(&histogram));
        let steps = Steps::range(0, 1000, 500);
        let range = Value::Range { steps, series: vec![(labels(), column)] };
        let values = r#""values":[[0,"1000000"],[1,"0.25"]],"histograms":[[0.500,"#;
        let expected = format!(r#"{{"resultType":"matrix","result":[{metric},{values}{shown}]]}}]}}"#);
        assert_eq!(text(&range), expected);
        let mut samples = Samples::default();
        samples.push_float(0, 1e6);
        samples.push_histogram(500, histogram);
        samples.push_float(1000, 0.25);
        assert_eq!(text(&Value::Matrix(vec![(labels(), samples)])), expected);
        assert_eq!(text(&Value::Matrix(Vec::new())), r#"{"resultType":"matrix","result":[]}"#);
    }

    #[test]
    fn results_are_cut_to_the_limit() {
        let series = vec![(labels(), Point::Float(1.0)), (Labels::empty(), Point::Float(2.0))];
        let mut vector = Value::Vector { time_ms: 0, series };
        assert!(!truncate(&mut vector, 2) && truncate(&mut vector, 1));
        assert_eq!(text(&vector).matches("metric").count(), 1);
        assert!(!truncate(&mut Value::Scalar { time_ms: 0, value: 1.0 }, 0));
    }
}
