//! What a zstats request costs: unzipping it, decoding it, and rebuilding its scrapes, in full and from differences.
//!
//! A request holds 200 blobs of 500 series each; in an incremental one two of five values changed. Throughput counts
//! rebuilt samples, so a million of them cost ten times what a request of 100,000 does.

#![expect(clippy::expect_used, reason = "a benchmark on data of its own may fail by panicking")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use treering::formats::zstats::{
    Blob, BlobSample, Code, Instances, Request, RequestLimits, SpoolEntry, StateLimits, Undo, decode_request,
    encode_request, gunzip, gzip,
};

const BLOBS: usize = 200;
const SERIES: usize = 500;
const START_MS: i64 = 1_700_000_000_000;

/// Texts that all blobs share.
struct Texts {
    instances: Vec<String>,
    paths: Vec<String>,
}

fn texts() -> Texts {
    Texts {
        instances: (0..BLOBS).map(|number| format!("10.20.{}.{}:9100.node", number / 250, number % 250)).collect(),
        paths: (0..SERIES).map(|number| format!("/api/v1/path/{number}")).collect(),
    }
}

fn full(texts: &Texts) -> Vec<u8> {
    let blob = |instance| {
        let mut blob =
            Blob { instance, series_count: SERIES as i64, generation: 1, time_ms: START_MS, ..Blob::default() };
        blob.target_labels = vec!["instance", "job"];
        for (index, path) in texts.paths.iter().enumerate() {
            let start = blob.labels.len();
            blob.labels.extend([("__name__", "http_requests_total"), ("code", "200"), ("instance", instance)]);
            blob.labels.extend([("job", "node"), ("path", path), ("ze_deployment_name", "default")]);
            blob.samples.push(BlobSample {
                index: index as i32,
                labels: start..blob.labels.len(),
                help: "Requests that were answered.",
                kind: "counter",
                time_ms: START_MS,
                value: (index * 1001) as f64,
            });
        }
        blob
    };
    body(texts.instances.iter().map(|instance| blob(instance.as_str())).collect())
}

fn differences(texts: &Texts) -> Vec<u8> {
    let changed = || (0..SERIES).filter(|index| index % 5 < 2);
    let sample =
        |index| BlobSample { index: index as i32, time_ms: 10_000, value: index as f64, ..BlobSample::default() };
    let blob = |instance| Blob {
        instance,
        series_count: SERIES as i64,
        is_incremental: true,
        generation: 2,
        time_ms: START_MS + 10_000,
        samples: changed().map(sample).collect(),
        ..Blob::default()
    };
    body(texts.instances.iter().map(|instance| blob(instance.as_str())).collect())
}

fn body(blobs: Vec<Blob<'_>>) -> Vec<u8> {
    encode_request(&Request { version: 1, token: "12345", instances: blobs.len() as i32, blobs })
}

/// Decodes and applies; gives how many series were rebuilt.
fn apply(instances: &mut Instances, unzipped: &[u8]) -> usize {
    let request = decode_request(unzipped, &RequestLimits::default()).expect("the benchmark's own request");
    let mut series = 0;
    let taken = |_: usize, applied: &treering::formats::zstats::Applied<'_>| {
        series += black_box(applied.scrape).series.len();
        Code::Taken
    };
    instances.apply_all("account", &request, 0, &mut Undo::default(), taken, |_, _| {});
    series
}

fn requests(criterion: &mut Criterion) {
    let texts = texts();
    let bodies = [("full", full(&texts)), ("incremental", differences(&texts))];
    let mut group = criterion.benchmark_group("zstats");
    group.sample_size(20).throughput(Throughput::Elements((BLOBS * SERIES) as u64));
    for (name, unzipped) in &bodies {
        let zipped = gzip(unzipped);
        let limits = RequestLimits::default();
        group.bench_function(format!("gunzip/{name}"), |bencher| bencher.iter(|| gunzip(black_box(&zipped), &limits)));
        group.bench_function(format!("decode/{name}"), |bencher| {
            bencher.iter(|| decode_request(black_box(unzipped), &limits).map(|request| request.blobs.len()));
        });
        group.bench_function(format!("decode_and_apply/{name}"), |bencher| {
            let known = || {
                let mut instances = Instances::new(StateLimits::default());
                apply(&mut instances, &bodies[0].1);
                instances
            };
            bencher.iter_batched_ref(
                known,
                |instances| assert_eq!(apply(instances, black_box(unzipped)), BLOBS * SERIES),
                BatchSize::PerIteration,
            );
        });
    }
    let mut instances = Instances::new(StateLimits::default());
    apply(&mut instances, &bodies[0].1);
    let instance = &texts.instances[0];
    let scrape = instances.scrape("account", instance).expect("it was just applied");
    group.throughput(Throughput::Elements(SERIES as u64));
    group.bench_function("spool_entry", |bencher| bencher.iter(|| SpoolEntry::of("account", instance, scrape, 1)));
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
