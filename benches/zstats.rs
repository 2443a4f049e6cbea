//! What a zstats request costs: unzipping it, decoding it, and rebuilding its scrapes, in full and from differences;
//! and all of that with an engine that logs and stores the series, in a temporary folder.
//!
//! A request holds 200 blobs of 500 series each; in an incremental one two of five values changed. Throughput counts
//! rebuilt samples, so a million of them cost ten times what a request of 100,000 does.

#![expect(clippy::expect_used, reason = "a benchmark on data of its own may fail by panicking")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use treering::disk::SystemDisk;
use treering::engine::{Engine, Options, ZstatsOptions};
use treering::formats::zstats::{
    Blob, BlobSample, Code, Instances, Request, RequestLimits, SpoolEntry, StateLimits, Undo, decode_request,
    encode_request, gunzip, gzip,
};
use treering::model::MetricTable;
use treering::telemetry::Telemetry;
use treering::time::SystemClock;

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

/// An engine that collects the account's scrapes, in a folder of its own.
fn engine(folder: &std::path::Path) -> Engine {
    let (disk, clock) = (Arc::new(SystemDisk), Arc::new(SystemClock));
    let (metrics, telemetry) = (MetricTable::default(), Arc::new(Telemetry::default()));
    let engine =
        Engine::open(Options::new(folder), metrics, disk, clock, telemetry).expect("an engine in a new folder");
    let limits = StateLimits::default();
    let options = ZstatsOptions { accounts: vec!["account".to_owned()], limits, spool: None };
    engine.collect_scrapes(options).expect("without a spool nothing can fail");
    engine.recover().expect("there is nothing to recover");
    engine
}

/// The way of a request from its zipped bytes to the log and into memory; gives how many scrapes were taken.
fn take(engine: &Engine, zipped: &[u8], generation: i64) -> usize {
    let limits = RequestLimits::default();
    let unzipped = gunzip(zipped, &limits).expect("the benchmark's own body");
    let mut request = decode_request(&unzipped, &limits).expect("the benchmark's own request");
    // As if it had come later: the same again is no news.
    for blob in &mut request.blobs {
        (blob.generation, blob.time_ms) = (generation, START_MS + generation * 10_000);
        if !blob.is_incremental {
            blob.samples.iter_mut().for_each(|sample| sample.time_ms = START_MS + generation * 10_000);
        }
    }
    let taken = engine.take_scrapes("account", &request).expect("an engine that takes all");
    taken.codes.iter().filter(|code| **code == Code::Taken).count()
}

fn stored(criterion: &mut Criterion) {
    let texts = texts();
    let zipped = [gzip(&full(&texts)), gzip(&differences(&texts))];
    for (unit, count) in [("samples", BLOBS * SERIES), ("scrapes", BLOBS)] {
        let mut group = criterion.benchmark_group(format!("zstats_stored_{unit}"));
        group.sample_size(20).throughput(Throughput::Elements(count as u64));
        for (name, zipped_body) in ["full", "incremental"].into_iter().zip(&zipped) {
            let folder = tempfile::tempdir().expect("a folder for the benchmark");
            let engine = engine(folder.path());
            let mut generation = 1;
            assert_eq!(take(&engine, &zipped[0], generation), BLOBS);
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    generation += 1;
                    assert_eq!(take(&engine, black_box(zipped_body), generation), BLOBS);
                });
            });
        }
        group.finish();
    }
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

criterion_group!(benches, requests, stored);
criterion_main!(benches);
