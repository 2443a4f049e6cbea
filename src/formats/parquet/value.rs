//! The column `value`: the encoding is chosen per metric by looking at all of its values in the row group.
//!
//! A metric with few distinct values goes into the chunk's dictionary, the others stay PLAIN. BYTE_STREAM_SPLIT would
//! be smaller for the latter, but Spark's vectorised reader refused it until version 4.2, and an archive must be
//! readable everywhere. Metrics enter the dictionary by their number of distinct values: those with few get low numbers
//! and by that few bits.

use std::ops::Range;

use parquet::basic::{BoundaryOrder, Encoding};
use parquet::errors::Result as LibraryResult;
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::chunk::{Chunk, ChunkWriter};
use super::distinct::Distinct;
use super::float::Float;
use super::group::Group;
use super::hybrid::{Hybrid, width_of};
use super::plan::page_ends;

/// Values of a dictionary at most: their numbers have 16 bits, and readers hold it in memory.
const DICTIONARY_MAX: usize = 1 << 16;
/// Rows of a metric after which it is clear whether hardly any value repeats.
const PROBE_ROWS: usize = 1 << 12;

/// Encodes the column.
pub(super) fn encode<F: Float>(
    column: ColumnDescPtr,
    compressor: &mut Compressor<'static>,
    group: &Group,
    values: &[F],
) -> LibraryResult<Chunk> {
    let (dictionary, numbers, in_dictionary) = dictionary(group, values);
    let mut chunk = ChunkWriter::new(column, compressor);
    if !dictionary.is_empty() {
        let mut plain = Vec::with_capacity(dictionary.len() * size_of::<F>());
        dictionary.iter().for_each(|value| value.write(&mut plain));
        chunk.dictionary(&plain, dictionary.len())?;
    }
    let mut raw = Vec::new();
    let mut all = F::LIMITS;
    let mut metrics = MetricsOfRows::new(group);
    let mut start = 0;
    for end in page_ends(group, |metric| in_dictionary[metric as usize]) {
        raw.clear();
        let page = &values[start..end];
        let bounds = page.iter().fold(F::LIMITS, |bounds, value| widened(bounds, *value, *value));
        all = widened(all, bounds.0, bounds.1);
        let encoding = if metrics.until(end).all(|metric| in_dictionary[metric as usize]) {
            let numbers = &numbers[start..end];
            let width = width_of(numbers.iter().copied().max().unwrap_or_default());
            raw.push(width as u8);
            let mut hybrid = Hybrid::new(&mut raw, width);
            numbers.iter().for_each(|number| hybrid.run(*number, 1));
            hybrid.finish();
            Encoding::RLE_DICTIONARY
        } else {
            page.iter().for_each(|value| value.write(&mut raw));
            Encoding::PLAIN
        };
        let (min, max) = F::bounds(bounds.0, bounds.1);
        let (mut least, mut greatest) = (Vec::new(), Vec::new());
        min.write(&mut least);
        max.write(&mut greatest);
        chunk.page(&raw, encoding, end - start, 0, Some((least, greatest)))?;
        start = end;
    }
    let (min, max) = F::bounds(all.0, all.1);
    chunk.finish(F::statistics(min, max), BoundaryOrder::UNORDERED)
}

/// A metric that is worth a dictionary.
struct Candidate<F> {
    metric: usize,
    values: Vec<F>,
}

