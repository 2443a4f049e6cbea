//! A sealed run of native histograms of one series.
//!
//! Histograms of one shape follow each other mostly for long, so a chunk is a list of such runs: the shape once, then
//! the histograms turned by 90°, which makes of each bucket a series of its own that floats' layers hold well.
//!
//! Invariant: the bytes inside a [`HistogramColumn`] were sealed here or validated in full, so decoding them never
//! fails.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::column::{HISTOGRAMS, layer_bits, layer_of};
use super::shape::Shape;
use super::{PATCHED_MIN, SAMPLES_MAX, count};
use crate::block::error::BlockError;
use crate::block::layer::{Layer, LayerView};
use crate::block::mask::{SCRATCH, Scratch};
use crate::block::reader::Reader;
use crate::block::sealed::allocation_bytes;
use crate::model::histogram::{CounterReset, FloatHistogram};

/// 1 to [`SAMPLES_MAX`] native histograms; immutable and cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct HistogramColumn(Arc<[u8]>);

impl HistogramColumn {
    /// Seals histograms; what their spans and counts disagree about is kept as it is.
    ///
    /// # Panics
    /// Without a histogram and with more than [`SAMPLES_MAX`]: the caller's bug.
    pub fn seal(histograms: &[Arc<FloatHistogram>]) -> HistogramColumn {
        let len = histograms.len();
        assert!((1..=SAMPLES_MAX).contains(&len), "{len} histograms, not 1 to {SAMPLES_MAX}");
        let mut out = Vec::with_capacity(256);
        let hint = code_of(histograms[0].counter_reset_hint);
        let has_one = histograms.iter().all(|histogram| code_of(histogram.counter_reset_hint) == hint);
        out.push(HISTOGRAMS | if has_one { hint } else { MIXED_HINTS });
        count::write(len, &mut out);
        if !has_one {
            let codes = |four: &[Arc<FloatHistogram>]| {
                let codes = four.iter().map(|histogram| code_of(histogram.counter_reset_hint));
                codes.enumerate().fold(0, |byte, (at, code)| byte | code << (2 * at))
            };
            out.extend(histograms.chunks(4).map(codes));
        }
        let mut left = histograms;
        while let Some(first) = left.first() {
            let shape = Shape::of(first);
            let run = left.iter().take_while(|histogram| shape.is_of(histogram)).count();
            // At least the first one.
            let (run, rest) = left.split_at(run.max(1));
            write_run(&shape, run, &mut out);
            left = rest;
        }
        HistogramColumn(out.into())
    }

    /// Histograms from the bytes that [`HistogramColumn::as_bytes`] returned once; validates all of them.
    ///
    /// # Errors
    /// When the bytes are no histograms: which field is wrong, what it holds and what was expected.
    pub fn from_bytes(bytes: Arc<[u8]>) -> Result<HistogramColumn, BlockError> {
        let mut reader = Reader::new(&bytes);
        let head = Head::read(&mut reader)?;
        let mut at = 0;
        while at < head.count {
            let run = read_run(&mut reader, head.count - at)?;
            let counts = run.shape.counts();
            read_layer(&mut reader, run.len, &mut { SCRATCH }, |layer| layer.validate())??;
            let mut column = 0;
            while column < counts {
                let columns = columns_of_piece(run.len).min(counts - column);
                read_layer(&mut reader, columns * run.len, &mut { SCRATCH }, |layer| layer.validate())??;
                column += columns;
            }
            at += run.len;
        }
        reader.finish()?;
        Ok(HistogramColumn(bytes))
    }

    /// The bytes, as they go to disk.
    pub fn as_bytes(&self) -> &Arc<[u8]> {
        &self.0
    }

    /// The number of histograms: 1 to [`SAMPLES_MAX`].
    #[expect(clippy::len_without_is_empty, reason = "a column is never empty")]
    pub fn len(&self) -> usize {
        // Never 0: the bytes were validated.
        Head::read(&mut Reader::new(&self.0)).map_or(0, |head| head.count)
    }

    /// Appends the histograms `range` to `out`. Those of one shape share their custom bounds.
    ///
    /// # Panics
    /// When `range` reaches beyond [`HistogramColumn::len`]: the caller's bug.
    pub fn decode(&self, range: Range<usize>, out: &mut Vec<FloatHistogram>) {
        let len = self.len();
        assert!(range.start <= range.end && range.end <= len, "{range:?} lies outside of {len} histograms");
        // Never an error: the bytes were validated.
        let decoded = self.try_decode(range, out);
        debug_assert!(decoded.is_ok(), "{decoded:?}");
    }

    fn try_decode(&self, range: Range<usize>, out: &mut Vec<FloatHistogram>) -> Result<(), BlockError> {
        let mut reader = Reader::new(&self.0);
        let head = Head::read(&mut reader)?;
        let mut numbers = [0.0; SAMPLES_MAX];
        let mut scratch = SCRATCH;
        let mut at = 0;
        while at < range.end {
            let run = read_run(&mut reader, head.count - at)?;
            let wanted = range.start.saturating_sub(at).min(run.len)..(range.end - at).min(run.len);
            let first = out.len();
            out.extend(wanted.clone().map(|place| run.shape.empty(head.hint(at + place))));
            let histograms = &mut out[first..];
            let numbers = &mut numbers[..wanted.len()];
            read_layer(&mut reader, run.len, &mut scratch, |layer| layer.decode(wanted.clone(), numbers))?;
            for (histogram, sum) in histograms.iter_mut().zip(&*numbers) {
                histogram.sum = *sum;
            }
            let counts = run.shape.counts();
            let mut column = 0;
            while column < counts {
                let columns = columns_of_piece(run.len).min(counts - column);
                read_layer(&mut reader, columns * run.len, &mut scratch, |layer| {
                    for place in 0..columns {
                        layer.decode(place * run.len + wanted.start..place * run.len + wanted.end, numbers);
                        for (histogram, number) in histograms.iter_mut().zip(&*numbers) {
                            run.shape.set_count(histogram, column + place, *number);
                        }
                    }
                })?;
                column += columns;
            }
            at += run.len;
        }
        Ok(())
    }

