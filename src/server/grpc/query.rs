//! `Query`: an expression at one time.
//!
//! The answer is one message. It is encoded series by series, so that an answer that is too large for one is refused
//! before it is gathered, and it counts as in flight until its last byte is sent.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, message};
use tokio::runtime::Handle;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Code, Response, Status};
use tower::service_fn;

use super::call::Call;
use super::gate::Kept;
use super::proto::query_response::Result as Outcome;
use super::proto::{QueryRequest, QueryResponse, Sample, Series};
use super::raw::RawCodec;
use super::{deadline, series};
use crate::promql::{Samples, Times, Value};
use crate::server::http::{AnswerLimit, App, PromqlQuery, Refusal, Unevaluated, watch};

const NAME: &str = Call::Query.name();

/// Bytes that a point takes at least.
const POINT_BYTES_MIN: usize = 9;

pub(super) async fn query(State(app): State<Arc<App>>, request: Request) -> axum::http::Response<Body> {
    let limits = &app.options.limits;
    let mut grpc = Grpc::new(RawCodec)
        .max_decoding_message_size(limits.grpc_message_bytes_max)
        .max_encoding_message_size(limits.grpc_answer_bytes_max);
    let deadline = deadline::of(request.headers());
    let service = service_fn(move |request: tonic::Request<Bytes>| {
        let app = Arc::clone(&app);
        async move { answer(app, deadline, request.into_inner()).await }
    });
    grpc.unary(service, request).await
}

impl App {
    /// How long a query may take that a request, and the call's deadline, give so long; 0 is as long as it may.
    pub(super) fn call_timeout(&self, asked_ms: u64, deadline: Option<Duration>) -> Duration {
        let asked = (asked_ms > 0).then(|| Duration::from_millis(asked_ms));
        let timeout = self.query_timeout(asked);
        deadline.map_or(timeout, |deadline| deadline.min(timeout))
    }

    /// The status of a query that was not evaluated.
    pub(super) fn unevaluated(&self, call: &'static str, failure: Unevaluated) -> Status {
        match failure {
            Unevaluated::Parse(error) => self.invalid(call, format_args!("invalid query: {error}")),
            Unevaluated::Query(error) => self.query_status(call, &error),
        }
    }
}

async fn answer(app: Arc<App>, deadline: Option<Duration>, message: Bytes) -> Result<Response<Bytes>, Status> {
    let request = QueryRequest::decode(message).map_err(|error| app.invalid(NAME, error))?;
    let time_ms = request.time_ms.unwrap_or_else(|| app.clock.now_millis());
    let query = PromqlQuery {
        text: request.query,
        times: Times { start_ms: time_ms, end_ms: time_ms, step_ms: 0 },
        limit: (request.limit > 0).then_some(request.limit as usize),
        lookback_ms: app.lookback_ms(i64::try_from(request.lookback_ms).ok()),
        timeout: app.call_timeout(request.timeout_ms, deadline),
    };
    let turn = app.answer_turn(AnswerLimit::Promql).await;
    let mut turn = turn.map_err(|refusal| app.status(NAME, &refusal))?;
    // Dropped with this call: then nobody waits any more.
    let (_waiting, watch) = watch(query.timeout);
    let (worker, runtime) = (Arc::clone(&app), Handle::current());
    let answered = tokio::task::spawn_blocking(move || {
        let app = worker;
        let evaluated = app.evaluate(&query, &watch).map_err(|failure| app.unevaluated(NAME, failure))?;
        let (warnings, infos) = evaluated.notes.shown();
        let bytes_max = app.options.limits.grpc_answer_bytes_max;
        let Some(message) = encode(&evaluated.value, warnings, infos, bytes_max) else {
            app.telemetry.refuse("grpc_answer_bytes");
            let text = format!("the answer has more than {bytes_max} bytes: ask for less, with a limit for one");
            return Err(Status::new(Code::ResourceExhausted, text));
        };
        turn.pause();
        let room = runtime.block_on(app.room(&app.turns.answer_bytes, message.len()));
        let room = room.map_err(|refusal| app.status(NAME, &refusal))?;
        let mut response = Response::new(Bytes::from(message));
        response.extensions_mut().insert(Kept(Arc::new((turn, room))));
        Ok(response)
    });
    let failed = |error| app.status(NAME, &Refusal::internal(format!("the evaluation failed: {error}")));
    answered.await.map_err(failed)?
}

