//! The stamped series of a host as bytes: the last part of its section, there only if it has any.
//!
//! Sealed times and values lie there verbatim. Every position of times is within them.

use std::sync::Arc;

use super::bytes::{Cursor, put_signed, put_varint};
use super::symbols::{SymbolReader, SymbolWriter};
use super::{NativeError, columns};
use crate::model::{ChunkImage, Exemplar, HostImage, StampedImage, StampedSample};

/// Appends the part. The image must be one that [`check`] finds nothing wrong with.
pub(super) fn encode(out: &mut Vec<u8>, image: &HostImage) -> Result<(), NativeError> {
    put_varint(out, image.times.len() as u64);
    for times in &image.times {
        put_bytes(out, times);
    }
    put_varint(out, image.stamped.len() as u64);
    let mut symbols = SymbolWriter::default();
    let mut near_ms = 0;
    for series in &image.stamped {
        symbols.put_labels(out, &series.labels);
        put_varint(out, series.chunks.len() as u64);
        for chunk in &series.chunks {
            put_varint(out, u64::from(chunk.times));
            put_varint(out, chunk.starts.map_or(0, |starts| u64::from(starts) + 1));
            put_bytes(out, &chunk.values);
        }
        put_varint(out, series.open.len() as u64);
        if let Some(first) = series.open.first() {
            columns::encode(out, near_ms, columns::likely_step(&series.open), &series.open)?;
            near_ms = first.time_ms;
        }
        put_varint(out, series.exemplars.len() as u64);
        for Exemplar { labels, value, time_ms } in &series.exemplars {
            put_signed(out, time_ms.wrapping_sub(near_ms));
            out.extend_from_slice(&value.to_le_bytes());
            symbols.put_labels(out, labels);
        }
    }
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads the part into an image.
pub(super) fn decode(cursor: &mut Cursor<'_>, image: &mut HostImage) -> Result<(), NativeError> {
    let count = limited(cursor, 1, "a number of sealed times")?;
    image.times.reserve_exact(count.min(RESERVED_MAX));
    for _ in 0..count {
        image.times.push(bytes(cursor, "sealed times")?);
    }
    let count = limited(cursor, SERIES_BYTES_MIN, "a number of stamped series")?;
    image.stamped.reserve_exact(count.min(RESERVED_MAX));
    let mut symbols = SymbolReader::default();
    let mut near_ms = 0;
    for _ in 0..count {
        image.stamped.push(series(cursor, &mut symbols, &mut near_ms)?);
    }
    Ok(())
}

fn series(cursor: &mut Cursor<'_>, symbols: &mut SymbolReader, near_ms: &mut i64) -> Result<StampedImage, NativeError> {
    let labels = symbols.read_labels(cursor)?;
    let count = limited(cursor, CHUNK_BYTES_MIN, "a number of chunks")?;
    let mut chunks = Vec::with_capacity(count);
    for _ in 0..count {
        let times = position(cursor.varint("a position of times")?, cursor)?;
        let starts = match cursor.varint("a position of start times")? {
            0 => None,
            starts => Some(position(starts - 1, cursor)?),
        };
        chunks.push(ChunkImage { times, starts, values: bytes(cursor, "sealed values")? });
    }
    let count = cursor.varint("a number of open samples")?;
    let count = usize::try_from(count).ok().filter(|&count| count / 2 <= cursor.rest().len());
    let count = count.ok_or_else(|| cursor.malformed("a possible number of open samples"))?;
    let mut open: Vec<StampedSample> = vec![columns::BLANK; count];
    if count > 0 {
        columns::decode(cursor, *near_ms, &mut open, usize::MAX)?;
        *near_ms = open[0].time_ms;
    }
    let count = limited(cursor, EXEMPLAR_BYTES_MIN, "a number of exemplars")?;
    let mut exemplars = Vec::with_capacity(count);
    for _ in 0..count {
        let time_ms = cursor.signed("an exemplar's time")?.wrapping_add(*near_ms);
        let value = cursor.f64("an exemplar's value")?;
        exemplars.push(Exemplar { labels: symbols.read_labels(cursor)?, value, time_ms });
    }
    Ok(StampedImage { labels, chunks, open, exemplars })
}

/// Reads a count of things that take at least `bytes_min` bytes each.
fn limited(cursor: &mut Cursor<'_>, bytes_min: usize, expected: &'static str) -> Result<usize, NativeError> {
    let count = cursor.varint(expected)?;
    let count = usize::try_from(count).ok().filter(|&count| count <= cursor.rest().len() / bytes_min);
    count.ok_or_else(|| cursor.malformed(expected))
}

fn position(position: u64, cursor: &Cursor<'_>) -> Result<u32, NativeError> {
    u32::try_from(position).map_err(|_| cursor.malformed("a position of 32 bits"))
}

fn bytes(cursor: &mut Cursor<'_>, expected: &'static str) -> Result<Arc<[u8]>, NativeError> {
    let len = usize::try_from(cursor.varint(expected)?).unwrap_or(usize::MAX);
    Ok(Arc::from(cursor.take(len, expected)?))
}

/// What holds in every image that is written or read.
pub(super) fn check(image: &HostImage) -> Result<(), &'static str> {
    let is_there = |times: u32| (times as usize) < image.times.len();
    let mut chunks = image.stamped.iter().flat_map(|series| &series.chunks);
    match chunks.all(|chunk| is_there(chunk.times) && chunk.starts.is_none_or(is_there)) {
        true => Ok(()),
        false => Err("chunks with times that are there"),
    }
}