    /// The bytes of memory behind the handle: the allocation, rounded up as glibc's allocator does.
    pub fn memory_bytes(&self) -> usize {
        allocation_bytes(self.0.len())
    }
}

impl fmt::Debug for HistogramColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HistogramColumn({} histograms, {} bytes)", self.len(), self.0.len())
    }
}

/// The hint of the first byte that says that each histogram has its own.
const MIXED_HINTS: u8 = 4;

fn code_of(hint: CounterReset) -> u8 {
    match hint {
        CounterReset::Unknown => 0,
        CounterReset::Reset => 1,
        CounterReset::NotReset => 2,
        CounterReset::Gauge => 3,
    }
}

fn hint_of(code: u8) -> CounterReset {
    match code & 3 {
        1 => CounterReset::Reset,
        2 => CounterReset::NotReset,
        3 => CounterReset::Gauge,
        _ => CounterReset::Unknown,
    }
}

/// What a column begins with.
#[derive(Debug, Clone, Copy)]
struct Head<'a> {
    count: usize,
    hint: u8,
    /// Two bits for each histogram; nothing when all have the same hint.
    hints: &'a [u8],
}

impl<'a> Head<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Head<'a>, BlockError> {
        let bits = reader.u8("first byte of the histograms")?;
        let hint = bits ^ HISTOGRAMS;
        if hint > MIXED_HINTS {
            let expected = "128 to 132";
            return Err(BlockError::Field { what: "first byte of the histograms", found: u64::from(bits), expected });
        }
        let count = count::read(reader)?;
        let hints = reader.take(if hint == MIXED_HINTS { count.div_ceil(4) } else { 0 }, "counter reset hints")?;
        Ok(Head { count, hint, hints })
    }

    fn hint(&self, at: usize) -> CounterReset {
        hint_of(self.hints.get(at / 4).map_or(self.hint, |byte| byte >> (2 * (at % 4))))
    }
}

/// Histograms of one shape.
struct Run {
    len: usize,
    shape: Shape,
}

/// Appends a run: its length, its shape, the sums, then the counts column by column.
fn write_run(shape: &Shape, run: &[Arc<FloatHistogram>], out: &mut Vec<u8>) {
    count::write(run.len(), out);
    shape.write(out);
    let mut numbers: Vec<f64> = run.iter().map(|histogram| histogram.sum).collect();
    write_layer(&numbers, out);
    let counts = shape.counts();
    let columns = columns_of_piece(run.len());
    for first in (0..counts).step_by(columns) {
        numbers.clear();
        for column in first..counts.min(first + columns) {
            numbers.extend(run.iter().map(|histogram| shape.count(histogram, column)));
        }
        write_layer(&numbers, out);
    }
}

/// Reads the head of a run of at most `most` histograms.
fn read_run(reader: &mut Reader<'_>, most: usize) -> Result<Run, BlockError> {
    let len = count::read(reader)?;
    if len > most {
        let expected = "at most what is left of the column";
        return Err(BlockError::Field { what: "length of a run", found: len as u64, expected });
    }
    Ok(Run { len, shape: Shape::read(reader)? })
}

fn write_layer(numbers: &[f64], out: &mut Vec<u8>) {
    let layer = Layer::smallest(numbers, PATCHED_MIN);
    out.push(layer_bits(layer.codec(), layer.taken()));
    layer.write(numbers, out);
}

/// Reads a layer of `count` numbers and hands it to `use_it`.
fn read_layer<T>(
    reader: &mut Reader<'_>,
    count: usize,
    scratch: &mut Scratch,
    use_it: impl FnOnce(&LayerView<'_>) -> T,
) -> Result<T, BlockError> {
    let bits = reader.u8("first byte of counts")?;
    if bits > LAYER_BITS {
        let expected = "at most 63";
        return Err(BlockError::Field { what: "first byte of counts", found: u64::from(bits), expected });
    }
    let (codec, taken) = layer_of(bits)?;
    // A reader of its own, which lives no longer than the scratch.
    let mut own = reader.clone();
    let result = use_it(&LayerView::read(&mut own, codec, taken, count, scratch)?);
    let used = own.position() - reader.position();
    reader.take(used, "counts")?;
    Ok(result)
}

/// The bits that [`layer_bits`] makes.
const LAYER_BITS: u8 = 63;

/// The columns of a piece: each one alone in long runs; in short ones several share what a layer costs.
fn columns_of_piece(run: usize) -> usize {
    if run >= LONG_RUN { 1 } else { PIECE / run }
}

/// Runs of this many histograms are long.
const LONG_RUN: usize = 16;

/// Numbers of a piece with several columns, about.
const PIECE: usize = 64;
const _: () = assert!(PIECE <= SAMPLES_MAX && LONG_RUN <= PIECE);
