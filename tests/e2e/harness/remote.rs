//! Senders of Prometheus's protocols, and what they read back.

use prost::Message;
use serde_json::Value;

use treering::formats::remote::{Compression, decompress, snappy};
use treering::server::proto::StampedSeries;
use treering::testing::{SentSeries, write_1, write_2};

use super::{Answer, Store, T0, form};

/// The content type of remote write 2.0.
pub const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// A request of remote read.
#[derive(Clone, PartialEq, Message)]
struct ReadRequest {
    #[prost(message, repeated, tag = "1")]
    queries: Vec<ReadQuery>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadQuery {
    #[prost(int64, tag = "1")]
    start_ms: i64,
    #[prost(int64, tag = "2")]
    end_ms: i64,
    #[prost(message, repeated, tag = "3")]
    matchers: Vec<ReadMatcher>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadMatcher {
    /// 0 is equality.
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    value: String,
}

/// The answer to it.
#[derive(Clone, PartialEq, Message)]
struct ReadResponse {
    #[prost(message, repeated, tag = "1")]
    results: Vec<ReadResult>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadResult {
    /// Their fields have the numbers of Prometheus's.
    #[prost(message, repeated, tag = "1")]
    series: Vec<StampedSeries>,
}

/// A time so many milliseconds behind the tests' beginning.
pub fn at_ms(ms: i64) -> i64 {
    T0 * 1000 + ms
}

/// A series of one number, at a time behind the tests' beginning.
pub fn sent(labels: &[(&str, &str)], ms: i64, value: f64) -> SentSeries {
    SentSeries::of_sample(labels.iter().copied(), at_ms(ms), value)
}

impl Store {
    /// Sends a body of remote write as it is.
    #[track_caller]
    pub fn remote(&self, content_type: &str, encoding: &str, body: Vec<u8>) -> Answer {
        let request = self.request("POST", "/api/v1/write").header("Content-Type", content_type);
        self.send(request.header("Content-Encoding", encoding).body(body))
    }

    /// Sends series by remote write 1.0.
    #[track_caller]
    pub fn remote_1(&self, series: &[SentSeries]) -> Answer {
        self.remote("application/x-protobuf", "snappy", snappy(&write_1(series, &[])))
    }

    /// Sends series by remote write 2.0.
    #[track_caller]
    pub fn remote_2(&self, series: &[SentSeries]) -> Answer {
        self.remote(V2, "snappy", snappy(&write_2(series)))
    }

    /// All samples of the series of this name, by remote read: to the bit, and with markers.
    #[track_caller]
    pub fn remote_read(&self, name: &str) -> Vec<StampedSeries> {
        let matcher = ReadMatcher { kind: 0, name: "__name__".to_owned(), value: name.to_owned() };
        let (start_ms, end_ms) = (at_ms(-1_000_000_000), at_ms(1_000_000_000));
        let request = ReadRequest { queries: vec![ReadQuery { start_ms, end_ms, matchers: vec![matcher] }] };
        let request = self.request("POST", "/api/v1/read").body(snappy(&request.encode_to_vec()));
        let answer = self.send(request.header("Content-Encoding", "snappy")).expect_status(200);
        let mut message = Vec::new();
        decompress(Compression::Snappy, &answer.body, 1 << 24, &mut message).unwrap();
        ReadResponse::decode(&message[..]).unwrap().results.remove(0).series
    }

    /// The answer of Prometheus's API to a form.
    #[track_caller]
    pub fn ask_prometheus(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        self.get(&format!("/api/v1/{path}?{}", form(parameters))).expect_status(200).json()
    }

    /// The result of an instant query, so many milliseconds behind the tests' beginning.
    #[track_caller]
    pub fn promql(&self, query: &str, ms: i64) -> Value {
        let time = format!("{}.{:03}", at_ms(ms).div_euclid(1000), at_ms(ms).rem_euclid(1000));
        let mut answer = self.ask_prometheus("query", &[("query", query), ("time", &time)]);
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"]["result"].take()
    }

    /// All samples of the one series that a selector with a range finds: milliseconds behind the beginning, and values.
    #[track_caller]
    pub fn samples(&self, selector: &str, ms: i64) -> Vec<(i64, String)> {
        let result = self.promql(selector, ms);
        let series = result.as_array().unwrap();
        assert!(series.len() <= 1, "{selector}: {result}");
        let values = series.first().and_then(|series| series["values"].as_array()).cloned().unwrap_or_default();
        let sample = |pair: &Value| {
            let ms = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
            (ms - at_ms(0), pair[1].as_str().unwrap().to_owned())
        };
        values.iter().map(sample).collect()
    }
}
