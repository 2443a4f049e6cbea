//! Sealed samples of one series.
//!
//! Owns how long chunks get: small ones are joined as soon as they are a medium one together, two medium ones make a
//! full one. So each sample is sealed three times at most where series come evenly.

use std::sync::Arc;

use crate::block::{Column, HistogramColumn, Values};
use crate::model::StampedValue;

use super::loose::Loose;
use super::times::{Pool, SharedTimes};

/// Chunks shorter than this are small.
const MEDIUM: usize = 256;

/// No chunk gets longer.
pub(super) const FULL: usize = 512;

const _: () = assert!(FULL <= crate::block::SAMPLES_MAX, "a chunk can be sealed");

/// An immutable run of samples; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) times: Arc<SharedTimes>,
    pub(super) values: Values,
    /// When the counting began, one for each sample, 0 for unknown; `None` when all are unknown.
    pub(super) starts: Option<Arc<SharedTimes>>,
}

impl Chunk {
    /// Seals samples of one kind, 1 to [`FULL`].
    pub(super) fn seal(samples: &[Loose], pool: &mut Pool, bytes: &mut usize) -> Chunk {
        let times: Vec<i64> = samples.iter().map(|sample| sample.time_ms).collect();
        let starts: Vec<i64> = samples.iter().map(|sample| sample.start_ms).collect();
        let histograms: Vec<_> = samples.iter().filter_map(|sample| sample.histogram().cloned()).collect();
        let values = match histograms.len() == samples.len() {
            true => Values::Histograms(HistogramColumn::seal(&histograms)),
            false => Values::Floats(Column::seal(&samples.iter().map(Loose::number).collect::<Vec<f64>>())),
        };
        let has_starts = starts.iter().any(|&start| start != 0);
        Chunk { times: pool.share(&times, bytes), values, starts: has_starts.then(|| pool.share(&starts, bytes)) }
    }

    /// The first time.
    #[inline]
    pub(super) fn first_ms(&self) -> i64 {
        self.times.first_ms
    }

    /// The last time.
    #[inline]
    pub(super) fn last_ms(&self) -> i64 {
        self.times.last_ms
    }

    /// The number of samples.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// The numbers, if it holds plain ones only.
    pub(super) fn plain(&self) -> Option<&Column> {
        match (&self.values, &self.starts) {
            (Values::Floats(column), None) => Some(column),
            _ => None,
        }
    }

    /// Whether it holds histograms.
    pub(super) fn is_of_histograms(&self) -> bool {
        matches!(self.values, Values::Histograms(_))
    }

    /// Appends all samples, one by one.
    pub(super) fn decode_to(&self, out: &mut Vec<Loose>) {
        let (mut times, mut starts) = (Vec::new(), Vec::new());
        self.times.decode_to(&mut times);
        match &self.starts {
            Some(sealed) => sealed.decode_to(&mut starts),
            None => starts.resize(times.len(), 0),
        }
        let stamps = times.into_iter().zip(starts);
        match &self.values {
            Values::Floats(column) => {
                let mut values = vec![0.0; column.len()];
                column.decode(0..column.len(), &mut values);
                out.extend(stamps.zip(values).map(|((time_ms, start_ms), value)| Loose {
                    time_ms,
                    start_ms,
                    value: StampedValue::Float(value),
                }));
            }
            Values::Histograms(column) => {
                let mut histograms = Vec::new();
                column.decode(0..column.len(), &mut histograms);
                out.extend(stamps.zip(histograms).map(|((time_ms, start_ms), histogram)| Loose {
                    time_ms,
                    start_ms,
                    value: StampedValue::Histogram(Arc::new(histogram)),
                }));
            }
        }
    }

    /// Counts the chunk: notes its use of times, and answers the bytes that count from now on.
    pub(super) fn begin_use(&self) -> usize {
        self.values.memory_bytes()
            + self.times.begin_use()
            + self.starts.as_ref().map_or(0, |starts| starts.begin_use())
    }

    /// Ends what [`begin_use`](Self::begin_use) noted; answers the bytes that no longer count.
    pub(super) fn end_use(&self) -> usize {
        self.values.memory_bytes() + self.times.end_use() + self.starts.as_ref().map_or(0, |starts| starts.end_use())
    }
}

/// How many of the last chunks are sealed anew together with `more` samples of their kind behind them.
pub(super) fn joined(chunks: &[Chunk], more: usize, is_of_kind: impl Fn(&Chunk) -> bool) -> usize {
    let small = chunks.iter().rev().take_while(|chunk| chunk.len() < MEDIUM && is_of_kind(chunk));
    let (mut count, mut len) = (0, more);
    for chunk in small {
        if len + chunk.len() > FULL {
            break;
        }
        len += chunk.len();
        count += 1;
    }
    if len < MEDIUM {
        return 0;
    }
    match chunks.iter().rev().nth(count) {
        Some(medium) if len + medium.len() <= FULL && is_of_kind(medium) => count + 1,
        _ => count,
    }
}

/// Seals ascending samples of any kinds.
pub(super) fn seal_all(samples: &[Loose], pool: &mut Pool, bytes: &mut usize, out: &mut Vec<Chunk>) {
    for run in samples.chunk_by(|a, b| a.is_histogram() == b.is_histogram()) {
        let pieces = run.len().div_ceil(FULL).max(1);
        for piece in run.chunks(run.len().div_ceil(pieces)) {
            out.push(Chunk::seal(piece, pool, bytes));
        }
    }
}
