//! A record of stamped series: samples and exemplars of one host, and names for the numbers that it uses.
//!
//! Numbers of stamped series are their own, beside those of grid series; the host's number is the same for both.

use std::ops::RangeInclusive;

use super::bytes::{Cursor, put_signed, put_text, put_varint};
use super::record::{KIND_STAMPED, SAMPLES_MAX};
use super::runs::Runs;
use super::symbols::{SymbolReader, SymbolWriter};
use super::{NativeError, columns, histogram};
use crate::model::{Exemplar, Labels, StampedId, StampedSample, StampedValue};

/// What a record of stamped series says of numbers, and when it was received.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StampedHead<'a> {
    /// The host's number.
    pub host: u32,
    /// When the samples were received, milliseconds since 1970.
    pub received_ms: i64,
    /// Cluster and host, if the number stands for them from now on.
    pub names: Option<(&'a str, &'a str)>,
    /// Series of the host with all of their labels.
    pub definitions: &'a [(StampedId, Labels)],
}

/// Stamped samples and exemplars of one host, in the order of their arrival.
#[derive(Debug, Clone)]
pub struct StampedRecord<'a> {
    /// The host's number.
    pub host: u32,
    /// When the samples were received, milliseconds since 1970.
    pub received_ms: i64,
    /// Cluster and host, if the number stands for them from now on.
    pub names: Option<(&'a str, &'a str)>,
    /// Names that this segment did not need before.
    pub definitions: Vec<(StampedId, Labels)>,
    /// The exemplars.
    pub exemplars: Vec<(StampedId, Exemplar)>,
    /// How many samples follow.
    count: usize,
    /// How far a series' number lies behind the one before it where nothing else is said.
    step: i64,
    columns: Cursor<'a>,
}

/// Appends the payload of a record of stamped series to `out`. All belongs to one host; any order and repetition of
/// series is kept. Allocates nothing a sample but the growth of `out`, as long as they are numbers.
///
/// # Errors
///
/// [`NativeError::TooLarge`] beyond [`SAMPLES_MAX`] samples, exemplars or definitions, and beyond what all histograms
/// of a record may hold; `out` then holds something of it.
pub fn encode_stamped(
    out: &mut Vec<u8>,
    head: &StampedHead<'_>,
    samples: &[StampedSample],
    exemplars: &[(StampedId, Exemplar)],
) -> Result<(), NativeError> {
    let too_large = |what, found: usize, limit: usize| match found > limit {
        true => Err(NativeError::TooLarge { what, found: found as u64, limit: limit as u64 }),
        false => Ok(()),
    };
    too_large("samples in a record", samples.len(), SAMPLES_MAX)?;
    too_large("exemplars in a record", exemplars.len(), SAMPLES_MAX)?;
    too_large("definitions in a record", head.definitions.len(), SAMPLES_MAX)?;
    let buckets = |sample: &StampedSample| match &sample.value {
        StampedValue::Float(_) => 0,
        StampedValue::Histogram(histogram) => histogram::numbers(histogram),
    };
    too_large("buckets in a record", samples.iter().map(buckets).sum(), BUCKETS_MAX)?;
    let is_row = matches!(samples, [first, second, ..] if first.series == second.series);
    out.push(KIND_STAMPED);
    put_varint(out, u64::from(head.host));
    put_signed(out, head.received_ms);
    out.push(if head.names.is_some() { HAS_NAMES } else { 0 } | if is_row { IS_ROW } else { 0 });
    if let Some((cluster, host)) = head.names {
        put_text(out, cluster);
        put_text(out, host);
    }
    let mut symbols = SymbolWriter::default();
    put_varint(out, head.definitions.len() as u64);
    for (series, labels) in head.definitions {
        put_varint(out, u64::from(series.0));
        symbols.put_labels(out, labels);
    }
    put_varint(out, exemplars.len() as u64);
    for (series, Exemplar { labels, value, time_ms }) in exemplars {
        put_varint(out, u64::from(series.0));
        put_signed(out, time_ms.wrapping_sub(head.received_ms));
        out.extend_from_slice(&value.to_le_bytes());
        symbols.put_labels(out, labels);
    }
    put_varint(out, samples.len() as u64);
    series_column(is_row).encode(out, samples.iter().map(|sample| i64::from(sample.series.0)));
    columns::encode(out, head.received_ms, columns::likely_step(samples), samples)
}

