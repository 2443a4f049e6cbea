//! Sealed samples of one series.
//!
//! Owns how long chunks get: one is joined with those behind it as soon as they are as long together, until it is full.
//! So each sample is sealed five times where series come evenly, and a series has few short chunks at any time.

use std::sync::Arc;

use crate::block::{Column, HistogramColumn, Values};
use crate::model::StampedValue;

use super::loose::Loose;
use super::times::{Pool, SharedTimes};

/// No chunk gets longer.
pub(super) const FULL: usize = 1024;

const _: () = assert!(FULL <= crate::block::SAMPLES_MAX, "a chunk can be sealed");

/// An immutable run of samples; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) times: Arc<SharedTimes>,
    held: Held,
}

const _: () = assert!(size_of::<Chunk>() == 24, "series have a few dozen, and most hold plain numbers");

/// What a chunk holds beside its times.
#[derive(Debug, Clone)]
enum Held {
    /// Numbers without start times: nearly always.
    Plain(Column),
    Other(Arc<Other>),
}

/// Histograms, or numbers with start times.
#[derive(Debug)]
struct Other {
    values: Values,
    /// When the counting began, one for each sample, 0 for unknown; `None` when all are unknown.
    starts: Option<Arc<SharedTimes>>,
}

impl Chunk {
    /// A chunk of what is sealed; all parts are equally long.
    pub(super) fn new(times: Arc<SharedTimes>, values: Values, starts: Option<Arc<SharedTimes>>) -> Chunk {
        let held = match (values, starts) {
            (Values::Floats(column), None) => Held::Plain(column),
            (values, starts) => Held::Other(Arc::new(Other { values, starts })),
        };
        Chunk { times, held }
    }

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
        Chunk::new(pool.share(&times, bytes), values, has_starts.then(|| pool.share(&starts, bytes)))
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
        match &self.held {
            Held::Plain(column) => Some(column),
            Held::Other(_) => None,
        }
    }

    /// The numbers, if it holds no histograms.
    pub(super) fn floats(&self) -> Option<&Column> {
        match &self.held {
            Held::Plain(column) => Some(column),
            Held::Other(other) => match &other.values {
                Values::Floats(column) => Some(column),
                Values::Histograms(_) => None,
            },
        }
    }

    /// The histograms, if it holds some.
    pub(super) fn histograms(&self) -> Option<&HistogramColumn> {
        match &self.held {
            Held::Other(other) => match &other.values {
                Values::Histograms(column) => Some(column),
                Values::Floats(_) => None,
            },
            Held::Plain(_) => None,
        }
    }

    /// When the counting began, one for each sample, 0 for unknown; `None` when all are unknown.
    pub(super) fn starts(&self) -> Option<&Arc<SharedTimes>> {
        match &self.held {
            Held::Plain(_) => None,
            Held::Other(other) => other.starts.as_ref(),
        }
    }

    /// The bytes of the values, as they go to disk.
    pub(super) fn values_as_bytes(&self) -> &Arc<[u8]> {
        match &self.held {
            Held::Plain(column) => column.as_bytes(),
            Held::Other(other) => other.values.as_bytes(),
        }
    }

    /// The bytes of memory of the values alone, which no other chunk shares.
    pub(super) fn values_bytes(&self) -> usize {
        /// The counts of an `Arc`, and what the allocator adds.
        const AROUND: usize = 24;
        match &self.held {
            Held::Plain(column) => column.memory_bytes(),
            Held::Other(other) => other.values.memory_bytes() + size_of::<Other>() + AROUND,
        }
    }

    /// Whether it holds histograms.
    pub(super) fn is_of_histograms(&self) -> bool {
        self.histograms().is_some()
    }

    /// Appends all samples, one by one.
    pub(super) fn decode_to(&self, out: &mut Vec<Loose>) {
        let (mut times, mut starts) = (Vec::new(), Vec::new());
        self.times.decode_to(&mut times);
        match self.starts() {
            Some(sealed) => sealed.decode_to(&mut starts),
            None => starts.resize(times.len(), 0),
        }
        let stamps = times.into_iter().zip(starts);
        if let Some(column) = self.floats() {
            let mut values = vec![0.0; column.len()];
            column.decode(0..column.len(), &mut values);
            out.extend(stamps.zip(values).map(|((time_ms, start_ms), value)| Loose {
                time_ms,
                start_ms,
                value: StampedValue::Float(value),
            }));
        } else if let Some(column) = self.histograms() {
            let mut histograms = Vec::new();
            column.decode(0..column.len(), &mut histograms);
            out.extend(stamps.zip(histograms).map(|((time_ms, start_ms), histogram)| Loose {
                time_ms,
                start_ms,
                value: StampedValue::Histogram(Arc::new(histogram)),
            }));
        }
    }

    /// Counts the chunk: notes its use of times, and answers the bytes that count from now on.
    pub(super) fn begin_use(&self) -> usize {
        self.values_bytes() + self.times.begin_use() + self.starts().map_or(0, |starts| starts.begin_use())
    }

    /// Ends what [`begin_use`](Self::begin_use) noted; answers the bytes that no longer count.
    pub(super) fn end_use(&self) -> usize {
        self.values_bytes() + self.times.end_use() + self.starts().map_or(0, |starts| starts.end_use())
    }
}

/// How many of the last chunks are sealed anew together with `more` samples of their kind behind them.
pub(super) fn joined(chunks: &[Chunk], more: usize, is_of_kind: impl Fn(&Chunk) -> bool) -> usize {
    let (mut count, mut len) = (0, more);
    for chunk in chunks.iter().rev().take_while(|chunk| is_of_kind(chunk)) {
        // Up to a third longer is about as long: windows with a gap are shorter than others.
        if chunk.len() * 3 > len * 4 || len + chunk.len() > FULL {
            break;
        }
        len += chunk.len();
        count += 1;
    }
    count
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
