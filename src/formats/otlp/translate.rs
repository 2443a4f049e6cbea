//! Walks over a request: resources, scopes, metrics, points.

use std::collections::HashSet;

use super::classic;
use super::error::{OtlpBodyError, OtlpError};
use super::exemplar::exemplars;
use super::json;
use super::labels::{LabelMap, ResourceLabels, point_labels, scope_labels, series_labels};
use super::message::{
    Attribute, CUMULATIVE, DELTA, ExponentialPoint, HistogramPoint, Metric, NumberPoint, PointExemplar, Request,
    ResourceMetrics, SummaryPoint, is_stale,
};
use super::metric_names::{Naming, metric_name, quoted, unit_name};
use super::native::{Broken, custom, exponential};
use super::options::OtlpOptions;
use super::target_info::target_info;
use super::wire;
use crate::model::{Exemplar, Labels, METRIC_NAME, Metadata, MetricKind, STALE, StampedValue};

/// A sample of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpSample {
    /// The series.
    pub labels: Labels,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// When the counting began, in milliseconds since 1970; 0 where nobody said.
    pub start_ms: i64,
    /// The value.
    pub value: StampedValue,
    /// Examples behind it; a time of 0 means that it has none.
    pub exemplars: Vec<Exemplar>,
}

/// A receiver of what a request says.
pub trait OtlpVisitor {
    /// A sample.
    fn sample(&mut self, sample: OtlpSample);

    /// What a metric measures; its series are named so, or begin so.
    fn metadata(&mut self, metric: &str, metadata: Metadata);

    /// A metric, or the rest of its points, that cannot be translated.
    fn refused(&mut self, error: OtlpError);

    /// Something odd that was taken, or left out, nevertheless.
    fn warning(&mut self, text: String);
}

/// Shows everything in a protobuf body to the visitor.
///
/// # Errors
/// A body that is malformed or has too many parts: the visitor was shown nothing of it.
pub fn translate_protobuf(
    body: &[u8],
    options: &OtlpOptions,
    visitor: &mut impl OtlpVisitor,
) -> Result<(), OtlpBodyError> {
    translate(&wire::read_request(body, options.parts_max)?, options, visitor);
    Ok(())
}

/// Shows everything in a JSON body to the visitor.
///
/// # Errors
/// A body that is malformed or has too many parts: the visitor was shown nothing of it.
pub fn translate_json(body: &[u8], options: &OtlpOptions, visitor: &mut impl OtlpVisitor) -> Result<(), OtlpBodyError> {
    translate(&json::read_request(body, options.parts_max)?, options, visitor);
    Ok(())
}

fn translate(request: &Request<'_>, options: &OtlpOptions, visitor: &mut impl OtlpVisitor) {
    let mut seen = HashSet::new();
    for metrics in &request.resource_metrics {
        if let Err(error) = resource_metrics(metrics, options, &mut seen, visitor) {
            visitor.refused(error);
        }
    }
}

fn resource_metrics(
    metrics: &ResourceMetrics<'_>,
    options: &OtlpOptions,
    seen: &mut HashSet<(Labels, i64)>,
    visitor: &mut impl OtlpVisitor,
) -> Result<(), OtlpError> {
    let resource = ResourceLabels::new(&metrics.resource, options)?;
    let mut times: Option<(u64, u64)> = None;
    for in_scope in &metrics.scope_metrics {
        let scope = match scope_labels(in_scope, options) {
            Ok(scope) => scope,
            Err(error) => {
                visitor.refused(error);
                continue;
            }
        };
        for metric in &in_scope.metrics {
            for time in metric.times() {
                let (first, last) = times.unwrap_or((time, time));
                times = Some((first.min(time), last.max(time)));
            }
            let translated = Translator { resource: &resource, scope: &scope, options }.metric(metric, visitor);
            if let Err(error) = translated {
                visitor.refused(error);
            }
        }
    }
    match times {
        Some(times) => target_info(&metrics.resource, &resource, times, options, seen, visitor),
        None => Ok(()),
    }
}

/// What holds for the metrics of a scope.
struct Translator<'t> {
    resource: &'t ResourceLabels,
    scope: &'t LabelMap,
    options: &'t OtlpOptions,
}

