//! The endpoints: a file each, and the router that leads to them.

mod answer;
mod body;
mod debug;
mod encoding;
mod free;
mod gate;
mod healthcheck;
mod inflate;
mod intake;
mod lines;
mod prometheus;
mod query;
mod receive;
mod refusal;
mod status;
mod turns;
mod write;
mod zstats;

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get, post};
use tokio::sync::watch;
use utoipa_swagger_ui::SwaggerUi;

pub(super) use self::body::Incoming;
use self::gate::{Gate, Route};
pub(super) use self::prometheus::{PromqlQuery, STEPS_MAX, Unevaluated, Waiting, watch};
pub(super) use self::refusal::Refusal;
use self::turns::Turns;
pub(super) use self::turns::{AnswerLimit, AnswerTurn};
pub(super) use self::zstats::router as zstats_router;
use super::api;
use super::auth::Authenticator;
use super::options::Options;
use super::service::Service;
use crate::telemetry::{LogLimit, SharedTelemetry};
use crate::time::SharedClock;

/// What all endpoints share.
pub(super) struct App {
    pub(super) service: Arc<dyn Service>,
    pub(super) options: Options,
    pub(super) telemetry: SharedTelemetry,
    pub(super) clock: SharedClock,
    pub(super) authenticator: Option<Authenticator>,
    pub(super) turns: Turns,
    /// A flood of refusals is a few lines of the log.
    pub(super) refusals_logged: LogLimit,
    /// Becomes `true` when the server is to end: what would go on for ever ends itself then.
    pub(super) ending: watch::Receiver<bool>,
}

impl App {
    pub(super) fn new(
        service: Arc<dyn Service>,
        options: Options,
        telemetry: SharedTelemetry,
        clock: SharedClock,
        ending: watch::Receiver<bool>,
    ) -> Arc<App> {
        let zstats_max = options.zstats.as_ref().map_or(1, |zstats| zstats.requests_max);
        let turns = Turns::new(&options.limits, options.prometheus.queries_max, zstats_max);
        let authenticator = options.auth.clone().map(|auth| Authenticator::new(auth, Arc::clone(&clock)));
        let refusals_logged = LogLimit::default();
        Arc::new(App { service, options, telemetry, clock, authenticator, turns, refusals_logged, ending })
    }
}

/// The way from a request to its endpoint.
///
/// As with cc-metric-store, paths below those of the API lead there too (`/api/write/whatever`).
pub(super) fn router(app: &Arc<App>) -> Router {
    let endpoints: [(Route, &str, MethodRouter<Arc<App>>); 5] = [
        (Route::Write, "/api/write", post(write::write)),
        (Route::Query, "/api/query", get(query::query).post(query::query)),
        (Route::Free, "/api/free", post(free::free)),
        (Route::Debug, "/api/debug", get(debug::debug)),
        (Route::Healthcheck, "/api/healthcheck", get(healthcheck::healthcheck).post(healthcheck::healthcheck)),
    ];
    let mut router = Router::new();
    for (route, path, methods) in endpoints {
        let methods = methods.fallback(status::method_not_allowed);
        let methods = methods.layer(from_fn_with_state(Gate::new(app, route), gate::pass));
        router = router
            .route(path, methods.clone())
            .route(&format!("{path}/"), methods.clone())
            .route(&format!("{path}/{{*below}}"), methods);
    }
    if app.options.dev {
        let swagger = Router::from(SwaggerUi::new("/swagger").url("/swagger/doc.json", api::openapi()));
        router = router.merge(swagger.layer(from_fn_with_state(Gate::new(app, Route::Swagger), gate::pass)));
    }
    with_prometheus(zstats::add(router, app), app)
}

/// The way to Prometheus's endpoints, and to those that tell how the server is, alone.
pub(super) fn prometheus_router(app: &Arc<App>) -> Router {
    with_prometheus(Router::new(), app)
}

/// Adds Prometheus's endpoints, those that tell how the server is, and an end to all other ways.
fn with_prometheus(mut router: Router<Arc<App>>, app: &Arc<App>) -> Router {
    let cors = || from_fn_with_state(Arc::clone(app), prometheus::allow_origins);
    for (path, methods) in prometheus::endpoints() {
        let methods = methods.fallback(status::method_not_allowed);
        let methods = methods.layer(from_fn_with_state(Gate::new(app, Route::Prometheus(path)), gate::pass));
        router = router.route(path, methods.layer(cors()));
    }
    for (path, methods) in receive::endpoints() {
        let methods = methods.fallback(status::method_not_allowed);
        let methods = methods.layer(from_fn_with_state(Gate::new(app, Route::Receive(path)), gate::pass));
        router = router.route(path, methods.layer(cors()));
    }
    // As with Prometheus, browsers may ask about what is not there, too.
    let unknown = any(status::not_found).layer(from_fn_with_state(Gate::new(app, Route::Elsewhere), gate::pass));
    router = router.route("/api/v1/{*below}", unknown.layer(cors()));
    let statuses: [(Route, &str, MethodRouter<Arc<App>>); 3] = [
        (Route::Healthy, "/-/healthy", get(status::healthy)),
        (Route::Ready, "/-/ready", get(status::ready)),
        (Route::Metrics, "/metrics", get(status::metrics)),
    ];
    for (route, path, methods) in statuses {
        let methods = methods.fallback(status::method_not_allowed);
        router = router.route(path, methods.layer(from_fn_with_state(Gate::new(app, route), gate::pass)));
    }
    let elsewhere = any(status::not_found).layer(from_fn_with_state(Gate::new(app, Route::Elsewhere), gate::pass));
    router.fallback_service(elsewhere.with_state(())).with_state(Arc::clone(app))
}

/// The first value of a parameter in a query string, decoded.
fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    parameters.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
pub(super) use self::inflate::tests::{gzip, zstd};
