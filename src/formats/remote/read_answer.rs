//! Remote read: an answer with all samples in one message.

use std::sync::Arc;

use super::super::protobuf::put_bytes;
use super::compression::to_snappy;
use super::encode::{put_histogram, put_labels, put_sample};
use super::error::CompressionError;
use crate::model::Labels;
use crate::model::histogram::FloatHistogram;

/// Builds a `prometheus.ReadResponse`: for each query [`begin_query`](Self::begin_query), for each of its series
/// [`begin_series`](Self::begin_series) and then its samples.
#[derive(Debug, Default)]
pub struct SampledAnswer {
    message: Vec<u8>,
    query: Option<Vec<u8>>,
    series: Option<Vec<u8>>,
}

impl SampledAnswer {
    /// The answer to the next query begins.
    pub fn begin_query(&mut self) {
        self.end_query();
        self.query = Some(Vec::new());
    }

    /// The next series of the query begins.
    pub fn begin_series(&mut self, labels: &Labels) {
        self.end_series();
        let mut series = Vec::new();
        put_labels(&mut series, 1, labels);
        self.series = Some(series);
    }

    /// Samples of the series, ascending by time over all calls. What stands in `values` at a histogram's place means
    /// nothing; a histogram's place is its index in `times`.
    pub fn add(&mut self, times: &[i64], values: &[f64], histograms: &[(u32, Arc<FloatHistogram>)]) {
        let Some(series) = &mut self.series else { return };
        let mut histograms = histograms.iter().peekable();
        for (at, (&time_ms, &value)) in times.iter().zip(values).enumerate() {
            match histograms.next_if(|(place, _)| *place as usize == at) {
                Some((_, histogram)) => put_histogram(series, 4, time_ms, 0, histogram),
                None => put_sample(series, 2, time_ms, 0, value),
            }
        }
    }

    /// Bytes of the message so far.
    pub fn bytes(&self) -> usize {
        let open = [&self.query, &self.series].into_iter().flatten().map(Vec::len).sum::<usize>();
        self.message.len() + open
    }

    /// The message, compressed with snappy.
    ///
    /// # Errors
    /// A message above 4 GB: an empty one in its place would tell a client that there is nothing.
    pub fn finish(mut self) -> Result<Vec<u8>, CompressionError> {
        self.end_query();
        to_snappy(&self.message)
    }

    fn end_series(&mut self) {
        if let (Some(series), Some(query)) = (self.series.take(), &mut self.query) {
            put_bytes(query, 1, &series);
        }
    }

    fn end_query(&mut self) {
        self.end_series();
        if let Some(query) = self.query.take() {
            put_bytes(&mut self.message, 1, &query);
        }
    }
}
