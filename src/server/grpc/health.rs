//! `grpc.health.v1.Health`: whether the server serves, for those who balance load or restart what is ill.

use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

/// The services whose health can be asked for; empty for the server as a whole.
const SERVICES: [&str; 2] = ["", "treering.v1.Metrics"];

/// The service. It says that nothing is served until recovery is over, and again once the end has begun.
pub(super) async fn health(
    mut ready: watch::Receiver<bool>,
    mut ending: watch::Receiver<bool>,
) -> HealthServer<impl Health> {
    let (reporter, server) = health_reporter();
    report(&reporter, ServingStatus::NotServing).await;
    tokio::spawn(async move {
        let is_ready = tokio::select! {
            ready = ready.wait_for(|&is_ready| is_ready) => ready.is_ok(),
            _ = ending.wait_for(|&is_ending| is_ending) => false,
        };
        if is_ready {
            report(&reporter, ServingStatus::Serving).await;
            // Whoever would tell of the end and has gone has told of it.
            _ = ending.wait_for(|&is_ending| is_ending).await;
            report(&reporter, ServingStatus::NotServing).await;
        }
    });
    server
}

async fn report(reporter: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}
