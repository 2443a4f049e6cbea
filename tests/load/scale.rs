//! Sizes: a body of 300 MB, 10,000 hosts.

use std::io::Read;

use reqwest::blocking::Body;
use serde_json::json;

use crate::harness::{Config, How, Store, T0, in_each_form};

in_each_form! { ten_thousand_hosts }

const BODY_BYTES: usize = 300_000_000;
const HOSTS: u32 = 32;
const METRICS: [&str; 4] = ["cpu_load", "mem_used", "flops_any", "ipc"];
/// Every slot is written that often, so that the data stay small while the body grows.
const REPEATS: u32 = 100;

/// A body that is made while it is sent: the same slots again and again, minute by minute.
#[derive(Default)]
struct Flood {
    piece: Vec<u8>,
    at: usize,
    tick: u32,
    repeat: u32,
    bytes: usize,
    lines: usize,
}

impl Flood {
    fn refill(&mut self) {
        use std::io::Write as _;

        self.piece.clear();
        self.at = 0;
        // Whole ticks only: then every slot ends with its last repeat.
        if self.bytes >= BODY_BYTES && self.repeat == 0 {
            return;
        }
        let (value, secs) = (self.tick * 1000 + self.repeat, T0 + 60 * i64::from(self.tick));
        for host in 0..HOSTS {
            for metric in METRICS {
                writeln!(
                    self.piece,
                    "{metric},cluster=alex,hostname=a{host:04},type=node,unit=arbitrary,\
                     source=a-rather-talkative-collector,version=1.2.3 value={value} {secs}"
                )
                .unwrap();
            }
        }
        self.lines += METRICS.len() * HOSTS as usize;
        self.bytes += self.piece.len();
        self.repeat = (self.repeat + 1) % REPEATS;
        self.tick += u32::from(self.repeat == 0);
    }
}

impl Read for Flood {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.piece.len() {
            self.refill();
        }
        let n = buffer.len().min(self.piece.len() - self.at);
        buffer[..n].copy_from_slice(&self.piece[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// A backfill of a week in one POST was read into memory whole, and the system killed the store.
fn a_body_of_300_mb(format: &str) {
    // The same flood twice: once to know its end, once to send it.
    let mut dry = Flood::default();
    loop {
        dry.refill();
        if dry.piece.is_empty() {
            break;
        }
    }
    assert!(dry.bytes >= BODY_BYTES);
    let store = Store::start(Config::new(format));
    let before = store.memory_kib("VmRSS");
    store.send(store.request("POST", "/api/write").body(Body::new(Flood::default()))).expect_status(200);
    let grown = store.memory_kib("VmHWM").saturating_sub(before);
    // The data are 128 series with some 170 slots: 0.2 MB, far below the bound.
    assert!(grown <= 64 * 1024, "memory grew by {grown} KiB");
    assert_eq!(store.metrics().sum("treering_samples_total", ""), dry.lines as f64);
    let expected: Vec<f64> = (0..dry.tick).map(|tick| f64::from(tick * 1000 + REPEATS - 1)).collect();
    for host in 0..HOSTS {
        for metric in METRICS {
            let values = store.values(&format!("a{host:04}"), metric, T0, T0 + 60 * i64::from(dry.tick));
            assert_eq!(values, expected, "{metric} of host {host}");
        }
    }
}

#[test]
fn a_body_of_300_mb_native() {
    a_body_of_300_mb("native");
}

#[test]
fn a_body_of_300_mb_wal() {
    a_body_of_300_mb("wal");
}

/// One open log for each host was more than the system gives a process, and every write beyond failed.
fn ten_thousand_hosts(format: &str) {
    const COUNT: usize = 10_000;
    const DESCRIPTORS_MAX: u32 = 4096;
    let mut store = Store::prepare(Config::new(format)).with_descriptors_max(DESCRIPTORS_MAX);
    store.resume();
    for tick in 0..3 {
        for thousand in 0..10 {
            let hosts = thousand * 1000..(thousand + 1) * 1000;
            store.write(hosts.map(|host| {
                let secs = T0 + 60 * tick;
                format!("mem_used,cluster=alex,hostname=a{host:05},type=node value={} {secs}", host as i64 * 10 + tick)
            }));
            let held = store.descriptors();
            assert!(held < DESCRIPTORS_MAX as usize / 2, "{held} file descriptors");
        }
    }
    let question = json!({"cluster": "alex", "from": T0, "to": T0 + 180, "for-all-nodes": ["mem_used"]});
    for how in [None, Some(How::Kill), Some(How::Term)] {
        how.into_iter().for_each(|how| store.restart(how));
        let answer = store.ask(&question);
        let (queries, results) = (answer["queries"].as_array().unwrap(), answer["results"].as_array().unwrap());
        assert_eq!((queries.len(), results.len()), (COUNT, COUNT), "after {how:?}");
        for (query, rows) in queries.iter().zip(results) {
            let host: f64 = query["host"].as_str().unwrap()[1..].parse().unwrap();
            let expected = json!([host * 10.0, host * 10.0 + 1.0, host * 10.0 + 2.0]);
            assert_eq!(rows[0]["data"], expected, "{query}, after {how:?}");
        }
    }
}
