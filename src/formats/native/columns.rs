//! Stamped samples as columns: times, start times, histograms, values. The same in records and in snapshots.
//!
//! Times are runs with a step of their own: 0 for a scrape, whose samples have one time, the interval for one series'
//! samples in a row. Start times and histograms cost a byte where there are none.

use std::sync::Arc;

use super::bytes::{Cursor, put_signed, put_varint};
use super::runs::Runs;
use super::{NativeError, histogram, values};
use crate::model::{StampedId, StampedSample, StampedValue};

/// What a place holds before it is read.
pub(super) const BLANK: StampedSample =
    StampedSample { series: StampedId(0), time_ms: 0, start_ms: 0, value: StampedValue::Float(0.0) };

/// Appends the columns of these samples; `before_ms` is a time that both sides know and that lies near the first.
///
/// # Errors
///
/// [`NativeError::TooLarge`] for a histogram beyond all limits; `out` then holds something of it.
pub(super) fn encode(
    out: &mut Vec<u8>,
    before_ms: i64,
    step_ms: i64,
    samples: &[StampedSample],
) -> Result<(), NativeError> {
    put_signed(out, step_ms);
    times(before_ms, step_ms).encode(out, samples.iter().map(|sample| sample.time_ms));
    let has_start = |sample: &StampedSample| sample.start_ms != 0;
    if put_positions(out, samples, has_start) > 0 {
        let starts = samples.iter().filter(|sample| has_start(sample)).map(|sample| sample.start_ms);
        times(before_ms, 0).encode(out, starts);
    }
    let is_histogram = |sample: &StampedSample| matches!(sample.value, StampedValue::Histogram(_));
    if put_positions(out, samples, is_histogram) == 0 {
        values::encode(out, samples.iter().map(float));
        return Ok(());
    }
    let floats: Vec<f64> = samples.iter().filter(|sample| !is_histogram(sample)).map(float).collect();
    values::encode(out, floats.into_iter());
    for sample in samples {
        if let StampedValue::Histogram(histogram) = &sample.value {
            histogram::encode(out, histogram)?;
        }
    }
    Ok(())
}

/// Reads the columns of as many samples as there are places; those must be [`BLANK`] but for their series. `room` is
/// how many buckets all histograms together may have.
pub(super) fn decode(
    cursor: &mut Cursor<'_>,
    before_ms: i64,
    samples: &mut [StampedSample],
    mut room: usize,
) -> Result<(), NativeError> {
    let step_ms = cursor.signed("a step of times")?;
    let set_time = |sample: &mut StampedSample, time| sample.time_ms = time;
    times(before_ms, step_ms).decode(cursor, samples.iter_mut(), set_time, "a column of times")?;
    let with_start = positions(cursor, samples.len())?;
    if !with_start.is_empty() {
        let mut starts = vec![0i64; with_start.len()];
        let set_start = |place: &mut i64, start| *place = start;
        times(before_ms, 0).decode(cursor, starts.iter_mut(), set_start, "a column of start times")?;
        with_start.iter().zip(starts).for_each(|(&at, start)| samples[at as usize].start_ms = start);
    }
    let histograms = positions(cursor, samples.len())?;
    if histograms.is_empty() {
        let set = |sample: &mut StampedSample, value| sample.value = StampedValue::Float(value);
        return values::decode(cursor, samples.iter_mut(), set);
    }
    let mut floats = vec![0.0; samples.len() - histograms.len()];
    values::decode(cursor, floats.iter_mut(), |place: &mut f64, value| *place = value)?;
    let mut floats = floats.into_iter();
    let mut next = histograms.iter().copied().peekable();
    for (at, sample) in (0..).zip(samples) {
        if next.next_if_eq(&at).is_some() {
            sample.value = StampedValue::Histogram(Arc::new(histogram::decode(cursor, &mut room)?));
        } else if let Some(value) = floats.next() {
            sample.value = StampedValue::Float(value);
        }
    }
    Ok(())
}

/// The step that samples of one series in a row most likely have.
pub(super) fn likely_step(samples: &[StampedSample]) -> i64 {
    match samples {
        [first, second, ..] if first.series == second.series => second.time_ms.saturating_sub(first.time_ms),
        _ => 0,
    }
}

fn times(before_ms: i64, step_ms: i64) -> Runs {
    Runs { before: before_ms, step: step_ms, range: i64::MIN..=i64::MAX }
}

#[inline]
fn float(sample: &StampedSample) -> f64 {
    match sample.value {
        StampedValue::Float(value) => value,
        // Asked for numbers only.
        StampedValue::Histogram(_) => 0.0,
    }
}

