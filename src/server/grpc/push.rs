//! `Push`: requests of a stream, stored one after the other.
//!
//! Invariant: a response is sent when the log holds what it counts as stored; and the next request is read when the
//! response is on its way, so that a client that reads no responses cannot fill memory with requests.

use std::pin::pin;
use std::sync::Arc;

use axum::extract::{Request, State};
use bytes::Bytes;
use futures_util::{Stream, stream};
use prost::Message;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Response, Status, Streaming};
use tower::service_fn;

use super::call::Call;
use super::proto::WriteResponse;
use super::raw::RawCodec;
use super::status::ending;
use crate::engine::{PushReport, RemoteError};
use crate::formats::push::PushRequest;
use crate::server::http::{App, Refusal};

const NAME: &str = Call::Push.name();

pub(super) async fn push(State(app): State<Arc<App>>, request: Request) -> axum::http::Response<Body> {
    let bytes_max = app.options.limits.grpc_message_bytes_max;
    let service = service_fn(move |request: tonic::Request<Streaming<Bytes>>| {
        let responses = responses(Arc::clone(&app), request.into_inner());
        async { Ok::<_, Status>(Response::new(responses)) }
    });
    Grpc::new(RawCodec).max_decoding_message_size(bytes_max).streaming(service, request).await
}

/// Stores request after request while somebody takes the responses.
fn responses(app: Arc<App>, requests: Streaming<Bytes>) -> impl Stream<Item = Result<Bytes, Status>> + Send + use<> {
    stream::try_unfold((app, requests), |(app, mut requests)| async move {
        let Some(message) = next(&app, &mut requests).await? else { return Ok(None) };
        let response = store(&app, message).await?;
        Ok(Some((Bytes::from(response.encode_to_vec()), (app, requests))))
    })
}

/// The next request; an error if the server is to end before it has come.
async fn next(app: &App, requests: &mut Streaming<Bytes>) -> Result<Option<Bytes>, Status> {
    let mut is_ending = app.ending.clone();
    let end = pin!(async move { _ = is_ending.wait_for(|&is_ending| is_ending).await });
    tokio::select! {
        message = requests.message() => message,
        () = end => Err(ending()),
    }
}

/// Stores one request, in its turn.
async fn store(app: &Arc<App>, message: Bytes) -> Result<WriteResponse, Status> {
    let turn = app.turn(&app.turns.writes, 1).await.map_err(|refusal| app.status(NAME, &refusal))?;
    let worker = Arc::clone(app);
    let stored = tokio::task::spawn_blocking(move || {
        // Held by the work and not by the call: a client that goes away does not make room for more of it.
        let _turn = turn;
        let request = PushRequest::read(&message).map_err(|error| worker.invalid(NAME, error))?;
        let mut report = PushReport::default();
        worker.service.push(&request, &mut report).map_err(|error| match error {
            RemoteError::Store { error, .. } => worker.status(NAME, &Refusal::from(error)),
            error => worker.invalid(NAME, error),
        })?;
        let PushReport { stored, skipped, bad, problems } = report;
        Ok(WriteResponse { sequence: request.sequence, stored, skipped, bad, problems })
    });
    let failed = |error| app.status(NAME, &Refusal::internal(format!("storing failed: {error}")));
    stored.await.map_err(failed)?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::proto::{GridSeries, Sample, StampedSeries, WriteRequest};
    use super::*;

    fn grid() -> impl Strategy<Value = GridSeries> {
        let text = || prop_oneof![Just(String::new()), "[a-zä]{1,9}"];
        let samples = prop::collection::vec((any::<u64>(), any::<i64>()), 0..4);
        let words = (text(), text(), text(), text(), text(), text(), text());
        (words, samples).prop_map(|((cluster, hostname, metric, r#type, type_id, stype, stype_id), samples)| {
            GridSeries {
                cluster,
                hostname,
                metric,
                r#type,
                type_id,
                stype,
                stype_id,
                samples: samples
                    .into_iter()
                    .map(|(bits, time_ms)| Sample { value: f64::from_bits(bits), time_ms })
                    .collect(),
            }
        })
    }

    proptest! {
        /// The server reads by hand what clients write by generated code.
        #[test]
        fn what_clients_write_is_read(
            sequence: u64,
            default_cluster in "[a-z]{0,5}",
            grid in prop::collection::vec(grid(), 0..5),
            has_stamped: bool,
            cut: prop::sample::Index,
        ) {
            let series = vec![StampedSeries::default(); usize::from(has_stamped)];
            let request = WriteRequest { sequence, default_cluster, grid, series, ..WriteRequest::default() };
            let bytes = request.encode_to_vec();
            let read = PushRequest::read(&bytes).unwrap();
            prop_assert_eq!(read.sequence, sequence);
            prop_assert_eq!(read.default_cluster, &request.default_cluster);
            prop_assert_eq!((read.grid_series, read.has_stamped), (request.grid.len(), has_stamped));
            let found: Vec<_> = read.grid().collect();
            prop_assert_eq!(found.len(), request.grid.len());
            for (found, sent) in found.iter().zip(&request.grid) {
                let place = [found.cluster, found.host, found.metric];
                let words = [place.as_slice(), &[found.kind, found.id, found.sub_kind, found.sub_id]].concat();
                let place = [&sent.cluster, &sent.hostname, &sent.metric];
                let component = [&sent.r#type, &sent.type_id, &sent.stype, &sent.stype_id];
                let expected: Vec<&str> = place.into_iter().chain(component).map(String::as_str).collect();
                prop_assert_eq!(words, expected);
                let samples: Vec<_> = found.samples().map(|s| (s.value.to_bits(), s.time_ms)).collect();
                let expected: Vec<_> = sent.samples.iter().map(|s| (s.value.to_bits(), s.time_ms)).collect();
                prop_assert_eq!(samples, expected);
            }
            // Both readers agree on what is no message at all; a part may be one.
            let part = &bytes[..cut.index(bytes.len() + 1)];
            prop_assert_eq!(PushRequest::read(part).is_ok(), WriteRequest::decode(part).is_ok());
        }
    }
}
