//! A sender of scrapes: differences where it can, full scrapes where it must or is asked to, and what it keeps while
//! nobody answers.

use std::collections::VecDeque;
use std::sync::Arc;

use treering::formats::zstats::{Blob, Request, Scrape, ScrapedSeries, decode_response, encode_request, gzip};
use treering::model::Labels;

use crate::harness::{Store, try_send};

/// What a sender does, as far as the receiver sees it.
pub struct Sender {
    targets: Vec<Target>,
    /// Requests that were not answered, in order: scrapes of targets, by number, and the ones before them.
    kept: VecDeque<Vec<(usize, Scrape, Option<Scrape>)>>,
    /// How often a scrape was asked for in full.
    pub asked: usize,
}

struct Target {
    instance: String,
    before: Option<Scrape>,
}

impl Sender {
    pub fn new(targets: usize) -> Sender {
        let target = |number| Target { instance: format!("t{number}:9100.node"), before: None };
        Sender { targets: (0..targets).map(target).collect(), kept: VecDeque::new(), asked: 0 }
    }

    /// Scrapes all targets: their series are `x_total` and `y`, with these values. Sends nothing yet.
    pub fn scrape(&mut self, generation: i64, time_ms: i64, value: impl Fn(usize, &str) -> f64) {
        let mut request = Vec::new();
        for (number, target) in self.targets.iter_mut().enumerate() {
            let series = |name: &str| ScrapedSeries {
                labels: Labels::from_pairs([
                    ("__name__", name),
                    ("instance", &format!("t{number}:9100")),
                    ("job", "node"),
                ]),
                kind: Arc::from("gauge"),
                help: Arc::from("Help."),
                time_ms,
                value: value(number, name),
            };
            let series = ["x_total", "y"].map(series).into();
            let now = Scrape { generation, time_ms, target_labels: vec!["instance".into(), "job".into()], series };
            request.push((number, now.clone(), target.before.replace(now)));
        }
        self.kept.push_back(request);
    }

    /// Sends what is kept, in order, until something is not answered; says whether all of it was.
    pub fn send(&mut self, store: &Store) -> bool {
        while let Some(request) = self.kept.front() {
            let blobs = request.iter().map(|(number, now, before)| {
                let instance = &*self.targets[*number].instance;
                let differences = before.as_ref().and_then(|before| now.differences_since(before, instance));
                differences.unwrap_or_else(|| now.full_blob(instance))
            });
            let Some(codes) = exchange(store, blobs.collect()) else { return false };
            let again: Vec<_> = request.iter().zip(&codes).filter(|(_, code)| **code == 1).map(|(of, _)| of).collect();
            assert!(codes.iter().all(|code| (0..=1).contains(code)), "{codes:?}");
            if !again.is_empty() {
                let blobs = again.iter().map(|(number, now, _)| now.full_blob(&self.targets[*number].instance));
                let Some(codes) = exchange(store, blobs.collect()) else { return false };
                assert_eq!(codes, vec![0; again.len()]);
                self.asked += again.len();
            }
            self.kept.pop_front();
        }
        true
    }
}

/// Sends blobs; `None` when nobody takes them now.
fn exchange(store: &Store, blobs: Vec<Blob<'_>>) -> Option<Vec<i8>> {
    let count = blobs.len();
    let body = gzip(&encode_request(&Request { version: 1, token: "12345", instances: count as i32, blobs }));
    let request = store.request("POST", "/api/v1/zstats").header("Zebrium-Token", "12345");
    let answer = try_send(request.header("Content-Type", "application/octet-stream").body(body)).ok()?;
    if matches!(answer.status, 500 | 503 | 504) {
        return None;
    }
    let response = decode_response(&answer.expect_status(200).body).unwrap();
    assert_eq!((response.error.as_str(), response.version, response.codes.len()), ("", 1, count));
    Some(response.codes)
}
