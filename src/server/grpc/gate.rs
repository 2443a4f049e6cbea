//! What every call passes first: its form, its token, the end of recovery, the count of calls and their times.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Code, Status};

use super::call::Call;
use super::meter::metered;
use super::status::{self, http_status_of};
use crate::server::connection::{Peer, RequestGuard};
use crate::server::http::{App, Refusal};
use crate::server::identity::Identity;
use crate::telemetry::{self, SharedTelemetry};

/// The gate of one call.
#[derive(Clone)]
pub(super) struct Gate {
    app: Arc<App>,
    call: Call,
}

/// An extension of an answer: what is kept until its last byte is sent.
#[derive(Clone)]
pub(super) struct Kept(#[expect(dead_code, reason = "it is there to be dropped")] pub(super) Arc<dyn Send + Sync>);

impl Gate {
    pub(super) fn new(app: &Arc<App>, call: Call) -> Self {
        Gate { app: Arc::clone(app), call }
    }

    /// Whether the call's token, or its connection's certificate, allows it; gives it a place among all calls.
    fn check(&self, request: &Request) -> Result<OwnedSemaphorePermit, Refusal> {
        let app = &self.app;
        if let Some(authenticator) = &app.authenticator
            && (self.call.is_guarded() || authenticator.protects_metrics())
        {
            let nobody = Identity::default();
            let identity = request.extensions().get::<Peer>().map_or(&nobody, |peer| &peer.identity);
            authenticator.check(request.headers(), identity, self.call.permission())?;
        }
        app.turns.calls.try_take().ok_or_else(|| app.turns.calls.overloaded())
    }
}

/// Lets a call through, or refuses it.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let peer = request.extensions().get::<Peer>();
    let mut guard = peer.map(|peer| peer.requests.begin());
    let Gate { app, call } = &gate;
    tracing::debug!("{} from {:?}", request.uri().path(), peer.map(|peer| peer.address));
    if !is_grpc(request.headers()) {
        app.telemetry.requests.get_or_create(&telemetry::Request { route: call.name(), status: 415 }).inc();
        let text = "only gRPC is spoken here: expected the content type application/grpc";
        return Refusal::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let admitted = match gate.check(&request) {
        Ok(place) if call.needs_data() => app.wait_until_ready().await.map(|()| place),
        checked => checked,
    };
    let (response, place) = match admitted {
        Ok(place) => {
            let request = request.map(|body| metered(app, *call, body));
            (next.run(request).await, Some(place))
        }
        Err(refusal) => (app.status(call.name(), &refusal).into_http(), None),
    };
    let mut response = response.map(Body::new);
    let kept = response.extensions_mut().remove::<Kept>();
    let code = code_in(response.headers());
    // One message lies there whole: from now on it is the client who takes its time.
    if let Some(guard) = &mut guard
        && (call.is_unary() || code.is_some())
    {
        guard.answered();
    }
    let ending = call.is_endless().then(|| {
        let mut ending = app.ending.clone();
        Box::pin(async move { _ = ending.wait_for(|&is_ending| is_ending).await })
            as Pin<Box<dyn Future<Output = ()> + Send>>
    });
    let telemetry = Arc::clone(&app.telemetry);
    let watched =
        |body| Watched { body, call: *call, begun, telemetry, code, ending, _guard: guard, _place: place, _kept: kept };
    response.map(|body| Body::new(watched(body)))
}

/// Whether the request is one of gRPC with protobuf.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let Some(rest) = content_type.strip_prefix(b"application/grpc") else { return false };
    matches!(rest.strip_prefix(b"+proto").unwrap_or(rest), [] | [b';', ..])
}

/// The code in headers or trailers, if it is there.
fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

/// A body that knows what became of its call. Dropped when the last of it is sent, or when it never will be.
struct Watched {
    body: Body,
    call: Call,
    begun: Instant,
    telemetry: SharedTelemetry,
    code: Option<Code>,
    /// For calls that would go on for ever: ready when the server ends.
    ending: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _guard: Option<RequestGuard>,
    _place: Option<OwnedSemaphorePermit>,
    _kept: Option<Kept>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let route = self.call.name();
        // Without a code the client has gone before the end.
        let status = http_status_of(self.code.unwrap_or(Code::Cancelled));
        self.telemetry.requests.get_or_create(&telemetry::Request { route, status }).inc();
        let seconds = self.begun.elapsed().as_secs_f64();
        self.telemetry.request_seconds.get_or_create(&telemetry::Route { route }).observe(seconds);
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.code = code_in(trailers);
                }
            }
            Poll::Ready(_) => {}
            Poll::Pending => {
                if let Some(ending) = &mut self.ending
                    && ending.as_mut().poll(cx).is_ready()
                {
                    self.ending = None;
                    self.body = Body::empty();
                    self.code = Some(Code::Unavailable);
                    let mut trailers = HeaderMap::new();
                    if status::ending().add_header(&mut trailers).is_ok() {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                    return Poll::Ready(None);
                }
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
