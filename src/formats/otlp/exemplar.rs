//! Exemplars of points.

use std::fmt::Write;

use super::error::OtlpError;
use super::message::PointExemplar;
use crate::model::{Exemplar, Labels};

/// The exemplars of a point. Attributes are left out where they would make the labels longer than is allowed.
pub(super) fn exemplars(points: &[PointExemplar<'_>]) -> Result<Vec<Exemplar>, OtlpError> {
    points.iter().map(exemplar).collect()
}

fn exemplar(point: &PointExemplar<'_>) -> Result<Exemplar, OtlpError> {
    let value = match (point.as_int, point.as_double) {
        (Some(number), _) => number as f64,
        (None, Some(number)) => number,
        (None, None) => return Err(OtlpError::Exemplar),
    };
    let mut labels = Vec::new();
    for (name, id, length) in [("trace_id", &point.trace_id, 16), ("span_id", &point.span_id, 8)] {
        if id.len() == length && id.iter().any(|&byte| byte != 0) {
            let mut digits = String::new();
            for byte in id {
                // Writing to a String cannot fail.
                let _ = write!(digits, "{byte:02x}");
            }
            labels.push((name.to_owned(), digits));
        }
    }
    let ids = labels.len();
    labels.extend(point.filtered_attributes.iter().map(|found| (found.key.to_string(), found.value.to_text())));
    let characters: usize = labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if characters > CHARACTERS_MAX {
        labels.truncate(ids);
    }
    labels.retain(|(name, _)| !name.is_empty());
    let time_ms = point.time_unix_nano.cast_signed().div_euclid(1_000_000);
    Ok(Exemplar { labels: Labels::from_pairs(labels), value, time_ms })
}

/// Characters of all names and values of an exemplar's labels, as OpenMetrics allows.
const CHARACTERS_MAX: usize = 128;
