//! Stamped series as a whole: against a plain model, brute force, and the counted bytes.

mod archive;
mod differential;
mod groups;
mod matching;
mod model;

use std::sync::Arc;

use crate::model::histogram::{Buckets, FloatHistogram};
use crate::model::{Labels, MetricTable, StampedId, StampedSample, StampedValue};
use crate::store::memory::Use;
use crate::store::{Host, Limits, Store};

/// Milliseconds of the clock in tests.
const NOW_MS: i64 = 1_770_244_800_000;

fn store() -> Store {
    Store::new(MetricTable::new([]), Limits::default())
}

fn host(store: &Store) -> Arc<Host> {
    store.host_or_create("alex", "a1").unwrap()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

fn series(store: &Store, pairs: &[(&str, &str)]) -> StampedId {
    host(store).stamped(&labels(pairs), store.limits()).unwrap()
}

fn float(series: StampedId, time_ms: i64, value: f64) -> StampedSample {
    StampedSample { series, time_ms, start_ms: 0, value: StampedValue::Float(value) }
}

fn histogram(count: f64) -> Arc<FloatHistogram> {
    Arc::new(FloatHistogram {
        schema: 1,
        count,
        sum: count * 2.0,
        zero_threshold: 0.001,
        positive: Buckets::contiguous(1, vec![1.0, count - 1.0]),
        ..FloatHistogram::default()
    })
}

/// Everything that a reader hands out.
#[derive(Debug, Default, Clone, PartialEq)]
struct Row {
    time_ms: i64,
    start_ms: i64,
    bits: u64,
    histogram: Option<Arc<FloatHistogram>>,
}

/// Reads a series to the end, and checks what columns promise.
fn read(host: &Host, id: StampedId, from_ms: i64, to_ms: i64) -> Vec<Row> {
    let views = host.take_stamped(&[id], from_ms, to_ms);
    read_view(&views[0], from_ms, to_ms)
}

fn read_view(view: &crate::store::StampedView, from_ms: i64, to_ms: i64) -> Vec<Row> {
    let mut reader = view.reader(from_ms, to_ms);
    let (mut times, mut values, mut histograms, mut starts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut before = 0;
    while reader.next(&mut times, &mut values, &mut histograms, &mut starts) {
        assert!(times.len() > before, "a batch holds something");
        before = times.len();
    }
    assert_eq!(times.len(), values.len());
    assert!(starts.is_empty() || starts.len() == times.len());
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "ascending: {times:?}");
    let mut rows: Vec<Row> = times
        .iter()
        .zip(&values)
        .enumerate()
        .map(|(at, (&time_ms, value))| Row {
            time_ms,
            start_ms: starts.get(at).copied().unwrap_or(0),
            bits: value.to_bits(),
            histogram: None,
        })
        .collect();
    for (at, histogram) in histograms {
        rows[at as usize].bits = 0;
        rows[at as usize].histogram = Some(histogram);
    }
    rows
}

/// The counted bytes are the sum of what is there, in the host and in all hosts.
#[track_caller]
fn assert_counted(store: &Store) {
    let mut sums = [0; 4];
    for host in store.hosts() {
        let data = host.data.read();
        let Some(stamped) = &data.stamped else { continue };
        for (sum, bytes) in sums.iter_mut().zip(stamped.counted_bytes()) {
            *sum += bytes as u64;
        }
    }
    let metadata = store.metadata_table().counted_bytes() as u64;
    let kinds = [Use::StampedChunks, Use::StampedOpen, Use::StampedSeries, Use::Exemplars, Use::Metadata];
    let published = store.memory();
    for (kind, sum) in kinds.into_iter().zip(sums.into_iter().chain([metadata])) {
        let of_kind = published.iter().find(|(name, _)| *name == kind.name()).unwrap().1;
        assert_eq!(of_kind, sum, "{}", kind.name());
    }
}