/// The least bytes of an element, by which counts are judged.
const SERIES_BYTES_MIN: usize = 4;
const CHUNK_BYTES_MIN: usize = 3;
const EXEMPLAR_BYTES_MIN: usize = 10;

/// Elements for which room is made at once; more come as they are read.
const RESERVED_MAX: usize = 1 << 16;

#[cfg(test)]
pub(super) mod tests {
    use super::super::columns::tests::{any_samples, bits};
    use super::super::section;
    use super::*;
    use crate::model::histogram::{Buckets, CounterReset, FloatHistogram};
    use crate::model::{Labels, STALE, StampedId, StampedValue};
    use proptest::prelude::*;

    /// Two series that share their times, one of them with everything that there is.
    pub(in super::super) fn add_stamped(image: &mut HostImage) {
        let labels = |mode: &str| {
            Labels::from_pairs([("__name__", "node_cpu_seconds_total"), ("instance", "a0001:9100"), ("mode", mode)])
        };
        let sample = |time_ms, start_ms, value| StampedSample { series: StampedId(0), time_ms, start_ms, value };
        let histogram = FloatHistogram {
            counter_reset_hint: CounterReset::NotReset,
            schema: 3,
            zero_threshold: 1e-128,
            zero_count: 2.0,
            count: 17.0,
            sum: 4.25,
            positive: Buckets::contiguous(-3, vec![1.0, 4.0, 10.0]),
            ..FloatHistogram::default()
        };
        let chunk = |times, starts| ChunkImage { times, starts, values: Arc::from(&b"values"[..]) };
        image.times = vec![Arc::from(&b"times"[..]), Arc::from(&b""[..])];
        image.stamped = vec![
            StampedImage {
                labels: labels("idle"),
                chunks: vec![chunk(0, None), chunk(1, Some(0))],
                open: vec![
                    sample(1_700_000_000_123, 0, StampedValue::Float(0.5)),
                    sample(1_700_000_015_123, 1_699_000_000_000, StampedValue::Float(STALE)),
                    sample(1_700_000_030_124, 0, StampedValue::Histogram(Arc::new(histogram))),
                ],
                exemplars: vec![Exemplar {
                    labels: Labels::from_pairs([("trace_id", "4bf92f3577b34da6")]),
                    value: 0.25,
                    time_ms: 1_700_000_000_100,
                }],
            },
            StampedImage { labels: labels("user"), chunks: vec![chunk(0, None)], ..StampedImage::default() },
        ];
    }

