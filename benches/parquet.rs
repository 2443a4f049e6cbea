//! The archive's encoder and decoder, by the kind of the values: rows a second, and bytes a row on standard error.
//!
//! The host is a GPU node with one kind of values in all of its series: 860 series of 720 rows, or a mixture of all.

#![expect(clippy::expect_used, reason = "a benchmark on data of its own may fail by panicking")]

#[path = "shared/random.rs"]
mod random;

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use treering::disk::RandomRead;
use treering::formats::parquet::{ArchiveReader, ArchiveWriter, Filter, Rows, WriterOptions};

use random::Random;

const SERIES: usize = 860;
const SLOTS: usize = 720;
/// Series of one metric: the threads of a node.
const SERIES_OF_METRIC: usize = 128;

const KINDS: [&str; 6] = ["constant", "small integers", "2 decimals", "3 decimals", "mostly zero", "full doubles"];

fn value(kind: usize, series: usize, slot: usize, random: f64) -> f64 {
    let (base, slot) = ((series % 97) as f64 + 3.0, slot as f64);
    match KINDS[kind] {
        "constant" => (series % 5) as f64,
        "small integers" => base * 4.0 + (3.0 * (slot / 50.0 + base).sin()).trunc(),
        "2 decimals" => ((100.0 * (slot / 100.0 + base).sin().abs() * 0.5 + 50.0 * random) * 100.0).round() / 100.0,
        "3 decimals" => ((base + 10.0 * (slot / 30.0).sin() + random) * 1000.0).round() / 1000.0,
        "mostly zero" if !series.is_multiple_of(3) => 0.0,
        "mostly zero" => base * 1e9 * (1.0 + 0.1 * random),
        _ => base * (1.0 + 0.2 * random),
    }
}

struct Series {
    metric: String,
    id: String,
    values: Vec<f64>,
}

fn host(kind: Option<usize>) -> Vec<Series> {
    let mut random = Random::new(1);
    let series = |series: usize| {
        let metric = series / SERIES_OF_METRIC;
        let kind = kind.unwrap_or(metric % KINDS.len());
        Series {
            metric: format!("metric{metric}"),
            id: format!("{:03}", series % SERIES_OF_METRIC),
            values: (0..SLOTS).map(|slot| value(kind, series, slot, random.next())).collect(),
        }
    };
    (0..SERIES).map(series).collect()
}

fn write(host: &[Series], timestamps: &[i64]) -> Vec<u8> {
    let mut writer =
        ArchiveWriter::begin(Vec::new(), "alex", &WriterOptions::default()).expect("the options are sound");
    for series in host {
        let rows = Rows {
            hostname: "a0101",
            metric: &series.metric,
            scope: "hwthread",
            scope_id: &series.id,
            parent: "",
            frequency_secs: 60,
            timestamps,
            values: &series.values,
        };
        writer.rows(&rows).expect("the rows are sorted");
    }
    writer.finish().expect("memory takes everything").0
}

struct Memory(Vec<u8>);

impl RandomRead for Memory {
    fn file_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let found = usize::try_from(offset).ok().and_then(|start| self.0.get(start..start + buffer.len()));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

fn archive(criterion: &mut Criterion) {
    let timestamps: Vec<i64> = (0..SLOTS as i64).map(|slot| 1_700_000_010 + 60 * slot).collect();
    let mut group = criterion.benchmark_group("parquet");
    group.throughput(Throughput::Elements((SERIES * SLOTS) as u64));
    group.sample_size(10);
    for kind in (0..KINDS.len()).map(Some).chain([None]) {
        let name = kind.map_or("mixed", |kind| KINDS[kind]);
        let host = host(kind);
        let file = write(&host, &timestamps);
        eprintln!("{name}: {:.3} B/row", file.len() as f64 / (SERIES * SLOTS) as f64);
        group.bench_function(BenchmarkId::new("write", name), |bencher| {
            bencher.iter(|| write(black_box(&host), &timestamps));
        });
        let reader = ArchiveReader::open(Arc::new(Memory(file))).expect("it was just written");
        group.bench_function(BenchmarkId::new("read", name), |bencher| {
            bencher.iter(|| {
                reader.read(&Filter::default()).map(|batch| batch.expect("it is sound").values.len()).sum::<usize>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, archive);
criterion_main!(benches);
