//! `POST /api/v1/read`: remote read, all samples in one message or chunks in a stream of them.
//!
//! Invariant: samples that an answer holds are counted against the limit of a query; one with all samples in memory is
//! built only within that limit.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt;

use super::super::answer::{self, Policy, Unanswered};
use super::super::encoding::Accepted;
use super::super::receive::Coding;
use super::super::turns::AnswerLimit;
use super::super::{App, Refusal};
use super::evaluate::{Watch, watch};
use super::failure::of_query;
use crate::formats::remote::{ReadForm, ReadQuery, ReadRequest, SampledAnswer, StreamedSeries};
use crate::model::histogram::FloatHistogram;
use crate::promql::tree::TreeSource;
use crate::promql::{Hints, QueryError, Samples, Series, Source};
use crate::query::Sink;
use crate::server::options::Compression;

/// Bytes of a request: a selector with a long pattern.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Bytes of frames that are gathered before they are sent.
const PIECE_BYTES: usize = 256 << 10;

/// Answers a remote read request in the form that its client likes best.
pub(super) async fn remote_read(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    if !app.service.remote_options().protocols.remote_read {
        return Err(Refusal::text(StatusCode::NOT_FOUND, "remote read is not among remote-write.protocols"));
    }
    read(app, request).await.map_err(Refusal::for_senders)
}

async fn read(app: Arc<App>, request: Request) -> Result<Response, Refusal> {
    let coding = Coding::of_remote(request.headers())?;
    let body = app.small_body(request.into_body(), REQUEST_BYTES_MAX, &app.turns.json_bodies).await?;
    let turn = app.answer_turn(AnswerLimit::Promql).await?;
    // Patterns are compiled, which may take a while. The turn is held by this work: a client that goes away makes no
    // room for more of it.
    let decoded = tokio::task::spawn_blocking(move || {
        let request = ReadRequest::decode(&coding.inflate(body.bytes, REQUEST_BYTES_MAX)?).map_err(bad)?;
        Ok::<_, Refusal>((request, turn))
    });
    let (request, turn) = decoded.await.map_err(|error| Refusal::internal(format!("decoding failed: {error}")))??;
    let form = request.form().map_err(bad)?;
    let (waiting, watch) = watch(app.options.prometheus.query_timeout);
    let stall_timeout = app.options.limits.stall_timeout;
    // Compressed as the protocol has it, or not at all.
    let policy = Policy { compression: Compression::Off, accepted: Accepted::default(), is_local: true, stall_timeout };
    let answer = answer::json(policy, turn, move |out| match form {
        ReadForm::Sampled => Reading::new(&app, &watch).sampled(&request.queries, out),
        ReadForm::Streamed => Reading::new(&app, &watch).streamed(&request.queries, out),
    });
    let mut response = answer.await?;
    if form == ReadForm::Streamed {
        // What is still to come is computed while it is sent.
        response = response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _waits = &waiting;
                frame
            }))
        });
    }
    let (content_type, encoding) = match form {
        ReadForm::Sampled => ("application/x-protobuf", Some("snappy")),
        ReadForm::Streamed => ("application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse", None),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Ok(response)
}

fn bad(error: impl std::fmt::Display) -> Refusal {
    Refusal::text(StatusCode::BAD_REQUEST, error.to_string()).because("bad_body")
}

/// An answer under way.
struct Reading<'a> {
    source: TreeSource<'a>,
    watch: &'a Watch,
    samplings: Samplings,
}

impl<'a> Reading<'a> {
    fn new(app: &'a App, watch: &'a Watch) -> Self {
        let source = TreeSource::new(app.service.store(), app.lookback_ms(None), watch);
        let max = app.options.prometheus.query_samples_max;
        Reading { source, watch, samplings: Samplings { max, left: max, batch: Samples::default() } }
    }