    /// The stamped part, numbers by their bits.
    pub(in super::super) fn parts(image: &HostImage) -> impl PartialEq + std::fmt::Debug + use<> {
        let exemplar = |exemplar: &Exemplar| (exemplar.labels.clone(), exemplar.value.to_bits(), exemplar.time_ms);
        let series = |series: &StampedImage| {
            let exemplars: Vec<_> = series.exemplars.iter().map(exemplar).collect();
            (series.labels.clone(), series.chunks.clone(), bits(&series.open), exemplars)
        };
        (image.times.clone(), image.stamped.iter().map(series).collect::<Vec<_>>())
    }

    fn back(image: &HostImage) -> HostImage {
        let mut payload = Vec::new();
        section::encode(&mut payload, image).unwrap();
        for len in (0..payload.len()).rev().take(200) {
            assert!(section::decode(&payload[..len]).is_err() || is_without(&payload[..len], image), "{len} bytes");
        }
        section::decode(&payload).unwrap()
    }

    /// Whether the bytes are those of the same host without stamped series: a whole section.
    fn is_without(bytes: &[u8], image: &HostImage) -> bool {
        let mut payload = Vec::new();
        let rest = HostImage { stamped: Vec::new(), times: Vec::new(), ..image.clone() };
        section::encode(&mut payload, &rest).unwrap();
        payload == bytes
    }

    #[test]
    fn an_image_with_everything_comes_back() {
        let mut image = section::tests::image("a0001");
        add_stamped(&mut image);
        assert_eq!(parts(&back(&image)), parts(&image));
    }

    #[test]
    fn a_host_without_stamped_series_takes_no_more_than_before() {
        let image = section::tests::image("a0001");
        let mut payload = Vec::new();
        section::encode(&mut payload, &image).unwrap();
        // An empty part is no part: the bytes of a host are told by what it holds alone.
        payload.extend_from_slice(&[0, 0]);
        assert!(section::decode(&payload).is_err());
    }

    #[test]
    fn chunks_without_times_are_refused() {
        let breaks: [fn(&mut HostImage); 2] =
            [|image| image.stamped[1].chunks[0].times = 2, |image| image.stamped[0].chunks[1].starts = Some(2)];
        for change in breaks {
            let mut image = section::tests::image("a0001");
            add_stamped(&mut image);
            change(&mut image);
            let error = section::encode(&mut Vec::new(), &image).unwrap_err();
            assert!(matches!(error, NativeError::InvalidImage { .. }), "{error}");
        }
    }

    /// Open samples, a label's value, and chunks by the numbers of their times and start times.
    type Parts = (Vec<StampedSample>, String, Vec<(u32, Option<u32>)>);

    proptest! {
        #[test]
        fn any_series_come_back(
            all in prop::collection::vec(
                (any_samples(), "[a-c]{0,2}", prop::collection::vec((0..3u32, prop::option::of(0..3u32)), 0..3)),
                1..5,
            ),
        ) {
            let series = |(open, value, chunks): Parts| StampedImage {
                labels: Labels::from_pairs([("__name__", "m"), ("l", &value)]),
                chunks: chunks
                    .into_iter()
                    .map(|(times, starts)| ChunkImage { times, starts, values: Arc::from(value.as_bytes()) })
                    .collect(),
                open: open.into_iter().map(|sample| StampedSample { series: StampedId(0), ..sample }).collect(),
                exemplars: vec![Exemplar { labels: Labels::empty(), value: f64::NAN, time_ms: i64::MIN }],
            };
            let times = vec![Arc::from(&b"one"[..]), Arc::from(&b""[..]), Arc::from(&b"three"[..])];
            let stamped = all.into_iter().map(series).collect();
            let image = HostImage { times, stamped, ..HostImage::default() };
            prop_assert_eq!(parts(&back(&image)), parts(&image));
        }
    }
}
