//! Samples as they come out of a body.

use std::sync::Arc;

use super::super::protobuf::{Fields, Malformed};
use crate::model::histogram::{FloatHistogram, HistogramError};

/// A float at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloatSample {
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// When the counting began, in milliseconds since 1970; 0 where nobody said (1.0 bodies never say).
    pub start_ms: i64,
    /// The value, bit by bit as sent.
    pub value: f64,
}

/// A native histogram at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSample {
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// When the counting began, in milliseconds since 1970; 0 where nobody said.
    pub start_ms: i64,
    /// The histogram, valid, or why it is none.
    pub histogram: Result<Arc<FloatHistogram>, HistogramError>,
}

impl HistogramSample {
    /// How many float samples its memory is worth, about.
    pub(super) fn weight(&self) -> usize {
        let numbers = |histogram: &Arc<FloatHistogram>| {
            let sides = [&histogram.positive, &histogram.negative];
            sides.iter().map(|side| side.counts.len() + side.spans.len()).sum::<usize>() + histogram.bounds().len()
        };
        10 + self.histogram.as_ref().map_or(0, numbers) / 2
    }
}

/// Reads a sample; 1.0 samples have no start, so a field of that number means nothing there.
#[inline]
pub(super) fn read_sample(mut fields: Fields<'_>, with_start: bool) -> Result<FloatSample, Malformed> {
    let mut sample = FloatSample { time_ms: 0, start_ms: 0, value: 0.0 };
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => sample.value = value.double(&fields)?,
            2 => sample.time_ms = value.signed(&fields)?,
            3 if with_start => sample.start_ms = value.signed(&fields)?,
            _ => {}
        }
    }
    Ok(sample)
}
