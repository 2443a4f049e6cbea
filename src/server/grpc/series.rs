//! Answers of queries as messages.

use crate::model::Labels;
use crate::model::histogram::{Buckets, CounterReset, FloatHistogram};
use crate::promql::{Column, Point, Samples, Steps};

use super::proto;
use super::proto::histogram::ResetHint;

/// Labels, sorted by name as they are.
pub(super) fn labels(labels: &Labels) -> Vec<proto::Label> {
    labels.iter().map(|label| proto::Label { name: label.name.to_string(), value: label.value.to_string() }).collect()
}

/// A series with one point.
pub(super) fn of_point(time_ms: i64, labels_of: &Labels, point: &Point) -> proto::Series {
    let mut series = proto::Series { labels: labels(labels_of), ..Default::default() };
    match point {
        Point::Float(value) => {
            series.times_ms.push(time_ms);
            series.values.push(*value);
        }
        Point::Histogram(of) => series.histograms.push(histogram(time_ms, of)),
    }
    series
}

/// A series with its own times.
pub(super) fn of_samples(labels_of: &Labels, samples: &Samples) -> proto::Series {
    let mut series = proto::Series { labels: labels(labels_of), ..Default::default() };
    let mut histograms = samples.histograms.iter().peekable();
    for (at, (&time_ms, &value)) in samples.times.iter().zip(&samples.values).enumerate() {
        match histograms.next_if(|(place, _)| *place as usize == at) {
            Some((_, of)) => series.histograms.push(histogram(time_ms, of)),
            None => {
                series.times_ms.push(time_ms);
                series.values.push(value);
            }
        }
    }
    series
}

/// The floats and the histograms of a series over common steps; histograms may be many times larger, so they come a
/// few at a time, behind the floats.
pub(super) fn of_column<'c>(
    labels_of: &Labels,
    column: &'c Column,
    steps: Steps,
) -> (proto::Series, impl Iterator<Item = proto::Histogram> + 'c) {
    let mut series = proto::Series { labels: labels(labels_of), ..Default::default() };
    column.for_floats(|step, value| {
        series.times_ms.push(steps.time_ms(step));
        series.values.push(value);
    });
    let histograms = column.histograms().iter().map(move |(step, of)| histogram(steps.time_ms(*step as usize), of));
    (series, histograms)
}

fn histogram(time_ms: i64, of: &FloatHistogram) -> proto::Histogram {
    let reset_hint = match of.counter_reset_hint {
        CounterReset::Unknown => ResetHint::Unspecified,
        CounterReset::Reset => ResetHint::Yes,
        CounterReset::NotReset => ResetHint::No,
        CounterReset::Gauge => ResetHint::Gauge,
    };
    proto::Histogram {
        count: of.count,
        sum: of.sum,
        schema: of.schema,
        zero_threshold: of.zero_threshold,
        zero_count: of.zero_count,
        negative_spans: spans(&of.negative),
        negative_counts: of.negative.counts.clone(),
        positive_spans: spans(&of.positive),
        positive_counts: of.positive.counts.clone(),
        reset_hint: reset_hint.into(),
        time_ms,
        custom_values: of.bounds().to_vec(),
    }
}

fn spans(buckets: &Buckets) -> Vec<proto::BucketSpan> {
    buckets.spans.iter().map(|span| proto::BucketSpan { offset: span.offset, length: span.length }).collect()
}
