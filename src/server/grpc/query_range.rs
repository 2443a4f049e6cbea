//! `QueryRange`: an expression at many times, its answer sent part by part.
//!
//! Invariant: only a few parts are encoded at a time; a stream that breaks off is never taken for a whole one, as its
//! last part is followed by an end of its own; and when nobody takes the stream any more, the evaluation ends and its
//! turn is free.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use bytes::Bytes;
use futures_util::{Stream, stream};
use prost::Message;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Response, Status};
use tower::service_fn;

use super::call::Call;
use super::proto::{Histogram, QueryRangeRequest, QueryRangeResponse, Series};
use super::raw::RawCodec;
use super::{deadline, series};
use crate::promql::{Times, Value};
use crate::server::http::{AnswerLimit, AnswerTurn, App, PromqlQuery, STEPS_MAX, Waiting, watch};

const NAME: &str = Call::QueryRange.name();

/// Bytes from which on a part is sent.
const PART_BYTES: usize = 64 << 10;
/// Parts that wait to be sent.
const PARTS_WAITING: usize = 4;

/// A part of an answer. A channel that closes without `End` means that the answer broke off.
enum Part {
    Message(Bytes),
    Failed(Status),
    End,
}

pub(super) async fn query_range(State(app): State<Arc<App>>, request: Request) -> axum::http::Response<Body> {
    let bytes_max = app.options.limits.grpc_message_bytes_max;
    let deadline = deadline::of(request.headers());
    let service = service_fn(move |request: tonic::Request<Bytes>| {
        let app = Arc::clone(&app);
        async move { answer(app, deadline, request.into_inner()).await.map(Response::new) }
    });
    Grpc::new(RawCodec).max_decoding_message_size(bytes_max).server_streaming(service, request).await
}

async fn answer(
    app: Arc<App>,
    deadline: Option<Duration>,
    message: Bytes,
) -> Result<impl Stream<Item = Result<Bytes, Status>> + Send, Status> {
    let query = read(&app, deadline, message)?;
    let turn = app.answer_turn(AnswerLimit::Promql).await;
    let turn = turn.map_err(|refusal| app.status(NAME, &refusal))?;
    let (waiting, watch) = watch(query.timeout);
    let (sender, parts) = mpsc::channel(PARTS_WAITING);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let stall_timeout = app.options.limits.stall_timeout;
        let mut outlet = Outlet { sender, runtime, turn, stall_timeout };
        let sent = match app.evaluate(&query, &watch) {
            Ok(evaluated) => {
                let (warnings, infos) = evaluated.notes.shown();
                send(&mut outlet, &evaluated.value, warnings, infos)
            }
            Err(failure) => outlet.send(Part::Failed(app.unevaluated(NAME, failure))),
        };
        if let Err(error) = sent {
            tracing::debug!("{NAME}: an answer was not sent to its end: {error}");
        }
    });
    Ok(messages(parts, waiting))
}

/// Reads a request.
fn read(app: &App, deadline: Option<Duration>, message: Bytes) -> Result<PromqlQuery, Status> {
    let request = QueryRangeRequest::decode(message).map_err(|error| app.invalid(NAME, error))?;
    let QueryRangeRequest { start_ms, end_ms, step_ms, .. } = request;
    if end_ms < start_ms {
        return Err(app.invalid(NAME, "end_ms must not lie before start_ms"));
    }
    if step_ms <= 0 {
        return Err(app.invalid(NAME, "step_ms must be positive"));
    }
    if end_ms.saturating_sub(start_ms) / step_ms > STEPS_MAX {
        let text = format!("more than {} times: ask for a longer step_ms, or a shorter range", STEPS_MAX + 1);
        return Err(app.invalid(NAME, text));
    }
    Ok(PromqlQuery {
        text: request.query,
        times: Times { start_ms, end_ms, step_ms },
        limit: (request.limit > 0).then_some(request.limit as usize),
        lookback_ms: app.lookback_ms(i64::try_from(request.lookback_ms).ok()),
        timeout: app.call_timeout(request.timeout_ms, deadline),
    })
}

/// The messages of the parts; when it is dropped, nobody waits for them any more.
fn messages(parts: mpsc::Receiver<Part>, waiting: Waiting) -> impl Stream<Item = Result<Bytes, Status>> + Send {
    stream::unfold(Some((parts, waiting)), |state| async {
        let (mut parts, waiting) = state?;
        match parts.recv().await {
            Some(Part::Message(message)) => Some((Ok(message), Some((parts, waiting)))),
            Some(Part::Failed(status)) => Some((Err(status), None)),
            Some(Part::End) => None,
            None => Some((Err(Status::aborted("the answer broke off")), None)),
        }
    })
}

/// Where parts are handed on.
struct Outlet {
    sender: mpsc::Sender<Part>,
    runtime: Handle,
    turn: AnswerTurn,
    stall_timeout: Duration,
}

impl Outlet {
    fn send(&mut self, part: Part) -> io::Result<()> {
        self.turn.hand_on(&self.runtime, &self.sender, part, self.stall_timeout)
    }
}

/// Sends an answer, and its end.
fn send(outlet: &mut Outlet, value: &Value, warnings: Vec<String>, infos: Vec<String>) -> io::Result<()> {
    let mut parts = Parts { outlet, series: Vec::new(), bytes: 0 };
    match value {
        Value::Range { steps, series } => {
            for (labels, column) in series {
                let (series, histograms) = series::of_column(labels, column, *steps);
                parts.push(series)?;
                for histogram in histograms {
                    parts.push_histogram(histogram)?;
                }
            }
        }
        Value::Matrix(series) => {
            for (labels, samples) in series {
                parts.push(series::of_samples(labels, samples))?;
            }
        }
        Value::Scalar { .. } | Value::Text { .. } | Value::Vector { .. } => {
            let status = Status::internal("a range query answered no range");
            return parts.outlet.send(Part::Failed(status));
        }
    }
    parts.end(warnings, infos)
}

/// Gathers series into parts.
struct Parts<'o> {
    outlet: &'o mut Outlet,
    series: Vec<Series>,
    /// About how many bytes the series are.
    bytes: usize,
}

impl Parts<'_> {
    fn push(&mut self, series: Series) -> io::Result<()> {
        self.bytes += series.encoded_len();
        self.series.push(series);
        self.flush()
    }

    /// Adds a histogram to the series that was pushed last.
    fn push_histogram(&mut self, histogram: Histogram) -> io::Result<()> {
        self.bytes += histogram.encoded_len();
        match self.series.last_mut() {
            Some(series) => series.histograms.push(histogram),
            None => self.series.push(Series { histograms: vec![histogram], continues: true, ..Series::default() }),
        }
        self.flush()
    }

    /// Sends what was gathered, if it is enough.
    fn flush(&mut self) -> io::Result<()> {
        if self.bytes < PART_BYTES {
            return Ok(());
        }
        let part = QueryRangeResponse { series: std::mem::take(&mut self.series), ..QueryRangeResponse::default() };
        self.bytes = 0;
        self.outlet.send(Part::Message(part.encode_to_vec().into()))
    }

    fn end(self, warnings: Vec<String>, infos: Vec<String>) -> io::Result<()> {
        let last = QueryRangeResponse { series: self.series, warnings, infos };
        if last != QueryRangeResponse::default() {
            self.outlet.send(Part::Message(last.encode_to_vec().into()))?;
        }
        self.outlet.send(Part::End)
    }
}
