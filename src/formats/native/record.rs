//! What one record of a log means, and its bytes.
//!
//! A record is one body's samples of one host, a horizon that moved, or what metrics are. Names appear once a segment:
//! the first record that needs a host's or a series' number brings its [`Definition`]. Numbers are only good inside
//! their segment. A record knows nothing of segments: who replays one keeps the tables and empties them at each new
//! segment.

use std::ops::RangeInclusive;

use super::NativeError;
use super::bytes::{Cursor, put_signed, put_text, put_varint};
use super::runs::Runs;
use super::{ComponentPath, Definition, StampedRecord, metadata, values};
use crate::model::{Metadata, Sample, SeriesId};

/// Samples in one record at most, and definitions: bounds what a reader has to allocate.
pub const SAMPLES_MAX: usize = 1 << 20;

/// One record.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Record<'a> {
    /// Samples of one host.
    Samples(SamplesRecord<'a>),
    /// A horizon that moved.
    Horizon(HorizonRecord<'a>),
    /// Stamped samples and exemplars of one host.
    Stamped(StampedRecord<'a>),
    /// What metrics are.
    Metadata(Vec<(Box<str>, Metadata)>),
    /// Samples of both kinds that came together: they are there both or neither. None of them is one of these.
    Both(Box<[Record<'a>; 2]>),
}

impl<'a> Record<'a> {
    /// Reads a record's payload. Allocates only when there are definitions, exemplars or metadata; samples stay bytes
    /// until [`SamplesRecord::read`] and [`StampedRecord::read`].
    ///
    /// # Errors
    ///
    /// [`NativeError::Malformed`], with the offset inside the payload.
    pub fn parse(payload: &'a [u8]) -> Result<Record<'a>, NativeError> {
        let mut cursor = Cursor::new(payload);
        match cursor.u8("a kind of record")? {
            KIND_BOTH => {
                let len = cursor.count(1, "the length of a record")?;
                let first = cursor.take(len, "a record")?;
                let both = [Record::parse_single(first)?, Record::parse_single(cursor.rest())?];
                Ok(Record::Both(Box::new(both)))
            }
            _ => Record::parse_single(payload),
        }
    }

    /// The records that this is: one, or both.
    pub fn parts(&self) -> &[Record<'a>] {
        match self {
            Record::Both(both) => &both[..],
            _ => std::slice::from_ref(self),
        }
    }

    fn parse_single(payload: &'a [u8]) -> Result<Record<'a>, NativeError> {
        let mut cursor = Cursor::new(payload);
        match cursor.u8("a kind of record")? {
            KIND_SAMPLES => Ok(Record::Samples(SamplesRecord::parse(cursor)?)),
            KIND_HORIZON => Ok(Record::Horizon(HorizonRecord::parse(cursor)?)),
            KIND_STAMPED => Ok(Record::Stamped(StampedRecord::parse(cursor)?)),
            KIND_METADATA => Ok(Record::Metadata(metadata::decode(&mut cursor)?)),
            _ => Err(NativeError::Malformed { at: 0, expected: "a known kind of record" }),
        }
    }
}

/// Samples of one host, in the order of their arrival.
#[derive(Debug, Clone)]
pub struct SamplesRecord<'a> {
    /// The host's number.
    pub host: u32,
    /// When the samples were received, seconds since 1970.
    pub received_secs: i64,
    /// Names that this segment did not need before.
    pub definitions: Vec<Definition<'a>>,
    /// How many samples follow.
    count: usize,
    columns: Cursor<'a>,
}

/// Nothing before `to_secs` is answered any more below a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HorizonRecord<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The host's name; `None` for every host of the cluster.
    pub host: Option<&'a str>,
    /// The sub-tree; empty for the whole host.
    pub path: ComponentPath<'a>,
    /// The first second that is still answered, since 1970.
    pub to_secs: i64,
}

/// Appends the payload of a record of samples to `out`. All samples belong to one host; any order and repetition of
/// series is kept, the order of creation is the cheapest. Allocates nothing but the growth of `out`.
///
/// # Errors
///
/// [`NativeError::TooLarge`] beyond [`SAMPLES_MAX`] samples or definitions; `out` is then unchanged.
pub fn encode_samples(
    out: &mut Vec<u8>,
    host: u32,
    received_secs: i64,
    definitions: &[Definition<'_>],
    samples: &[Sample],
) -> Result<(), NativeError> {
    for (what, found) in [("samples in a record", samples.len()), ("definitions in a record", definitions.len())] {
        if found > SAMPLES_MAX {
            return Err(NativeError::TooLarge { what, found: found as u64, limit: SAMPLES_MAX as u64 });
        }
    }
    out.push(KIND_SAMPLES);
    put_varint(out, u64::from(host));
    put_signed(out, received_secs);
    put_varint(out, definitions.len() as u64);
    for definition in definitions {
        definition.encode(out);
    }
    put_varint(out, samples.len() as u64);
    SERIES_COLUMN.encode(out, samples.iter().map(|sample| i64::from(sample.series.0)));
    secs_column(received_secs).encode(out, samples.iter().map(|sample| sample.secs));
    values::encode(out, samples.iter().map(|sample| sample.value));
    Ok(())
}

/// Appends the payload of a record of a horizon to `out`.
pub fn encode_horizon(out: &mut Vec<u8>, horizon: &HorizonRecord<'_>) {
    out.push(KIND_HORIZON);
    out.push(if horizon.host.is_some() { HAS_HOST } else { 0 } | horizon.path.depth() << DEPTH_SHIFT);
    put_signed(out, horizon.to_secs);
    put_text(out, horizon.cluster);
    if let Some(host) = horizon.host {
        put_text(out, host);
    }
    horizon.path.encode(out);
}

/// Appends the payload of a record of metadata to `out`.
pub fn encode_metadata<'m>(out: &mut Vec<u8>, metrics: impl ExactSizeIterator<Item = (&'m str, &'m Metadata)>) {
    out.push(KIND_METADATA);
    metadata::encode(out, metrics);
}

/// Appends the payload of one record that is two: the writing of it can't end between them.
///
/// # Errors
///
/// Those of both; `out` then holds something of it.
pub fn encode_both(
    out: &mut Vec<u8>,
    first: impl FnOnce(&mut Vec<u8>) -> Result<(), NativeError>,
    second: impl FnOnce(&mut Vec<u8>) -> Result<(), NativeError>,
) -> Result<(), NativeError> {
    out.push(KIND_BOTH);
    let len_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let begin = out.len();
    first(out)?;
    let found = (out.len() - begin) as u64;
    let limit = u64::from(u32::MAX);
    let len = u32::try_from(found).map_err(|_| NativeError::TooLarge { what: "bytes in a record", found, limit })?;
    out[len_at..begin].copy_from_slice(&len.to_le_bytes());
    second(out)
}

impl<'a> SamplesRecord<'a> {
    fn parse(mut cursor: Cursor<'a>) -> Result<Self, NativeError> {
        let host = cursor.varint("a host's number")?;
        let host = u32::try_from(host).map_err(|_| cursor.malformed("a host's number of 32 bits"))?;
        let received_secs = cursor.signed("the time of receipt")?;
        let mut definitions = Vec::new();
        let definitions_count = cursor.varint("a number of definitions")?;
        if definitions_count > SAMPLES_MAX as u64 {
            return Err(cursor.malformed("a possible number of definitions"));
        }
        for _ in 0..definitions_count {
            definitions.push(Definition::parse(&mut cursor)?);
        }
        let count = cursor.varint("a number of samples")?;
        let count =
            usize::try_from(count).ok().filter(|&count| count <= SAMPLES_MAX && count / 2 <= cursor.rest().len());
        let count = count.ok_or_else(|| cursor.malformed("a possible number of samples"))?;
        Ok(SamplesRecord { host, received_secs, definitions, count, columns: cursor })
    }

    /// How many samples [`read`](Self::read) gives.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are only definitions.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Reads the samples into a buffer that can be used again: its old content goes. On an error the buffer is empty.
    ///
    /// # Errors
    ///
    /// [`NativeError::Malformed`], with the offset inside the payload.
    pub fn read(&self, samples: &mut Vec<Sample>) -> Result<(), NativeError> {
        samples.clear();
        samples.resize(self.count, Sample { series: SeriesId(0), secs: 0, value: 0.0 });
        let outcome = self.read_columns(samples);
        if outcome.is_err() {
            samples.clear();
        }
        outcome
    }

    fn read_columns(&self, samples: &mut [Sample]) -> Result<(), NativeError> {
        let mut cursor = self.columns.clone();
        let set_series = |sample: &mut Sample, series| sample.series = SeriesId(series as u32);
        SERIES_COLUMN.decode(&mut cursor, samples.iter_mut(), set_series, "a column of series numbers")?;
        let set_secs = |sample: &mut Sample, secs| sample.secs = secs;
        secs_column(self.received_secs).decode(&mut cursor, samples.iter_mut(), set_secs, "a column of seconds")?;
        values::decode(&mut cursor, samples.iter_mut(), |sample: &mut Sample, value| sample.value = value)?;
        cursor.finish()
    }
}

impl<'a> HorizonRecord<'a> {
    fn parse(mut cursor: Cursor<'a>) -> Result<Self, NativeError> {
        let malformed = cursor.malformed("flags of a horizon");
        let flags = cursor.u8("flags of a horizon")?;
        if flags & ((1 << DEPTH_SHIFT) - 1) > HAS_HOST {
            return Err(malformed);
        }
        let to_secs = cursor.signed("a horizon's second")?;
        let cluster = cursor.text("a cluster")?;
        let host = if flags & HAS_HOST != 0 { Some(cursor.text("a host")?) } else { None };
        let path = ComponentPath::parse(&mut cursor, flags >> DEPTH_SHIFT)?;
        cursor.finish()?;
        Ok(HorizonRecord { cluster, host, path, to_secs })
    }
}

const KIND_SAMPLES: u8 = 1;
const KIND_HORIZON: u8 = 2;
pub(super) const KIND_STAMPED: u8 = 3;
const KIND_METADATA: u8 = 4;
const KIND_BOTH: u8 = 5;

/// A horizon's flags: bit 0 whether a host follows, from bit 4 the number of components.
const HAS_HOST: u8 = 1;
const DEPTH_SHIFT: u32 = 4;

/// Series numbers usually go up by one.
const SERIES_COLUMN: Runs = Runs { before: -1, step: 1, range: RangeInclusive::new(0, u32::MAX as i64) };

/// Seconds usually stay the same and lie near the time of receipt.
fn secs_column(received_secs: i64) -> Runs {
    Runs { before: received_secs, step: 0, range: i64::MIN..=i64::MAX }
}

#[cfg(test)]
mod tests {
    use super::super::ComponentRef;
    use super::*;
    use proptest::prelude::*;

    const THREAD: ComponentRef<'static> = ComponentRef { kind: "hwthread", id: "12" };

    fn samples(payload: &[u8]) -> Result<Vec<Sample>, NativeError> {
        let Record::Samples(record) = Record::parse(payload)? else { panic!("a record of samples") };
        let mut samples = Vec::new();
        record.read(&mut samples)?;
        Ok(samples)
    }

    fn bits(samples: &[Sample]) -> Vec<(u32, i64, u64)> {
        samples.iter().map(|sample| (sample.series.0, sample.secs, sample.value.to_bits())).collect()
    }

    fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
        let series = prop_oneof![0..8u32, any::<u32>()];
        let secs = prop_oneof![Just(1_700_000_000i64), 1_700_000_000..1_700_000_100i64, any::<i64>()];
        let value = prop_oneof![any::<u64>().prop_map(f64::from_bits), (0..9999i32).prop_map(|v| f64::from(v) / 100.0)];
        let sample =
            (series, secs, value).prop_map(|(series, secs, value)| Sample { series: SeriesId(series), secs, value });
        prop::collection::vec(sample, 0..80)
    }

    proptest! {
        #[test]
        fn samples_come_back(
            expected in any_samples(),
            host in any::<u32>(),
            received_secs in any::<i64>(),
            names in prop::collection::vec(("[a-zäß]{0,9}", 0..=2usize, any::<bool>(), any::<u32>()), 0..5),
        ) {
            let definitions: Vec<Definition<'_>> = names
                .iter()
                .map(|(name, depth, is_device, series)| {
                    let path = ComponentPath::new(&[THREAD, ComponentRef { kind: name, id: "" }][..*depth]).unwrap();
                    Definition::Series { series: SeriesId(*series), path, is_device: *is_device, metric: name }
                })
                .chain([Definition::Host { cluster: "fritz", host: "" }])
                .collect();
            let mut payload = Vec::new();
            encode_samples(&mut payload, host, received_secs, &definitions, &expected).unwrap();
            let Record::Samples(record) = Record::parse(&payload).unwrap() else { panic!("a record of samples") };
            prop_assert_eq!(record.host, host);
            prop_assert_eq!(record.received_secs, received_secs);
            prop_assert_eq!(&record.definitions, &definitions);
            prop_assert_eq!(record.len(), expected.len());
            let mut found = vec![Sample { series: SeriesId(9), secs: 9, value: 9.0 }; 3];
            record.read(&mut found).unwrap();
            prop_assert_eq!(bits(&found), bits(&expected));
        }

        #[test]
        fn horizons_come_back(host in prop::option::of("[a-z]{0,5}"), depth in 0..=2usize, to_secs in any::<i64>()) {
            let path = ComponentPath::new(&[THREAD, THREAD][..depth]).unwrap();
            let horizon = HorizonRecord { cluster: "alex", host: host.as_deref(), path, to_secs };
            let mut payload = Vec::new();
            encode_horizon(&mut payload, &horizon);
            let Record::Horizon(found) = Record::parse(&payload).unwrap() else { panic!("a horizon") };
            prop_assert_eq!(found, horizon);
        }

        #[test]
        fn garbage_never_panics(mut payload in prop::collection::vec(any::<u8>(), 0..100), kind in 0..7u8) {
            payload.insert(0, kind);
            match Record::parse(&payload) {
                Ok(Record::Samples(record)) => _ = record.read(&mut Vec::new()),
                Ok(Record::Stamped(record)) => _ = record.read(&mut Vec::new()),
                _ => {}
            }
        }
    }

    #[test]
    fn a_cut_record_is_refused() {
        let expected = [(0, 1.5), (1, 0.0), (5, 1.0 / 3.0), (6, 12.34)];
        let expected = expected.map(|(series, value)| Sample { series: SeriesId(series), secs: 60, value });
        let mut payload = Vec::new();
        encode_samples(&mut payload, 1, 61, &[Definition::Host { cluster: "c", host: "h" }], &expected).unwrap();
        assert_eq!(samples(&payload).unwrap(), expected);
        for len in 0..payload.len() {
            assert!(samples(&payload[..len]).is_err(), "{len} bytes");
        }
        payload.push(0);
        assert!(samples(&payload).is_err(), "a byte too many");
    }

    #[test]
    fn a_short_record_cannot_claim_many_samples() {
        let mut payload = vec![KIND_SAMPLES, 0, 0, 0];
        put_varint(&mut payload, SAMPLES_MAX as u64);
        let error = Record::parse(&payload).unwrap_err();
        assert_eq!(error.to_string(), "byte 7 of the payload: expected a possible number of samples");
    }

    #[test]
    fn a_batch_beyond_the_limit_leaves_the_buffer_alone() {
        let many = vec![Sample { series: SeriesId(0), secs: 0, value: 0.0 }; SAMPLES_MAX + 1];
        let mut out = vec![1, 2, 3];
        let error = encode_samples(&mut out, 0, 0, &[], &many).unwrap_err();
        assert!(matches!(error, NativeError::TooLarge { .. }), "{error}");
        assert_eq!(out, [1, 2, 3]);
    }
}
