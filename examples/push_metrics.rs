//! Writes metrics over gRPC, and the same kind of series by remote write over HTTP beside it.
//!
//! ```sh
//! cargo run --example push_metrics -- --grpc http://127.0.0.1:8083 --http http://127.0.0.1:8082
//! cargo run --example push_metrics -- --grpc https://store:8083 --http https://store:8082 \
//!     --ca authority.pem --cert client.pem --key client-key.pem --token "$TOKEN"
//! ```
//!
//! The metric `cpu_load` has to be configured, as `configs/config.json` does, for the grid to take it.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;
use treering::server::proto::metrics_client::MetricsClient;
use treering::server::proto::{GridSeries, Label, Sample, StampedSeries, WriteRequest};

#[path = "common/target.rs"]
mod target;

use target::Target;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let target = Target::of_arguments()?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;

    // One stream may carry any number of requests; each is answered once the store's log has it.
    let requests = (0..3).map(|sequence| WriteRequest {
        sequence,
        default_cluster: "demo".to_owned(),
        grid: vec![load(now_ms - 60_000 * sequence as i64, 0.5 + sequence as f64)],
        series: vec![requests_total(now_ms - 15_000 * sequence as i64, 100.0 - sequence as f64)],
        ..WriteRequest::default()
    });
    let requests = target.request(futures_util::stream::iter(requests.collect::<Vec<_>>()))?;
    let mut client = MetricsClient::new(target.channel().await?);
    let mut responses = client.push(requests).await?.into_inner();
    while let Some(response) = responses.message().await? {
        println!(
            "gRPC: request {} is in the log: {} stored, {} left out, {} refused",
            response.sequence, response.stored, response.skipped, response.bad
        );
        for problem in response.problems {
            println!("  {problem}");
        }
    }

    // Remote write 1.0: series of a WriteRequest are those of prometheus.WriteRequest, so the same type serves.
    let body = WriteRequest { series: vec![requests_total(now_ms, 101.0)], ..WriteRequest::default() };
    let body = treering::formats::remote::to_snappy(&body.encode_to_vec())?;
    let answer = target
        .http_request(reqwest::Method::POST, "/api/v1/write", &[])?
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "0.1.0")
        .body(body)
        .send()
        .await?;
    println!("remote write: {}", answer.status());
    answer.error_for_status()?;
    Ok(())
}

/// A sample of a configured metric, for its slot in the tree.
fn load(time_ms: i64, value: f64) -> GridSeries {
    GridSeries {
        hostname: "node01".to_owned(),
        metric: "cpu_load".to_owned(),
        samples: vec![Sample { value, time_ms }],
        ..GridSeries::default()
    }
}

/// A sample of a series with labels of its own.
fn requests_total(time_ms: i64, value: f64) -> StampedSeries {
    let labels = [
        ("__name__", "http_requests_total"),
        ("cluster", "demo"),
        ("instance", "node01:9100"),
        ("job", "example"),
        ("method", "GET"),
    ];
    StampedSeries {
        labels: labels.map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() }).to_vec(),
        samples: vec![Sample { value, time_ms }],
        ..StampedSeries::default()
    }
}
