//! `target_info`: what else is known about a resource, as labels of a series that is always 1.

use std::collections::HashSet;

use super::error::OtlpError;
use super::labels::{IDENTIFYING, LabelMap, ResourceLabels, point_labels, series_labels};
use super::message::Resource;
use super::options::OtlpOptions;
use super::translate::{OtlpSample, OtlpVisitor, milliseconds};
use crate::model::{Labels, Metadata, MetricKind, StampedValue};

/// Shows `target_info` of a resource whose points lie between these two times, in nanoseconds: twice in the time that
/// queries look back.
pub(super) fn target_info(
    resource: &Resource<'_>,
    labels: &ResourceLabels,
    times: (u64, u64),
    options: &OtlpOptions,
    seen: &mut HashSet<(Labels, i64)>,
    visitor: &mut impl OtlpVisitor,
) -> Result<(), OtlpError> {
    let others = resource.attributes.iter().filter(|attribute| !IDENTIFYING.contains(&&*attribute.key)).count();
    if others == 0 {
        return Ok(());
    }
    let ignored = if options.keep_identifying { &[][..] } else { &IDENTIFYING[..] };
    let found = point_labels(&resource.attributes, ignored, labels, false, &LabelMap::new(), options)?;
    if !found.contains_key("job") && !found.contains_key("instance") {
        return Ok(());
    }
    let metadata = Metadata { kind: MetricKind::Gauge, help: "Target metadata".into(), unit: Box::default() };
    visitor.metadata(NAME, metadata);
    let labels = series_labels(&found, NAME, None);
    let interval_ns = (options.lookback_delta_ms.max(2) as u64 / 2).saturating_mul(1_000_000);
    let (first, last) = times;
    // Points of two ages in one body must not become millions of samples: the newest stretch is enough.
    let first =
        if last.saturating_sub(first) / interval_ns < SAMPLES_MAX { first } else { last - interval_ns * SAMPLES_MAX };
    let mut at = first;
    while at < last {
        show(&labels, milliseconds(at), seen, visitor);
        at = at.saturating_add(interval_ns);
    }
    show(&labels, milliseconds(last), seen, visitor);
    Ok(())
}

fn show(labels: &Labels, time_ms: i64, seen: &mut HashSet<(Labels, i64)>, visitor: &mut impl OtlpVisitor) {
    if seen.insert((labels.clone(), time_ms)) {
        let value = StampedValue::Float(1.0);
        visitor.sample(OtlpSample { labels: labels.clone(), time_ms, start_ms: 0, value, exemplars: Vec::new() });
    }
}

const NAME: &str = "target_info";
/// Samples of one resource and body.
const SAMPLES_MAX: u64 = 1000;