/// The dictionary, the number of every row in it, and which metrics are in it. Rows of the others have no number.
fn dictionary<F: Float>(group: &Group, values: &[F]) -> (Vec<F>, Vec<u32>, Vec<bool>) {
    let ranges = ranges_of_metrics(group);
    let mut numbers = vec![0; values.len()];
    let mut distinct = Distinct::default();
    let mut candidates: Vec<Candidate<F>> = Vec::new();
    for (metric, ranges) in ranges.iter().enumerate() {
        if let Some(values) = distinct_values(&mut distinct, ranges, values, &mut numbers) {
            candidates.push(Candidate { metric, values });
        }
    }
    candidates.sort_by_key(|candidate| candidate.values.len());
    let mut dictionary = Vec::new();
    let mut in_dictionary = vec![false; ranges.len()];
    distinct.clear();
    for Candidate { metric, values } in candidates {
        if dictionary.len() + values.len() > DICTIONARY_MAX {
            continue;
        }
        let mut renumbered = Vec::with_capacity(values.len());
        for value in values {
            let number = distinct.number(value.bits());
            if number as usize == dictionary.len() {
                dictionary.push(value);
            }
            renumbered.push(number);
        }
        for range in &ranges[metric] {
            numbers[range.clone()].iter_mut().for_each(|number| *number = renumbered[*number as usize]);
        }
        in_dictionary[metric] = true;
    }
    (dictionary, numbers, in_dictionary)
}

/// Numbers the values of a metric; `None` when a dictionary does not pay.
fn distinct_values<F: Float>(
    distinct: &mut Distinct,
    ranges: &[Range<usize>],
    values: &[F],
    numbers: &mut [u32],
) -> Option<Vec<F>> {
    distinct.clear();
    let mut found = Vec::new();
    let (mut rows, mut changes) = (0, 0);
    let mut before: Option<(u64, u32)> = None;
    for range in ranges {
        for (value, number) in values[range.clone()].iter().zip(&mut numbers[range.clone()]) {
            let bits = value.bits();
            *number = match before {
                Some((last, number)) if last == bits => number,
                _ => {
                    changes += 1;
                    let number = distinct.number(bits);
                    if number as usize == found.len() {
                        found.push(*value);
                    }
                    before = Some((bits, number));
                    number
                }
            };
            rows += 1;
            // With 95 of 100 values distinct there, more than 40,000 are to be expected.
            if rows == PROBE_ROWS && found.len() * 100 > rows * 95 || found.len() > DICTIONARY_MAX {
                return None;
            }
        }
    }
    // A value that repeats costs next to nothing either way.
    let in_dictionary = changes * width_of(found.len() as u32) as usize + found.len() * F::PLAIN_BITS;
    (in_dictionary < changes * F::PLAIN_BITS || found.len() <= DICTIONARY_FREE).then_some(found)
}

/// So few distinct values that the dictionary's cost does not matter.
const DICTIONARY_FREE: usize = 16;

/// The rows of every metric.
fn ranges_of_metrics(group: &Group) -> Vec<Vec<Range<usize>>> {
    let mut ranges: Vec<Vec<Range<usize>>> = vec![Vec::new(); group.metrics.all().len()];
    let mut row = 0;
    for run in &group.runs {
        let end = row + run.rows as usize;
        let ranges = &mut ranges[run.metric as usize];
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end = end,
            _ => ranges.push(row..end),
        }
        row = end;
    }
    ranges
}

/// The metrics of rows, page after page.
struct MetricsOfRows<'g> {
    group: &'g Group,
    run: usize,
    /// The first row of the run.
    row: usize,
}

impl<'g> MetricsOfRows<'g> {
    fn new(group: &'g Group) -> Self {
        MetricsOfRows { group, run: 0, row: 0 }
    }

    /// The metrics of the rows up to `end`; ends grow from call to call.
    fn until(&mut self, end: usize) -> impl Iterator<Item = u32> + use<'g> {
        let first = self.run;
        while let Some(run) = self.group.runs.get(self.run)
            && self.row + run.rows as usize <= end
        {
            self.row += run.rows as usize;
            self.run += 1;
        }
        // The run that goes on behind the end belongs to this page as well, unless the page ends before it.
        let last = self.run + usize::from(self.row < end);
        self.group.runs[first..last].iter().map(|run| run.metric)
    }
}

fn widened<F: Float>((least, greatest): (F, F), min: F, max: F) -> (F, F) {
    (if min < least { min } else { least }, if max > greatest { max } else { greatest })
}