/// A [`QueryResponse`]; `None` if it has more bytes than it may.
fn encode(value: &Value, warnings: Vec<String>, infos: Vec<String>, bytes_max: usize) -> Option<Vec<u8>> {
    let mut response = QueryResponse { result: None, warnings, infos };
    let mut list = Vec::new();
    let mut push = |series: &Series| {
        message::encode(1, series, &mut list);
        (list.len() <= bytes_max).then_some(())
    };
    // The fields of QueryResponse that hold lists.
    let field = match value {
        Value::Scalar { time_ms, value } => {
            response.result = Some(Outcome::Scalar(Sample { value: *value, time_ms: *time_ms }));
            return Some(response.encode_to_vec());
        }
        Value::Text { text, .. } => {
            response.result = Some(Outcome::Text(text.clone()));
            return Some(response.encode_to_vec());
        }
        Value::Vector { time_ms, series } => {
            for (labels, point) in series {
                push(&series::of_point(*time_ms, labels, point))?;
            }
            3
        }
        Value::Matrix(series) => {
            for (labels, samples) in series {
                has_room(samples, bytes_max).then_some(())?;
                push(&series::of_samples(labels, samples))?;
            }
            4
        }
        Value::Range { steps, series } => {
            for (labels, column) in series {
                let (mut series, histograms) = series::of_column(labels, column, *steps);
                series.histograms = histograms.collect();
                push(&series)?;
            }
            4
        }
    };
    let mut out = Vec::with_capacity(list.len() + 64);
    encode_key(field, WireType::LengthDelimited, &mut out);
    encode_varint(list.len() as u64, &mut out);
    out.append(&mut list);
    // What comes behind has other fields.
    out.append(&mut response.encode_to_vec());
    (out.len() <= bytes_max).then_some(out)
}

/// Whether the points alone may fit.
fn has_room(samples: &Samples, bytes_max: usize) -> bool {
    samples.times.len() * POINT_BYTES_MIN <= bytes_max
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::promql::Point;

    #[test]
    fn what_is_encoded_in_parts_is_one_message() {
        let labels = |host: &str| Labels::from_pairs([("__name__", "up"), ("hostname", host)]);
        let series = vec![(labels("a"), Point::Float(1.5)), (labels("b"), Point::Float(f64::NAN))];
        let value = Value::Vector { time_ms: 7000, series };
        let encoded = encode(&value, vec!["beware".into()], vec![], 1000).unwrap();
        let decoded = QueryResponse::decode(&*encoded).unwrap();
        assert_eq!((decoded.warnings, decoded.infos), (vec!["beware".to_owned()], vec![]));
        let Some(Outcome::Vector(vector)) = decoded.result else { panic!("no vector") };
        assert_eq!(vector.series.len(), 2);
        assert_eq!(vector.series[0].times_ms, [7000]);
        assert_eq!(vector.series[0].values, [1.5]);
        assert_eq!(vector.series[1].labels[1].value, "b");
        assert!(vector.series[1].values[0].is_nan());
        assert_eq!(encode(&value, vec![], vec![], 50), None, "too large");
        let empty = encode(&Value::Vector { time_ms: 0, series: vec![] }, vec![], vec![], 50).unwrap();
        let empty = QueryResponse::decode(&*empty).unwrap();
        assert!(matches!(empty.result, Some(Outcome::Vector(vector)) if vector.series.is_empty()));
    }
}
