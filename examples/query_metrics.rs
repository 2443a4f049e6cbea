//! Asks in PromQL over gRPC, at one time and over a range, and over HTTP beside it.
//!
//! ```sh
//! cargo run --example query_metrics -- --grpc http://127.0.0.1:8083 --http http://127.0.0.1:8082 'cpu_load'
//! cargo run --example query_metrics -- --grpc https://store:8083 --http https://store:8082 \
//!     --ca authority.pem --cert client.pem --key client-key.pem --token "$TOKEN" 'sum(cpu_load)'
//! ```

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use treering::server::proto::metrics_client::MetricsClient;
use treering::server::proto::query_response::Result as Outcome;
use treering::server::proto::{QueryRangeRequest, QueryRequest, Series};

#[path = "common/target.rs"]
mod target;

use target::Target;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let target = Target::of_arguments()?;
    let query = target.rest.first().cloned().unwrap_or_else(|| "cpu_load".to_owned());
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;

    let mut client = MetricsClient::new(target.channel().await?);
    let request = QueryRequest { query: query.clone(), limit: 20, ..QueryRequest::default() };
    let answer = client.query(target.request(request)?).await?.into_inner();
    match answer.result {
        Some(Outcome::Scalar(sample)) => println!("gRPC, now: {}", sample.value),
        Some(Outcome::Text(text)) => println!("gRPC, now: {text:?}"),
        Some(Outcome::Vector(list)) => list.series.iter().for_each(|series| show("gRPC, now", series)),
        Some(Outcome::Matrix(list)) => list.series.iter().for_each(|series| show("gRPC, now", series)),
        None => println!("gRPC, now: nothing"),
    }
    for warning in answer.warnings.iter().chain(&answer.infos) {
        println!("  {warning}");
    }

    // Dropping the stream before its end ends the evaluation, too.
    let request = QueryRangeRequest {
        query: query.clone(),
        start_ms: now_ms - 3_600_000,
        end_ms: now_ms,
        step_ms: 60_000,
        ..QueryRangeRequest::default()
    };
    let mut parts = client.query_range(target.request(request)?).await?.into_inner();
    while let Some(part) = parts.message().await? {
        part.series.iter().for_each(|series| show("gRPC, last hour", series));
    }

    let asked = [("query", query.as_str())];
    let answer = target.http_request(reqwest::Method::GET, "/api/v1/query", &asked)?.send().await?;
    println!("HTTP, now: {} {}", answer.status(), answer.text().await?);
    Ok(())
}

/// Prints a series with its last value.
fn show(what: &str, series: &Series) {
    let labels: Vec<String> = series.labels.iter().map(|label| format!("{}={:?}", label.name, label.value)).collect();
    let last = series.values.last().map_or_else(|| "a histogram".to_owned(), f64::to_string);
    println!("{what}: {{{}}} has {} points, the last is {last}", labels.join(", "), series.values.len());
}
