//! The way from a call to its method.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, any_service, post};
use tonic::Status;
use tonic_reflection::server::Builder;

use super::call::Call;
use super::gate::{self, Gate};
use super::health::health;
use super::{proto, push, query, query_range};
use crate::server::http::App;

/// The methods, health, and reflection.
pub(in crate::server) async fn router(app: &Arc<App>) -> Router {
    let methods = [
        (Call::Push, post(push::push)),
        (Call::Query, post(query::query)),
        (Call::QueryRange, post(query_range::query_range)),
    ];
    let mut router = Router::new();
    for (call, method) in methods {
        router = router.route(call.name(), method.layer(from_fn_with_state(Gate::new(app, call), gate::pass)));
    }
    let health = health(app.options.ready.clone(), app.ending.clone()).await;
    let health = any_service(health).layer(from_fn_with_state(Gate::new(app, Call::Health), gate::pass));
    router = router.route("/grpc.health.v1.Health/{method}", health);
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let gate = from_fn_with_state(Gate::new(app, Call::Reflection), gate::pass);
    // The descriptors are those of this build; should they not fit together, all the rest is served.
    match reflection().build_v1() {
        Ok(service) => {
            let path = "/grpc.reflection.v1.ServerReflection/{method}";
            router = router.route(path, any_service(service).layer(gate.clone()));
        }
        Err(error) => tracing::error!("no reflection: {error}"),
    }
    match reflection().build_v1alpha() {
        Ok(service) => {
            let path = "/grpc.reflection.v1alpha.ServerReflection/{method}";
            router = router.route(path, any_service(service).layer(gate));
        }
        Err(error) => tracing::error!("no reflection: {error}"),
    }
    let elsewhere = any(unimplemented).layer(from_fn_with_state(Gate::new(app, Call::Unknown), gate::pass));
    router.fallback_service(elsewhere.with_state(())).with_state(Arc::clone(app))
}

/// There is no such method.
async fn unimplemented() -> axum::http::Response<tonic::body::Body> {
    Status::unimplemented("there is no such method here").into_http()
}
