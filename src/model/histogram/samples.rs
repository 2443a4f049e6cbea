//! Histograms for tests.

use super::description::Described;
use super::float_histogram::FloatHistogram;

/// The histogram of a description that is known to be right.
pub(super) fn described(text: &str) -> FloatHistogram {
    match Described::parse(text) {
        Ok((described, length)) if length == text.len() => described.histogram,
        other => panic!("{text}: {other:?}"),
    }
}
