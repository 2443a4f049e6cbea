//! What is asked: pages of cc-backend as requests, and whether samples are there.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::BenchError;
use super::store::Store;
use super::workload::{CLUSTER, HWTHREADS, STEP_SECS, host_name};

/// How long a question took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Half of the answers came faster, up to their last byte.
    pub median: Duration,
    /// Processor time of the store for one answer.
    pub processor: Duration,
    /// Bytes of an answer.
    pub bytes: u64,
}

/// A job's page: nine metrics of each node, two of each of its hardware threads, over 31 hours.
pub(super) fn job_page(hosts: u32, end_secs: i64, resolution_secs: Option<i64>) -> Vec<u8> {
    let mut queries = Vec::new();
    let mut add = |mut query: Value| {
        if let Some(secs) = resolution_secs {
            query["resolution"] = secs.into();
        }
        queries.push(query);
    };
    for metric in NODE_METRICS {
        for host in 0..hosts {
            add(json!({"metric": metric, "host": host_name(host), "aggreg": false}));
        }
    }
    for metric in ["flops_any", "ipc"] {
        for host in 0..hosts {
            add(json!({"metric": metric, "host": host_name(host), "aggreg": false, "type": "hwthread",
                       "type-ids": hwthreads()}));
        }
    }
    request(end_secs - 31 * 3600, end_secs, queries)
}

/// Sums of each host over its hardware threads, 48 hours. With `is_named`, the threads are named one by one: no store
/// can have such a sum ready.
pub(super) fn node_sums(hosts: u32, end_secs: i64, is_named: bool) -> Vec<u8> {
    let metrics = ["flops_any", "core_power", "cpu_user"];
    let of = |metric: &str, host: u32| match is_named {
        false => json!({"metric": metric, "host": host_name(host), "aggreg": false}),
        true => json!({"metric": metric, "host": host_name(host), "aggreg": true, "type": "hwthread",
                       "type-ids": hwthreads()}),
    };
    let queries = metrics.iter().flat_map(|metric| (0..hosts).map(move |host| of(metric, host)));
    request(end_secs - 48 * 3600, end_secs, queries.collect())
}

/// The status of all nodes: four metrics of the last ticks.
pub(super) fn status(end_secs: i64, ticks: i64) -> Vec<u8> {
    let metrics = ["cpu_load", "mem_used", "ipmi_power", "flops_any"];
    json!({"cluster": CLUSTER, "from": end_secs - ticks * STEP_SECS, "to": end_secs, "with-stats": true, "queries": [],
           "for-all-nodes": metrics})
    .to_string()
    .into_bytes()
}

fn hwthreads() -> Vec<String> {
    (0..HWTHREADS).map(|number| number.to_string()).collect()
}

fn request(from_secs: i64, to_secs: i64, queries: Vec<Value>) -> Vec<u8> {
    json!({"cluster": CLUSTER, "from": from_secs, "to": to_secs, "with-stats": true, "queries": queries})
        .to_string()
        .into_bytes()
}

/// Asks once to warm up and then `times` times.
///
/// # Errors
///
/// The store's answer is an error, or holds one, or differs in length from time to time.
pub(super) fn ask(store: &Store<'_>, question: &[u8], times: u32) -> Result<Asked, BenchError> {
    let failed = |error: String| BenchError::Request { store: store.name(), what: "a question", error };
    let mut client = store.client();
    let mut whole = Vec::new();
    store.ask(&mut client, question, &mut |piece| whole.extend_from_slice(piece))?;
    let error = memchr::memmem::find(&whole, b"\"error\"");
    if let Some(at) = error {
        let excerpt = String::from_utf8_lossy(&whole[at..(at + 200).min(whole.len())]).into_owned();
        return Err(failed(format!("the answer holds {excerpt}")));
    }
    let bytes = whole.len() as u64;
    drop(whole);
    let before = store.processor_time()?;
    let mut spans = Vec::new();
    for _ in 0..times.max(1) {
        let begin = Instant::now();
        let answered = store.ask(&mut client, question, &mut |_| {})?;
        spans.push(begin.elapsed());
        if answered.bytes != bytes {
            return Err(failed(format!("an answer of {} bytes behind one of {bytes}", answered.bytes)));
        }
    }
    let processor = store.processor_time()?.saturating_sub(before) / times.max(1);
    spans.sort_unstable();
    Ok(Asked { median: spans[spans.len() / 2], processor, bytes })
}

/// How many samples of some metrics come back for the first hosts.
///
/// # Errors
///
/// The store does not answer.
pub(super) fn samples_there(
    store: &Store<'_>,
    hosts: u32,
    metrics: &[&str],
    start_secs: i64,
    ticks: u32,
) -> Result<u64, BenchError> {
    let of = |metric: &str, host: u32| json!({"metric": metric, "host": host_name(host), "aggreg": false});
    let queries: Vec<Value> = metrics.iter().flat_map(|metric| (0..hosts).map(move |host| of(metric, host))).collect();
    let to_secs = start_secs + i64::from(ticks) * STEP_SECS;
    count(store, &json!({"cluster": CLUSTER, "from": start_secs, "to": to_secs, "queries": queries}))
}

/// How many values an answer holds that are no holes.
///
/// # Errors
///
/// The store does not answer.
pub(super) fn count(store: &Store<'_>, question: &Value) -> Result<u64, BenchError> {
    let mut whole = Vec::new();
    let question = question.to_string().into_bytes();
    store.ask(&mut store.client(), &question, &mut |piece| whole.extend_from_slice(piece))?;
    let failed = |error: serde_json::Error| {
        let error = error.to_string();
        BenchError::Request { store: store.name(), what: "a question", error }
    };
    let answer: Answer = serde_json::from_slice(&whole).map_err(failed)?;
    let entries = answer.results.iter().flatten().flatten();
    let values = entries.map(|entry| entry.data.iter().flatten().flatten().count() as u64);
    Ok(values.sum())
}

/// What of an answer counts here.
#[derive(Deserialize)]
struct Answer {
    /// cc-metric-store answers `null` for a query without a result.
    results: Vec<Option<Vec<Entry>>>,
}

#[derive(Deserialize)]
struct Entry {
    data: Option<Vec<Option<f64>>>,
}

const NODE_METRICS: [&str; 9] = [
    "cpu_load",
    "mem_used",
    "net_bytes_in",
    "net_bytes_out",
    "ib_recv",
    "ib_xmit",
    "lustre_read_bytes",
    "lustre_write_bytes",
    "ipmi_power",
];