impl<'a> StampedRecord<'a> {
    pub(super) fn parse(mut cursor: Cursor<'a>) -> Result<Self, NativeError> {
        let host = cursor.varint("a host's number")?;
        let host = u32::try_from(host).map_err(|_| cursor.malformed("a host's number of 32 bits"))?;
        let received_ms = cursor.signed("the time of receipt")?;
        let malformed = cursor.malformed("flags of a record of stamped samples");
        let flags = cursor.u8("flags of a record of stamped samples")?;
        if flags > HAS_NAMES | IS_ROW {
            return Err(malformed);
        }
        let names = match flags & HAS_NAMES {
            0 => None,
            _ => Some((cursor.text("a cluster")?, cursor.text("a host")?)),
        };
        let mut symbols = SymbolReader::default();
        let count = limited(&mut cursor, DEFINITION_BYTES_MIN, "a possible number of definitions")?;
        let mut definitions = Vec::with_capacity(count);
        for _ in 0..count {
            definitions.push((series(&mut cursor)?, symbols.read_labels(&mut cursor)?));
        }
        let count = limited(&mut cursor, EXEMPLAR_BYTES_MIN, "a possible number of exemplars")?;
        let mut exemplars = Vec::with_capacity(count);
        for _ in 0..count {
            let series = series(&mut cursor)?;
            let time_ms = cursor.signed("an exemplar's time")?.wrapping_add(received_ms);
            let value = cursor.f64("an exemplar's value")?;
            exemplars.push((series, Exemplar { labels: symbols.read_labels(&mut cursor)?, value, time_ms }));
        }
        let count = cursor.varint("a number of samples")?;
        let count =
            usize::try_from(count).ok().filter(|&count| count <= SAMPLES_MAX && count / 2 <= cursor.rest().len());
        let count = count.ok_or_else(|| cursor.malformed("a possible number of samples"))?;
        let step = if flags & IS_ROW == 0 { 1 } else { 0 };
        Ok(StampedRecord { host, received_ms, names, definitions, exemplars, count, step, columns: cursor })
    }

    /// How many samples [`read`](Self::read) gives.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no samples: only definitions and exemplars.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Reads the samples into a buffer that can be used again: its old content goes. On an error the buffer is empty.
    ///
    /// # Errors
    ///
    /// [`NativeError::Malformed`], with the offset inside the payload.
    pub fn read(&self, samples: &mut Vec<StampedSample>) -> Result<(), NativeError> {
        samples.clear();
        samples.resize(self.count, columns::BLANK);
        let outcome = self.read_columns(samples);
        if outcome.is_err() {
            samples.clear();
        }
        outcome
    }

    fn read_columns(&self, samples: &mut [StampedSample]) -> Result<(), NativeError> {
        let mut cursor = self.columns.clone();
        let set_series = |sample: &mut StampedSample, series| sample.series = StampedId(series as u32);
        let column = series_column(self.step == 0);
        column.decode(&mut cursor, samples.iter_mut(), set_series, "a column of series numbers")?;
        columns::decode(&mut cursor, self.received_ms, samples, BUCKETS_MAX)?;
        cursor.finish()
    }
}

fn series(cursor: &mut Cursor<'_>) -> Result<StampedId, NativeError> {
    let series = cursor.varint("a series number")?;
    u32::try_from(series).map(StampedId).map_err(|_| cursor.malformed("a series number of 32 bits"))
}

/// Reads a count of things that take at least `bytes_min` bytes each.
fn limited(cursor: &mut Cursor<'_>, bytes_min: usize, expected: &'static str) -> Result<usize, NativeError> {
    let count = cursor.varint(expected)?;
    let count =
        usize::try_from(count).ok().filter(|&count| count <= SAMPLES_MAX && count <= cursor.rest().len() / bytes_min);
    count.ok_or_else(|| cursor.malformed(expected))
}

/// A scrape has one sample of each series, a body that catches up many of one.
fn series_column(is_row: bool) -> Runs {
    let step = if is_row { 0 } else { 1 };
    Runs { before: -1, step, range: RangeInclusive::new(0, u32::MAX as i64) }
}

/// Buckets, spans and bounds of all histograms of a record.
const BUCKETS_MAX: usize = 1 << 22;

/// A number and no labels.
const DEFINITION_BYTES_MIN: usize = 2;
/// A number, a time, a value and no labels.
const EXEMPLAR_BYTES_MIN: usize = 11;