/// Appends how many samples something holds for, and which; answers how many.
fn put_positions(out: &mut Vec<u8>, samples: &[StampedSample], holds: impl Fn(&StampedSample) -> bool) -> usize {
    let count = samples.iter().filter(|sample| holds(sample)).count();
    put_varint(out, count as u64);
    if count > 0 {
        let found = samples.iter().zip(0..).filter(|(sample, _)| holds(sample)).map(|(_, at)| at);
        position_runs(samples.len()).encode(out, found);
    }
    count
}

/// Reads positions among `len` samples, ascending.
fn positions(cursor: &mut Cursor<'_>, len: usize) -> Result<Vec<u32>, NativeError> {
    let count = cursor.varint("a number of positions")?;
    let count = usize::try_from(count).ok().filter(|&count| count <= len);
    let count = count.ok_or_else(|| cursor.malformed("a possible number of positions"))?;
    let mut found = vec![0u32; count];
    if count > 0 {
        let set = |place: &mut u32, at| *place = at as u32;
        position_runs(len).decode(cursor, found.iter_mut(), set, "a column of positions")?;
        if !found.is_sorted_by(|a, b| a < b) {
            return Err(cursor.malformed("ascending positions"));
        }
    }
    Ok(found)
}

fn position_runs(len: usize) -> Runs {
    Runs { before: -1, step: 1, range: 0..=(len as i64 - 1).min(i64::from(u32::MAX)) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::histogram::tests::{any_histogram, bits as histogram_bits};
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) fn any_samples() -> impl Strategy<Value = Vec<StampedSample>> {
        let time = prop_oneof![
            Just(1_700_000_000_123i64),
            (0..50i64).prop_map(|tick| 1_700_000_000_123 + tick * 15_000),
            any::<i64>()
        ];
        let start = prop_oneof![3 => Just(0i64), 1 => Just(1_699_999_000_000i64), 1 => any::<i64>()];
        let float = prop_oneof![any::<u64>().prop_map(f64::from_bits), (0..9999i32).prop_map(f64::from)];
        let value = prop_oneof![
            6 => float.prop_map(StampedValue::Float),
            1 => any_histogram().prop_map(|histogram| StampedValue::Histogram(Arc::new(histogram))),
        ];
        let series = prop_oneof![0..8u32, any::<u32>()].prop_map(StampedId);
        let sample = (series, time, start, value).prop_map(|(series, time_ms, start_ms, value)| StampedSample {
            series,
            time_ms,
            start_ms,
            value,
        });
        prop::collection::vec(sample, 0..60)
    }

    /// Everything by its bits.
    pub(in super::super) fn bits(samples: &[StampedSample]) -> impl PartialEq + std::fmt::Debug + use<> {
        let value = |sample: &StampedSample| match &sample.value {
            StampedValue::Float(value) => (Some(value.to_bits()), None),
            StampedValue::Histogram(histogram) => (None, Some(histogram_bits(histogram))),
        };
        let bits = |sample: &StampedSample| (sample.series, sample.time_ms, sample.start_ms, value(sample));
        samples.iter().map(bits).collect::<Vec<_>>()
    }

    fn back(bytes: &[u8], before_ms: i64, of: &[StampedSample]) -> Result<Vec<StampedSample>, NativeError> {
        let mut cursor = Cursor::new(bytes);
        let mut samples: Vec<_> = of.iter().map(|sample| StampedSample { series: sample.series, ..BLANK }).collect();
        decode(&mut cursor, before_ms, &mut samples, usize::MAX)?;
        cursor.finish()?;
        Ok(samples)
    }

    #[test]
    fn a_series_in_a_row_costs_no_times() {
        let samples: Vec<StampedSample> =
            (0..120).map(|tick| StampedSample { time_ms: 1_700_000_000_123 + tick * 15_000, ..BLANK }).collect();
        let mut out = Vec::new();
        encode(&mut out, 1_700_000_000_000, likely_step(&samples), &samples).unwrap();
        assert!(out.len() < 60 + 12, "{} bytes", out.len());
        assert_eq!(bits(&back(&out, 1_700_000_000_000, &samples).unwrap()), bits(&samples));
    }

    proptest! {
        #[test]
        fn samples_come_back(samples in any_samples(), before_ms in any::<i64>(), step_ms in any::<i64>()) {
            for step_ms in [0, step_ms, likely_step(&samples)] {
                let mut out = Vec::new();
                encode(&mut out, before_ms, step_ms, &samples).unwrap();
                prop_assert_eq!(bits(&back(&out, before_ms, &samples).unwrap()), bits(&samples));
            }
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), count in 0..40usize) {
            let _ = back(&bytes, 0, &vec![BLANK; count]);
        }
    }
}
