//! Histograms with bounds, and summaries: a series for each bound or quantile, one for the sum, one for the count.

use super::error::OtlpError;
use super::exemplar::exemplars;
use super::labels::{LabelMap, series_labels};
use super::message::{HistogramPoint, SummaryPoint, is_stale};
use super::translate::{OtlpSample, OtlpVisitor, milliseconds};
use crate::model::{BUCKET_LABEL, Exemplar, Labels, STALE, StampedValue};

/// Shows the series of a histogram with bounds.
pub(super) fn histogram(
    point: &HistogramPoint<'_>,
    metric: &str,
    labels: &LabelMap,
    visitor: &mut impl OtlpVisitor,
) -> Result<(), OtlpError> {
    let stale = is_stale(point.flags);
    let mut show = |labels: Labels, value: f64, exemplars: Vec<Exemplar>| {
        let value = StampedValue::Float(if stale { STALE } else { value });
        let (time_ms, start_ms) = (milliseconds(point.time_unix_nano), milliseconds(point.start_time_unix_nano));
        visitor.sample(OtlpSample { labels, time_ms, start_ms, value, exemplars });
    };
    let mut left = exemplars(&point.exemplars)?.into_iter().peekable();
    if let Some(sum) = point.sum {
        show(series_labels(labels, &format!("{metric}_sum"), None), sum, Vec::new());
    }
    show(series_labels(labels, &format!("{metric}_count"), None), point.count as f64, Vec::new());
    let bucket = format!("{metric}_bucket");
    let mut cumulative = 0u64;
    for (&bound, &count) in point.explicit_bounds.iter().zip(&point.bucket_counts) {
        cumulative = cumulative.wrapping_add(count);
        let mut inside = Vec::new();
        while let Some(exemplar) = left.next_if(|exemplar| exemplar.value <= bound) {
            inside.push(exemplar);
        }
        let bound = decimal(bound);
        show(series_labels(labels, &bucket, Some((BUCKET_LABEL, &bound))), cumulative as f64, inside);
    }
    let labels = series_labels(labels, &bucket, Some((BUCKET_LABEL, "+Inf")));
    show(labels, point.count as f64, left.collect());
    Ok(())
}

/// Shows the series of a summary.
pub(super) fn summary(point: &SummaryPoint<'_>, metric: &str, labels: &LabelMap, visitor: &mut impl OtlpVisitor) {
    let stale = is_stale(point.flags);
    let mut show = |labels: Labels, value: f64| {
        let value = StampedValue::Float(if stale { STALE } else { value });
        let (time_ms, start_ms) = (milliseconds(point.time_unix_nano), milliseconds(point.start_time_unix_nano));
        visitor.sample(OtlpSample { labels, time_ms, start_ms, value, exemplars: Vec::new() });
    };
    show(series_labels(labels, &format!("{metric}_sum"), None), point.sum);
    show(series_labels(labels, &format!("{metric}_count"), None), point.count as f64);
    for quantile in &point.quantile_values {
        let text = decimal(quantile.quantile);
        show(series_labels(labels, metric, Some(("quantile", &text))), quantile.value);
    }
}

/// The shortest decimal, never with an exponent.
fn decimal(number: f64) -> String {
    if number == f64::INFINITY {
        return "+Inf".to_owned();
    }
    if number == f64::NEG_INFINITY {
        return "-Inf".to_owned();
    }
    number.to_string()
}
