//! zstats over HTTP: the recorded exchanges with the original receiver, restarts in the middle, hostile bodies.

mod address;
mod demo;
mod hostile;
mod notify;
mod recorded;
mod restart;
mod sender;

use serde_json::{Value, json};

use crate::harness::{Answer, Config, Store, form, setting};

/// A store that takes scrapes of the recorded token, and keeps them in the folder `spool`.
fn config() -> Config {
    Config::new("native")
        .set(
            "/zstats/tokens",
            json!({
                "12345": {"account": "Zebrium"},
                "slow": {"account": "slow", "min-poll-secs": 30},
            }),
        )
        .set("/zstats/spool-directory", "spool")
        .set("/zstats/spool-max-age", "0s")
        // What is recorded has the times of its recording.
        .set(setting::FUTURE_TOLERANCE, "438000h")
}

/// Posts a body as senders do.
fn post(store: &Store, body: Vec<u8>) -> Answer {
    let request = store.request("POST", "/api/v1/zstats").header("Zebrium-Token", "12345");
    store.send(request.header("Content-Type", "application/octet-stream").body(body))
}

/// The samples of all series that have one at this very millisecond: labels and value.
fn samples_at(store: &Store, time_ms: i64) -> Vec<(Value, f64)> {
    let time = format!("{}.{:03}", time_ms.div_euclid(1000), time_ms.rem_euclid(1000));
    let parameters = form(&[("query", "{__name__=~\".+\"}[1ms]"), ("time", &time)]);
    let request = store.request("POST", "/api/v1/query").header("Content-Type", crate::harness::FORM).body(parameters);
    let answer = store.send(request).expect_status(200).json();
    let number = |value: &Value| value.as_str().unwrap().parse().unwrap();
    let series = answer["data"]["result"].as_array().unwrap();
    series.iter().map(|series| (series["metric"].clone(), number(&series["values"][0][1]))).collect()
}

/// The labels of all series that are current at this time, of one target.
fn current_at(store: &Store, instance: &str, time_ms: i64) -> Vec<Value> {
    let time = format!("{}.{:03}", time_ms.div_euclid(1000), time_ms.rem_euclid(1000));
    let query = format!("{{instance={instance:?}}}");
    let parameters = form(&[("query", &query), ("time", &time)]);
    let answer = store.get(&format!("/api/v1/query?{parameters}")).expect_status(200).json();
    let series = answer["data"]["result"].as_array().unwrap();
    let mut labels: Vec<Value> = series.iter().map(|series| series["metric"].clone()).collect();
    labels.sort_by_key(ToString::to_string);
    labels
}
