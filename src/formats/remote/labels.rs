//! What labels of a series must be: the rules of the remote write specifications, as Prometheus applies them.

use super::error::{SeriesError, describe_labels};
use super::limits::WriteLimits;
use crate::model::METRIC_NAME;

/// Sorts labels by name, validates them and appends them to `valid` without those whose value is empty. `found` labels
/// were sent, of which no more than the limits allow are given.
///
/// # Errors
/// The first rule that they break.
pub(super) fn sorted_valid<'a>(
    raw: &mut [(&'a [u8], &'a [u8])],
    found: usize,
    limits: &WriteLimits,
    valid: &mut Vec<(&'a str, &'a str)>,
) -> Result<(), SeriesError> {
    valid.clear();
    if found > limits.labels_max {
        let limit = limits.labels_max;
        return Err(SeriesError::TooMany { labels: text_of(raw), what: "labels", found, limit });
    }
    if !raw.is_sorted_by_key(|&(name, _)| name) {
        raw.sort_by_key(|&(name, _)| name);
    }
    let mut named = false;
    for &(name, value) in raw.iter() {
        for (what, part, limit) in [("name", name, limits.name_bytes_max), ("value", value, limits.value_bytes_max)] {
            if part.len() > limit {
                return Err(SeriesError::TooLong { labels: text_of(raw), what, length: part.len(), limit });
            }
        }
        let is_metric = name == METRIC_NAME.as_bytes();
        named |= is_metric;
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            return Err(SeriesError::Invalid { labels: text_of(raw) });
        };
        if name.is_empty() || is_metric && value.is_empty() {
            return Err(SeriesError::Invalid { labels: text_of(raw) });
        }
        valid.push((name, value));
    }
    if !named {
        return Err(SeriesError::Invalid { labels: text_of(raw) });
    }
    if let Some(pair) = valid.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(SeriesError::Duplicate { labels: text_of(raw), name: pair[0].0.to_owned() });
    }
    valid.retain(|(_, value)| !value.is_empty());
    Ok(())
}

/// The labels for a message.
pub(super) fn text_of(raw: &[(&[u8], &[u8])]) -> String {
    describe_labels(raw.iter().copied())
}