    /// All samples in one message.
    fn sampled(mut self, queries: &[ReadQuery], out: &mut dyn Sink) -> Result<(), Unanswered> {
        let mut answer = SampledAnswer::default();
        for query in queries {
            answer.begin_query();
            self.each_series(query, |reading, series| {
                let mut is_begun = false;
                reading.each_batch(query, series, |times, values, histograms| {
                    if !is_begun {
                        answer.begin_series(series.labels());
                        is_begun = true;
                    }
                    answer.add(times, values, histograms);
                    Ok(())
                })
            })?;
        }
        let message = answer.finish().map_err(|error| Unanswered::Refused(bad(error)))?;
        Ok(out.write_all(&message)?)
    }

    /// Chunks in a stream of messages, series by series.
    fn streamed(mut self, queries: &[ReadQuery], out: &mut dyn Sink) -> Result<(), Unanswered> {
        let mut frames = Vec::new();
        for (index, query) in queries.iter().enumerate() {
            self.each_series(query, |reading, series| {
                let mut streamed = StreamedSeries::new(index, series.labels());
                reading.each_batch(query, series, |times, values, histograms| {
                    streamed.add(times, values, histograms, &mut frames);
                    send(&mut frames, PIECE_BYTES, out)
                })?;
                streamed.finish(&mut frames);
                send(&mut frames, PIECE_BYTES, out)
            })?;
        }
        send(&mut frames, 1, out)
    }

    /// Calls for each series that a query asks for, sorted by labels.
    fn each_series(
        &mut self,
        query: &ReadQuery,
        mut call: impl FnMut(&mut Samplings, &dyn Series) -> Result<(), Unanswered>,
    ) -> Result<(), Unanswered> {
        let hints = Hints { start_ms: query.start_ms, end_ms: query.end_ms, ..Hints::default() };
        let selection = self.source.select(&query.matchers, &hints);
        let selection = selection.map_err(|error| of_query(&QueryError::Source(error)))?;
        self.watch.check()?;
        if let Some(most) = selection.exceeds {
            return Err(bad(format_args!("exceeded series limit ({most})")).into());
        }
        let mut series = selection.series;
        series.sort_by(|a, b| a.labels().cmp(b.labels()));
        for series in &series {
            self.watch.check()?;
            call(&mut self.samplings, &**series)?;
        }
        Ok(())
    }
}

/// The samples that an answer may still hold.
struct Samplings {
    max: u64,
    left: u64,
    batch: Samples,
}

impl Samplings {
    /// Calls for each batch of a series' samples within the times of a query.
    fn each_batch(
        &mut self,
        query: &ReadQuery,
        series: &dyn Series,
        mut call: impl FnMut(&[i64], &[f64], &[(u32, Arc<FloatHistogram>)]) -> Result<(), Unanswered>,
    ) -> Result<(), Unanswered> {
        let mut cursor = series.cursor(query.start_ms, query.end_ms);
        loop {
            self.batch.clear();
            let is_more = cursor.next_batch(&mut self.batch);
            if !is_more.map_err(|error| of_query(&QueryError::Source(error)))? {
                return Ok(());
            }
            let Samples { times, values, histograms, .. } = &mut self.batch;
            // Cursors may hand out more than was asked for.
            let from = times.partition_point(|&time| time < query.start_ms);
            let to = times.partition_point(|&time| time <= query.end_ms);
            if from >= to {
                continue;
            }
            histograms.retain_mut(|(place, _)| {
                let at = *place as usize;
                *place = place.saturating_sub(from as u32);
                (from..to).contains(&at)
            });
            // As in queries, a histogram counts by its size.
            let floats = (to - from).saturating_sub(histograms.len());
            let weight = histograms.iter().map(|(_, histogram)| histogram.sample_weight().max(1)).sum::<usize>();
            self.left = self.left.checked_sub((floats + weight) as u64).ok_or_else(|| {
                let refusal = bad(format_args!("exceeded sample limit ({})", self.max));
                refusal.because("query_samples")
            })?;
            call(&times[from..to], &values[from..to], histograms)?;
        }
    }
}

/// Sends frames once there are so many bytes of them.
fn send(frames: &mut Vec<u8>, bytes_min: usize, out: &mut dyn Sink) -> Result<(), Unanswered> {
    if frames.len() >= bytes_min {
        out.write_all(frames)?;
        frames.clear();
    }
    Ok(())
}