impl Translator<'_> {
    fn metric(&self, metric: &Metric<'_>, visitor: &mut impl OtlpVisitor) -> Result<(), OtlpError> {
        let (naming, kind, temporality) = metric.nature()?;
        if temporality.is_some_and(|t| t != CUMULATIVE && !(self.options.allow_delta && t == DELTA)) {
            return Err(OtlpError::Temporality { metric: quoted(&metric.name) });
        }
        let name = metric_name(&metric.name, &metric.unit, naming, self.options.strategy)?;
        if metric.times().next().is_none() {
            visitor.warning(format!("empty data points. {} is dropped", metric.name));
            return Ok(());
        }
        let kind = if temporality == Some(DELTA) { MetricKind::Unknown } else { kind };
        let unit = unit_name(&metric.unit).into();
        visitor.metadata(&name, Metadata { kind, help: (*metric.description).into(), unit });
        let temporality = temporality.unwrap_or(0);
        for point in metric.gauge.iter().flat_map(|gauge| &gauge.data_points) {
            self.number(point, &name, &[], visitor)?;
        }
        for point in metric.sum.iter().flat_map(|sum| &sum.data_points) {
            self.number(point, &name, &point.exemplars, visitor)?;
        }
        for point in metric.histogram.iter().flat_map(|histogram| &histogram.data_points) {
            if self.options.histograms_to_custom {
                let value = custom(point, temporality);
                let times = (point.time_unix_nano, point.start_time_unix_nano);
                self.native(value, &name, &point.attributes, times, &point.exemplars, visitor)?;
            } else {
                classic::histogram(point, &name, &self.labels(&point.attributes)?, visitor)?;
            }
        }
        for point in metric.exponential_histogram.iter().flat_map(|histogram| &histogram.data_points) {
            let value = exponential(point, temporality);
            let times = (point.time_unix_nano, point.start_time_unix_nano);
            self.native(value, &name, &point.attributes, times, &point.exemplars, visitor)?;
        }
        for point in metric.summary.iter().flat_map(|summary| &summary.data_points) {
            classic::summary(point, &name, &self.labels(&point.attributes)?, visitor);
        }
        Ok(())
    }

    fn labels(&self, attributes: &[Attribute<'_>]) -> Result<LabelMap, OtlpError> {
        point_labels(attributes, &[METRIC_NAME], self.resource, true, self.scope, self.options)
    }

    fn number(
        &self,
        point: &NumberPoint<'_>,
        metric: &str,
        examples: &[PointExemplar<'_>],
        visitor: &mut impl OtlpVisitor,
    ) -> Result<(), OtlpError> {
        let value = match (point.as_int, point.as_double) {
            _ if is_stale(point.flags) => STALE,
            (Some(number), _) => number as f64,
            (None, number) => number.unwrap_or(0.0),
        };
        visitor.sample(OtlpSample {
            labels: series_labels(&self.labels(&point.attributes)?, metric, None),
            time_ms: milliseconds(point.time_unix_nano),
            start_ms: milliseconds(point.start_time_unix_nano),
            value: StampedValue::Float(value),
            exemplars: exemplars(examples)?,
        });
        Ok(())
    }

    fn native(
        &self,
        value: Result<StampedValue, Broken>,
        metric: &str,
        attributes: &[Attribute<'_>],
        times: (u64, u64),
        examples: &[PointExemplar<'_>],
        visitor: &mut impl OtlpVisitor,
    ) -> Result<(), OtlpError> {
        let labels = series_labels(&self.labels(attributes)?, metric, None);
        let value = value.map_err(|broken| broken.of_series(labels.to_string()))?;
        let (time_ms, start_ms) = (milliseconds(times.0), milliseconds(times.1));
        visitor.sample(OtlpSample { labels, time_ms, start_ms, value, exemplars: exemplars(examples)? });
        Ok(())
    }
}

impl Metric<'_> {
    /// What it is, in its name and in its metadata, and how it counts if it counts.
    fn nature(&self) -> Result<(Naming, MetricKind, Option<u64>), OtlpError> {
        if self.gauge.is_some() {
            Ok((Naming::Gauge, MetricKind::Gauge, None))
        } else if let Some(sum) = &self.sum {
            let (naming, kind) = match sum.is_monotonic {
                true => (Naming::Counter, MetricKind::Counter),
                false => (Naming::Other, MetricKind::Gauge),
            };
            Ok((naming, kind, Some(sum.aggregation_temporality)))
        } else if let Some(histogram) = &self.histogram {
            Ok((Naming::Other, MetricKind::Histogram, Some(histogram.aggregation_temporality)))
        } else if let Some(histogram) = &self.exponential_histogram {
            Ok((Naming::Other, MetricKind::Histogram, Some(histogram.aggregation_temporality)))
        } else if self.summary.is_some() {
            Ok((Naming::Other, MetricKind::Summary, None))
        } else {
            Err(OtlpError::Kind { metric: self.name[..self.name.floor_char_boundary(256)].to_owned() })
        }
    }

    /// The times of all points, in nanoseconds.
    fn times(&self) -> impl Iterator<Item = u64> + '_ {
        let numbers = [&self.gauge, &self.sum].into_iter().flatten().flat_map(|numbers| &numbers.data_points);
        let histograms = self.histogram.iter().flat_map(|histogram| &histogram.data_points);
        let exponentials = self.exponential_histogram.iter().flat_map(|histogram| &histogram.data_points);
        let summaries = self.summary.iter().flat_map(|summary| &summary.data_points);
        numbers
            .map(|point: &NumberPoint<'_>| point.time_unix_nano)
            .chain(histograms.map(|point: &HistogramPoint<'_>| point.time_unix_nano))
            .chain(exponentials.map(|point: &ExponentialPoint<'_>| point.time_unix_nano))
            .chain(summaries.map(|point: &SummaryPoint<'_>| point.time_unix_nano))
    }
}

/// A time in nanoseconds, in milliseconds.
pub(super) fn milliseconds(nanoseconds: u64) -> i64 {
    nanoseconds.cast_signed() / 1_000_000
}
