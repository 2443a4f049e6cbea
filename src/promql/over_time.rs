//! What can be said about the values of a window: `avg_over_time` and its family.

use std::sync::Arc;

use crate::model::histogram::general_text;

use super::column::Point;
use super::error::QueryError;
use super::quantile::quantile as quantile_of;
use super::window::{Context, Window};
use super::{histograms_over_time, slide};

type Answer = Result<Option<Point>, QueryError>;

fn float(value: f64) -> Answer {
    Ok(Some(Point::Float(value)))
}

/// 1 where there is any sample.
pub fn present(_: &Window<'_>, _: &mut Context<'_>) -> Answer {
    float(1.0)
}

/// Number of samples.
pub fn count(window: &Window<'_>, _: &mut Context<'_>) -> Answer {
    float((window.floats.len() + window.histograms.len()) as f64)
}

/// The sum of all floats, or of all histograms.
pub fn sum(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    if is_mixed(window, context) {
        return Ok(None);
    }
    if window.floats.is_empty() {
        return Ok(histograms_over_time::sum(window.histograms.values, context));
    }
    float(slide::sum(window.floats.values))
}

/// The mean of all floats, or of all histograms.
pub fn avg(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    if is_mixed(window, context) {
        return Ok(None);
    }
    if window.floats.is_empty() {
        return Ok(histograms_over_time::mean(window.histograms.values, context));
    }
    float(slide::mean(window.floats.values))
}

/// Whether there are both floats and histograms; says so.
pub fn is_mixed(window: &Window<'_>, context: &Context<'_>) -> bool {
    let is_mixed = !window.floats.is_empty() && !window.histograms.is_empty();
    if is_mixed {
        context.warn(format_args!("encountered a mix of histograms and floats for metric name {}", context.name()));
    }
    is_mixed
}

/// Says that histograms beside floats were ignored, if there are any.
pub fn ignore_histograms(window: &Window<'_>, context: &Context<'_>) {
    if !window.histograms.is_empty() {
        context.info(format_args!(
            "ignored histograms in a range containing both floats and histograms for metric name {}",
            context.name()
        ));
    }
}

/// Value and time (in seconds) of the float that stands out.
fn extreme(window: &Window<'_>, context: &Context<'_>, is_better: impl Fn(f64, f64) -> bool) -> Option<(f64, f64)> {
    let points = window.floats;
    let (mut best, mut time) = (*points.values.first()?, points.times[0]);
    ignore_histograms(window, context);
    for (value, at) in points.values.iter().zip(points.times) {
        if is_better(*value, best) || best.is_nan() {
            (best, time) = (*value, *at);
        }
    }
    Some((best, time as f64 / 1000.0))
}

/// The greatest float.
pub fn max(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extreme(window, context, |value, best| value > best).map(|(value, _)| Point::Float(value)))
}

/// The smallest float.
pub fn min(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extreme(window, context, |value, best| value < best).map(|(value, _)| Point::Float(value)))
}

/// The time of the last one of the greatest floats.
pub fn time_of_max(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extreme(window, context, |value, best| value >= best).map(|(_, time)| Point::Float(time)))
}

/// The time of the last one of the smallest floats.
pub fn time_of_min(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(extreme(window, context, |value, best| value <= best).map(|(_, time)| Point::Float(time)))
}

/// The first sample.
pub fn first(window: &Window<'_>, _: &mut Context<'_>) -> Answer {
    let (floats, histograms) = (window.floats, window.histograms);
    Ok(match (floats.times.first(), histograms.times.first()) {
        (Some(float), Some(histogram)) if float >= histogram => {
            Some(Point::Histogram(Arc::clone(&histograms.values[0])))
        }
        (Some(_), _) => Some(Point::Float(floats.values[0])),
        (None, Some(_)) => Some(Point::Histogram(Arc::clone(&histograms.values[0]))),
        (None, None) => None,
    })
}

/// The last sample.
pub fn last(window: &Window<'_>, _: &mut Context<'_>) -> Answer {
    let (floats, histograms) = (window.floats, window.histograms);
    let histogram = histograms.values.last().map(|histogram| Point::Histogram(Arc::clone(histogram)));
    Ok(match (floats.times.last(), histograms.times.last()) {
        (Some(float), Some(other)) if float <= other => histogram,
        (Some(_), _) => floats.values.last().map(|value| Point::Float(*value)),
        (None, _) => histogram,
    })
}

/// The time of the first sample.
pub fn time_of_first(window: &Window<'_>, _: &mut Context<'_>) -> Answer {
    let times = [window.floats.times.first(), window.histograms.times.first()];
    let time = times.into_iter().flatten().min().copied();
    Ok(time.map(|time| Point::Float(time as f64 / 1000.0)))
}

/// The time of the last sample; at the earliest the epoch.
pub fn time_of_last(window: &Window<'_>, _: &mut Context<'_>) -> Answer {
    let time = |times: &[i64]| times.last().copied().unwrap_or(0);
    float(time(window.floats.times).max(time(window.histograms.times)) as f64 / 1000.0)
}

/// The median of the distances from the median.
pub fn mad(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    if window.floats.is_empty() {
        return Ok(None);
    }
    ignore_histograms(window, context);
    if window.floats.values.iter().any(|value| value.is_nan()) {
        return float(f64::NAN);
    }
    let values = &mut context.values;
    values.clear();
    values.extend_from_slice(window.floats.values);
    let median = quantile_of(0.5, values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    float(quantile_of(0.5, values))
}

/// A quantile of the floats.
pub fn quantile(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    if window.floats.is_empty() {
        return Ok(None);
    }
    let rank = context.params[0];
    if !(0.0..=1.0).contains(&rank) {
        context.warn(format_args!("quantile value should be between 0 and 1, got {}", general_text(rank)));
    }
    ignore_histograms(window, context);
    context.values.clear();
    context.values.extend_from_slice(window.floats.values);
    float(quantile_of(rank, &mut context.values))
}

/// The standard deviation of the floats.
pub fn stddev(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(variance(window, context).map(|variance| Point::Float(variance.sqrt())))
}

/// The variance of the floats.
pub fn stdvar(window: &Window<'_>, context: &mut Context<'_>) -> Answer {
    Ok(variance(window, context).map(Point::Float))
}

fn variance(window: &Window<'_>, context: &Context<'_>) -> Option<f64> {
    if window.floats.is_empty() {
        return None;
    }
    ignore_histograms(window, context);
    Some(slide::variance(window.floats.values))
}
