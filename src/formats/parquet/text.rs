//! A column of strings or frequencies: a dictionary, and runs of its numbers.

use parquet::basic::{BoundaryOrder, Encoding};
use parquet::data_type::ByteArray;
use parquet::errors::Result as LibraryResult;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

use super::chunk::{Bounds, Chunk, ChunkWriter};
use super::hybrid::{Hybrid, width_of};

/// Rows with the same number in the dictionary, or with none, that is null.
pub(super) type NumberRun = (Option<u32>, usize);

/// Encodes a column of strings. `runs` come in the order of the rows, `ends` are the rows behind the pages, `bloom`
/// says whether the column gets a Bloom filter.
pub(super) fn encode_texts(
    column: ColumnDescPtr,
    compressor: &mut Compressor<'static>,
    names: &[impl AsRef<str>],
    runs: impl Iterator<Item = NumberRun>,
    ends: &[usize],
    bloom: bool,
) -> LibraryResult<Chunk> {
    let is_optional = column.max_def_level() > 0;
    let mut chunk = ChunkWriter::new(column, compressor);
    let name = |number: u32| names[number as usize].as_ref();
    if !names.is_empty() {
        let mut plain = Vec::new();
        for name in names {
            let name = name.as_ref().as_bytes();
            plain.extend_from_slice(&(name.len() as u32).to_le_bytes());
            plain.extend_from_slice(name);
        }
        chunk.dictionary(&plain, names.len())?;
    }
    if bloom {
        chunk.bloom(names.iter().map(AsRef::as_ref))?;
    }
    let mut all: Option<(&str, &str)> = None;
    let mut nulls = 0;
    let mut order = Ascending::default();
    pages(runs, ends, |page, rows| {
        let mut bounds: Option<(&str, &str)> = None;
        for number in page.iter().filter_map(|(number, _)| *number) {
            bounds = Some(widened(bounds, name(number), name(number)));
        }
        if let Some((min, max)) = bounds {
            all = Some(widened(all, min, max));
            order.add(min, max);
        }
        let page_nulls: usize = page.iter().filter(|(number, _)| number.is_none()).map(|(_, rows)| rows).sum();
        nulls += page_nulls as u64;
        let (raw, encoding) = number_page(page, is_optional, names.is_empty());
        let bounds: Bounds = bounds.map(|(min, max)| (min.as_bytes().to_vec(), max.as_bytes().to_vec()));
        chunk.page(&raw, encoding, rows, page_nulls, bounds)
    })?;
    let (min, max) = all.map(|(min, max)| (ByteArray::from(min), ByteArray::from(max))).unzip();
    chunk.finish(Statistics::byte_array(min, max, None, Some(nulls), false), order.order())
}

/// Encodes a column of whole numbers with few distinct ones.
pub(super) fn encode_numbers(
    column: ColumnDescPtr,
    compressor: &mut Compressor<'static>,
    numbers: &[i64],
    runs: impl Iterator<Item = NumberRun>,
    ends: &[usize],
) -> LibraryResult<Chunk> {
    let mut chunk = ChunkWriter::new(column, compressor);
    let plain: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    chunk.dictionary(&plain, numbers.len())?;
    let mut order = Ascending::default();
    pages(runs, ends, |page, rows| {
        let found = || page.iter().filter_map(|(number, _)| Some(numbers[(*number)? as usize]));
        let bounds = found().min().zip(found().max());
        if let Some((min, max)) = bounds {
            order.add(min, max);
        }
        let (raw, encoding) = number_page(page, false, false);
        let bounds = bounds.map(|(min, max)| (min.to_le_bytes().to_vec(), max.to_le_bytes().to_vec()));
        chunk.page(&raw, encoding, rows, 0, bounds)
    })?;
    let (min, max) = (numbers.iter().min().copied(), numbers.iter().max().copied());
    chunk.finish(Statistics::int64(min, max, None, Some(0), false), order.order())
}

/// Cuts runs at the ends of pages.
fn pages<E>(
    runs: impl Iterator<Item = NumberRun>,
    ends: &[usize],
    mut write: impl FnMut(&[NumberRun], usize) -> Result<(), E>,
) -> Result<(), E> {
    let mut ends = ends.iter();
    let (mut start, mut row) = (0, 0);
    let mut end = ends.next();
    let mut page: Vec<NumberRun> = Vec::new();
    for (number, mut rows) in runs {
        while let Some(at) = end
            && row + rows >= *at
        {
            page.push((number, at - row));
            write(&page, at - start)?;
            page.clear();
            rows -= at - row;
            (start, row) = (*at, *at);
            end = ends.next();
        }
        match page.last_mut() {
            _ if rows == 0 => {}
            Some((last, repeats)) if *last == number => *repeats += rows,
            _ => page.push((number, rows)),
        }
        row += rows;
    }
    Ok(())
}

/// A page of numbers in a dictionary, with the levels in front that an optional column has.
fn number_page(page: &[NumberRun], is_optional: bool, is_empty: bool) -> (Vec<u8>, Encoding) {
    let mut raw = Vec::new();
    if is_optional {
        raw.extend_from_slice(&[0; LENGTH_BYTES]);
        let mut levels = Hybrid::new(&mut raw, 1);
        page.iter().for_each(|(number, rows)| levels.run(u32::from(number.is_some()), *rows));
        levels.finish();
        let len = (raw.len() - LENGTH_BYTES) as u32;
        raw[..LENGTH_BYTES].copy_from_slice(&len.to_le_bytes());
    }
    if is_empty {
        return (raw, Encoding::PLAIN);
    }
    let numbers = || page.iter().filter_map(|(number, rows)| Some(((*number)?, *rows)));
    let width = width_of(numbers().map(|(number, _)| number).max().unwrap_or_default());
    raw.push(width as u8);
    let mut hybrid = Hybrid::new(&mut raw, width);
    numbers().for_each(|(number, rows)| hybrid.run(number, rows));
    hybrid.finish();
    (raw, Encoding::RLE_DICTIONARY)
}

/// Bytes of the length in front of levels.
const LENGTH_BYTES: usize = 4;

fn widened<'a>(bounds: Option<(&'a str, &'a str)>, min: &'a str, max: &'a str) -> (&'a str, &'a str) {
    bounds.map_or((min, max), |(least, greatest)| (least.min(min), greatest.max(max)))
}

/// Whether the bounds of pages ascend.
struct Ascending<T> {
    last: Option<(T, T)>,
    is_broken: bool,
}

impl<T> Default for Ascending<T> {
    fn default() -> Self {
        Ascending { last: None, is_broken: false }
    }
}

impl<T: Ord + Copy> Ascending<T> {
    fn add(&mut self, min: T, max: T) {
        self.is_broken |= self.last.is_some_and(|(least, greatest)| min < least || max < greatest);
        self.last = Some((min, max));
    }

    fn order(&self) -> BoundaryOrder {
        if self.is_broken { BoundaryOrder::UNORDERED } else { BoundaryOrder::ASCENDING }
    }
}
