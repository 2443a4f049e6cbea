//! Senders of Prometheus's protocols, and what they read back.

use serde_json::Value;

use treering::formats::remote::snappy;
use treering::testing::{SentSeries, write_1, write_2};

use super::{Answer, Store, T0, form};

/// The content type of remote write 2.0.
pub const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

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