/// The flags: bit 0 whether names follow, bit 1 whether series repeat rather than follow each other.
const HAS_NAMES: u8 = 1;
const IS_ROW: u8 = 2;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Record;
    use super::super::columns::tests::{any_samples, bits};
    use super::*;
    use crate::model::histogram::{Buckets, FloatHistogram};
    use proptest::prelude::*;

    fn parse(payload: &[u8]) -> Result<(StampedRecord<'_>, Vec<StampedSample>), NativeError> {
        let Record::Stamped(record) = Record::parse(payload)? else { panic!("a record of stamped samples") };
        let mut samples = Vec::new();
        record.read(&mut samples)?;
        Ok((record, samples))
    }

    fn any_labels() -> impl Strategy<Value = Labels> {
        prop::collection::vec(("[a-c]{1,2}", "[a-zé]{0,6}"), 0..5).prop_map(Labels::from_pairs)
    }

    proptest! {
        #[test]
        fn records_come_back(
            expected in any_samples(),
            host in any::<u32>(),
            received_ms in any::<i64>(),
            names in prop::option::of(("[a-z]{0,5}", "[a-z]{0,5}")),
            definitions in prop::collection::vec((any::<u32>().prop_map(StampedId), any_labels()), 0..6),
            exemplars in prop::collection::vec((any::<u32>(), any_labels(), any::<u64>(), any::<i64>()), 0..4),
        ) {
            let exemplars: Vec<(StampedId, Exemplar)> = exemplars
                .into_iter()
                .map(|(series, labels, bits, time_ms)| {
                    (StampedId(series), Exemplar { labels, value: f64::from_bits(bits & !(1 << 62)), time_ms })
                })
                .collect();
            let names = names.as_ref().map(|(cluster, host)| (&**cluster, &**host));
            let head = StampedHead { host, received_ms, names, definitions: &definitions };
            let mut payload = Vec::new();
            encode_stamped(&mut payload, &head, &expected, &exemplars).unwrap();
            let (record, found) = parse(&payload).unwrap();
            prop_assert_eq!((record.host, record.received_ms, record.names), (host, received_ms, names));
            prop_assert_eq!(&record.definitions, &definitions);
            prop_assert_eq!(&record.exemplars, &exemplars);
            prop_assert_eq!(record.len(), expected.len());
            prop_assert_eq!(bits(&found), bits(&expected));
            for len in 0..payload.len() {
                prop_assert!(parse(&payload[..len]).is_err(), "{} bytes", len);
            }
            payload.push(0);
            prop_assert!(parse(&payload).is_err(), "a byte too many");
        }
    }

    fn float(series: u32, time_ms: i64, value: f64) -> StampedSample {
        StampedSample { series: StampedId(series), time_ms, start_ms: 0, value: StampedValue::Float(value) }
    }

    /// Bytes of a record, with its frame.
    fn framed_bytes(definitions: &[(StampedId, Labels)], samples: &[StampedSample]) -> usize {
        let head = StampedHead { host: 3, received_ms: 1_700_000_000_456, names: None, definitions };
        let mut out = Vec::new();
        super::super::append_record(&mut out, |out| encode_stamped(out, &head, samples, &[])).unwrap();
        out.len()
    }

    #[test]
    fn a_scrape_costs_little_more_than_its_values() {
        let scrape: Vec<StampedSample> = (0..500).map(|at| float(at, 1_700_000_000_123, 1.0 / 3.0)).collect();
        assert!(framed_bytes(&[], &scrape) < 250 + 60, "of one value, codes");
        let distinct: Vec<StampedSample> =
            (0..500).map(|at| float(at, 1_700_000_000_123, 1.0 / (3.0 + f64::from(at)))).collect();
        assert!(framed_bytes(&[], &distinct) < 500 * 9, "of noise, eight bytes of them are the value's");
        let row: Vec<StampedSample> = (0..500)
            .map(|at| float(at as u32 / 100, 1_700_000_000_123 + at % 100 * 15_000, f64::from(at as u32)))
            .collect();
        assert!(framed_bytes(&[], &row) < 500 * 3, "a body that catches up");
    }

    #[test]
    fn a_short_record_cannot_claim_much() {
        for (at, what) in [(3, "definitions"), (4, "exemplars"), (5, "samples")] {
            let mut payload = vec![KIND_STAMPED, 0, 0, 0, 0, 0];
            payload.truncate(at + 1);
            put_varint(&mut payload, SAMPLES_MAX as u64);
            let error = Record::parse(&payload).unwrap_err().to_string();
            assert!(error.ends_with(&format!("expected a possible number of {what}")), "{error}");
        }
    }

    #[test]
    fn histograms_beyond_all_bounds_are_refused() {
        let positive = Buckets::contiguous(0, vec![1.0; 1 << 17]);
        let histogram = Arc::new(FloatHistogram { positive, ..FloatHistogram::default() });
        let sample = StampedSample { value: StampedValue::Histogram(histogram), ..float(0, 0, 0.0) };
        let head = StampedHead { host: 0, received_ms: 0, names: None, definitions: &[] };
        let encoded = |count| encode_stamped(&mut Vec::new(), &head, &vec![sample.clone(); count], &[]);
        encoded(31).unwrap();
        let error = encoded(33).unwrap_err();
        assert!(matches!(error, NativeError::TooLarge { .. }), "{error}");
    }
}
