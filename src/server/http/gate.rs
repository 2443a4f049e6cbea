//! What every request passes first: its token, the end of recovery, the count of requests and their times.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::refusal::Refused;
use super::{App, Refusal};
use crate::formats::zstats;
use crate::server::auth::Permission;
use crate::server::connection::{Peer, RequestGuard};
use crate::server::identity::Identity;
use crate::telemetry::{self, SharedTelemetry};

/// Where a request leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Write,
    Query,
    Free,
    Debug,
    Healthcheck,
    /// An endpoint of Prometheus's API, by its path.
    Prometheus(&'static str),
    /// One that takes data in, by its path.
    Receive(&'static str),
    /// The one with tokens of its own.
    Zstats,
    Healthy,
    Ready,
    Metrics,
    Swagger,
    /// Nowhere.
    Elsewhere,
}

impl Route {
    /// The name in own metrics.
    fn name(self) -> &'static str {
        match self {
            Route::Write => "/api/write",
            Route::Query => "/api/query",
            Route::Free => "/api/free",
            Route::Debug => "/api/debug",
            Route::Healthcheck => "/api/healthcheck",
            Route::Prometheus(path) | Route::Receive(path) => path,
            Route::Zstats => zstats::PATH,
            Route::Healthy => "/-/healthy",
            Route::Ready => "/-/ready",
            Route::Metrics => "/metrics",
            Route::Swagger => "/swagger",
            Route::Elsewhere => "elsewhere",
        }
    }

    fn permission(self) -> Permission {
        match self {
            Route::Write | Route::Receive(_) => Permission::Write,
            Route::Query | Route::Healthcheck | Route::Prometheus(_) => Permission::Read,
            Route::Free => Permission::Free,
            Route::Debug => Permission::Debug,
            _ => Permission::Any,
        }
    }

    /// Whether the answer needs what recovery brings back.
    fn needs_data(self) -> bool {
        let is_api = matches!(self, Route::Write | Route::Query | Route::Free | Route::Debug | Route::Healthcheck);
        is_api || matches!(self, Route::Prometheus(_) | Route::Receive(_))
    }
}

/// The gate of one route.
#[derive(Clone)]
pub(super) struct Gate {
    app: Arc<App>,
    route: Route,
}

impl Gate {
    pub(super) fn new(app: &Arc<App>, route: Route) -> Self {
        Gate { app: Arc::clone(app), route }
    }

    /// Whether the request's token, or its connection's certificate, allows it.
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        if let Some(authenticator) = &self.app.authenticator
            && self.route != Route::Zstats
        {
            // Below /api/ a path that leads nowhere needs a token too: strangers learn nothing about what is there.
            let is_data = request.uri().path().starts_with("/api/") || matches!(self.route, Route::Prometheus(_));
            if is_data || authenticator.protects_metrics() {
                let nobody = Identity::default();
                let identity = request.extensions().get::<Peer>().map_or(&nobody, |peer| &peer.identity);
                authenticator.check(request.headers(), identity, self.route.permission())?;
            }
        }
        Ok(())
    }

    /// Counts a refusal, and logs it if there were not many just now.
    fn note(&self, refused: &Refused, status: StatusCode) {
        if let Some(reason) = refused.reason {
            self.app.telemetry.refuse(reason);
        }
        let (route, text) = (self.route.name(), &refused.text);
        if refused.reason.is_none() && !status.is_server_error() {
            tracing::info!("{route}: {status}: {text}");
        } else if let Some(count) = self.app.refusals_logged.note(1) {
            tracing::warn!("{route}: {status}: {text} ({count} such refusals since the last one shown)");
        }
    }
}

impl App {
    /// Whether recovery is over.
    pub(in crate::server) fn is_ready(&self) -> bool {
        *self.options.ready.borrow() || self.service.is_ready()
    }

    /// Waits for the end of recovery, but not for ever.
    pub(in crate::server) async fn wait_until_ready(&self) -> Result<(), Refusal> {
        if self.is_ready() {
            return Ok(());
        }
        let mut ready = self.options.ready.clone();
        let recovered = ready.wait_for(|ready| *ready);
        let recovered = tokio::time::timeout(self.options.limits.ready_timeout, recovered).await;
        if matches!(recovered, Ok(Ok(_))) || self.is_ready() {
            return Ok(());
        }
        Err(Refusal::unavailable("not_ready", "recovering: not ready yet"))
    }
}

/// Lets a request through, or refuses it.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let peer = request.extensions().get::<Peer>();
    let mut guard = peer.map(|peer| peer.requests.begin());
    let address = peer.map(|peer| peer.address);
    tracing::debug!("{} {} from {address:?}", request.method(), request.uri().path());
    let admitted = match gate.check(&request) {
        Ok(()) if gate.route.needs_data() => gate.app.wait_until_ready().await,
        checked => checked,
    };
    let response = match admitted {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    if let Some(refused) = response.extensions().get::<Refused>() {
        gate.note(refused, response.status());
    }
    let (route, status) = (gate.route.name(), response.status().as_u16());
    gate.app.telemetry.requests.get_or_create(&telemetry::Request { route, status }).inc();
    let telemetry = Arc::clone(&gate.app.telemetry);
    // What has a length lies there ready to be sent: from now on it is the client who takes its time.
    if let Some(guard) = &mut guard
        && response.body().size_hint().exact().is_some()
    {
        guard.answered();
    }
    response.map(|body| Body::new(Watched { body, route, begun, telemetry, _guard: guard }))
}

/// A body that knows when its request began. Dropped when the last of it is sent, or when it never will be.
struct Watched {
    body: Body,
    route: &'static str,
    begun: Instant,
    telemetry: SharedTelemetry,
    _guard: Option<RequestGuard>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let route = telemetry::Route { route: self.route };
        self.telemetry.request_seconds.get_or_create(&route).observe(self.begun.elapsed().as_secs_f64());
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
