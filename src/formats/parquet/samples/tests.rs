//! What is written is read back, by this module and by others.

use std::io;
use std::sync::Arc;

use super::*;
use crate::disk::RandomRead;
use crate::formats::parquet::ParquetError;
use crate::model::histogram::{Buckets, FloatHistogram};
use crate::model::{Labels, STALE};

struct Bytes(Vec<u8>);

impl RandomRead for Bytes {
    fn file_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let begin = usize::try_from(offset).map_err(io::Error::other)?;
        let found = self.0.get(begin..begin.saturating_add(buffer.len()));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

fn labels(mode: &str) -> Labels {
    Labels::from_pairs([("__name__", "node_cpu_seconds_total"), ("instance", "a0001:9100"), ("mode", mode)])
}

/// Two hosts with two series each, of 10,000 samples; every hundredth of one is a histogram.
fn file() -> Vec<u8> {
    let mut writer = SamplesWriter::begin(Vec::new(), "alex", 3).unwrap();
    let histogram = Arc::new(FloatHistogram {
        schema: -53,
        count: 5.0,
        sum: 1.5,
        positive: Buckets::contiguous(0, vec![1.0, 4.0]),
        custom_bounds: Some(Arc::from([0.5, 1.0])),
        ..FloatHistogram::default()
    });
    let times: Vec<i64> = (0..10_000).map(|at| 1_770_244_800_123 + at * 15_000).collect();
    let values: Vec<f64> = (0..10_000).map(|at| if at == 7 { STALE } else { f64::from(at) / 3.0 }).collect();
    let starts: Vec<i64> = (0..10_000).map(|at| if at % 2 == 0 { 1_770_000_000_000 } else { 0 }).collect();
    let histograms: Vec<(u32, Arc<FloatHistogram>)> =
        (0..10_000).step_by(100).map(|at| (at, Arc::clone(&histogram))).collect();
    for hostname in ["a0001", "a0002"] {
        for (mode, histograms, starts_ms) in [("idle", &[][..], &[][..]), ("user", &histograms[..], &starts[..])] {
            let labels = labels(mode);
            // In two pieces, as a reader of memory hands them out.
            for piece in [0..3000, 3000..10_000] {
                let of_piece = histograms.iter().filter(|(at, _)| piece.contains(&(*at as usize)));
                let of_piece: Vec<_> =
                    of_piece.map(|(at, histogram)| (at - piece.start as u32, Arc::clone(histogram))).collect();
                let starts_ms = if starts_ms.is_empty() { starts_ms } else { &starts_ms[piece.clone()] };
                let rows = SampleRows {
                    hostname,
                    labels: &labels,
                    times_ms: &times[piece.clone()],
                    values: &values[piece],
                    histograms: &of_piece,
                    starts_ms,
                };
                writer.rows(&rows).unwrap();
            }
        }
    }
    let (bytes, written) = writer.finish().unwrap();
    assert_eq!((written.rows, written.first_secs), (40_000, Some(1_770_244_800)));
    bytes
}

#[test]
fn samples_come_back() {
    let reader = SamplesReader::open(Arc::new(Bytes(file())), None).unwrap();
    let (mut rows, mut histograms, mut stale) = (0, 0, 0);
    let mut series: Vec<(String, Labels)> = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        rows += batch.times_ms.len();
        histograms += batch.histograms.len();
        stale += batch.values.iter().filter(|value| value.to_bits() == STALE.to_bits()).count();
        series.push((batch.hostname, batch.labels));
    }
    series.dedup();
    assert_eq!((rows, histograms, stale), (40_000, 200, 4));
    let expected = ["a0001", "a0002"].iter().flat_map(|host| ["idle", "user"].map(|mode| (*host, mode)));
    let expected: Vec<(String, Labels)> = expected.map(|(host, mode)| (host.to_owned(), labels(mode))).collect();
    assert_eq!(series, expected);
    let reader = SamplesReader::open(Arc::new(Bytes(file())), Some("a0002")).unwrap();
    let batches: Vec<SampleBatch> = reader.collect::<Result<_, _>>().unwrap();
    assert!(batches.iter().all(|batch| batch.hostname == "a0002"));
    assert_eq!(batches.iter().map(|batch| batch.times_ms.len()).sum::<usize>(), 20_000);
    assert_eq!(SamplesReader::open(Arc::new(Bytes(file())), Some("b")).unwrap().count(), 0);
}

#[test]
fn rows_out_of_order_are_refused() {
    let mut writer = SamplesWriter::begin(Vec::new(), "alex", 1).unwrap();
    let (user, idle) = (labels("user"), labels("idle"));
    let mut rows = |labels, times_ms: &[i64]| {
        let values = vec![0.0; times_ms.len()];
        let (histograms, starts_ms) = (&[][..], &[][..]);
        writer.rows(&SampleRows { hostname: "a", labels, times_ms, values: &values, histograms, starts_ms })
    };
    rows(&user, &[1, 2, 3]).unwrap();
    for (labels, times) in [(&user, [3, 4]), (&idle, [5, 6]), (&user, [6, 5])] {
        assert!(matches!(rows(labels, &times), Err(ParquetError::Unsorted { .. })), "{labels} {times:?}");
    }
    rows(&user, &[4, 5]).unwrap();
}

/// A damaged file is an error, never a panic.
#[test]
fn damage_is_reported() {
    let sound = file();
    for at in (0..sound.len()).step_by(sound.len() / 97) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x5a;
        if let Ok(reader) = SamplesReader::open(Arc::new(Bytes(bytes)), None) {
            let _ = reader.filter(Result::is_ok).count();
        }
        assert!(SamplesReader::open(Arc::new(Bytes(sound[..at].to_vec())), None).is_err(), "{at} bytes");
    }
}
