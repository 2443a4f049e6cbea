//! One column of one row group as it will lie in the file: pages, statistics, page index, Bloom filter.
//!
//! Invariant: the pages cover every row once, in order; the dictionary, if there is one, comes first.

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError as LibraryError, Result as LibraryResult};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;

/// A column chunk that is ready to be appended to a file.
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// The least and the greatest value of a page, as PLAIN bytes; `None` when all are null.
pub(super) type Bounds = Option<(Vec<u8>, Vec<u8>)>;

/// Builds a [`Chunk`].
pub(super) struct ChunkWriter<'c> {
    column: ColumnDescPtr,
    compressor: &'c mut Compressor<'static>,
    sink: TrackedWrite<Vec<u8>>,
    uncompressed: i64,
    rows: u64,
    dictionary_at: Option<i64>,
    data_at: Option<i64>,
    pages: Vec<PageEncodingStats>,
    index: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    bloom: Option<Sbbf>,
}

impl<'c> ChunkWriter<'c> {
    /// An empty chunk of a column.
    pub(super) fn new(column: ColumnDescPtr, compressor: &'c mut Compressor<'static>) -> Self {
        ChunkWriter {
            index: ColumnIndexBuilder::new(column.physical_type()),
            column,
            compressor,
            sink: TrackedWrite::new(Vec::new()),
            uncompressed: 0,
            rows: 0,
            dictionary_at: None,
            data_at: None,
            pages: Vec::new(),
            offsets: OffsetIndexBuilder::new(),
            bloom: None,
        }
    }

    /// Writes the dictionary: `values` in PLAIN encoding. Before any page.
    pub(super) fn dictionary(&mut self, values: &[u8], count: usize) -> LibraryResult<()> {
        let buf = Bytes::from(self.compressor.compress(values)?);
        let page = Page::DictionaryPage { buf, num_values: count as u32, encoding: Encoding::PLAIN, is_sorted: false };
        self.dictionary_at = Some(self.write(page, values.len())?.0);
        self.count(PageType::DICTIONARY_PAGE, Encoding::PLAIN);
        Ok(())
    }

    /// Writes a page of `rows` rows, `nulls` of them null.
    pub(super) fn page(
        &mut self,
        raw: &[u8],
        encoding: Encoding,
        rows: usize,
        nulls: usize,
        bounds: Bounds,
    ) -> LibraryResult<()> {
        let page = Page::DataPage {
            buf: Bytes::from(self.compressor.compress(raw)?),
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let (offset, len) = self.write(page, raw.len())?;
        self.data_at.get_or_insert(offset);
        self.count(PageType::DATA_PAGE, encoding);
        let len = i32::try_from(len).map_err(|_| LibraryError::General(format!("a page of {len} bytes")))?;
        self.offsets.append_offset_and_size(offset, len);
        self.offsets.append_row_count(rows as i64);
        let is_null = bounds.is_none();
        let (min, max) = bounds.unwrap_or_default();
        let nans = self.is_float().then_some(0);
        self.index.append(is_null, min, max, nulls as i64, nans);
        self.rows += rows as u64;
        Ok(())
    }

    /// Adds a Bloom filter over these values.
    pub(super) fn bloom<'v>(&mut self, values: impl ExactSizeIterator<Item = &'v str>) -> LibraryResult<()> {
        let mut bloom = Sbbf::new_with_ndv_fpp(values.len() as u64, BLOOM_FALSE_POSITIVES)?;
        values.for_each(|value| bloom.insert(value));
        self.bloom = Some(bloom);
        Ok(())
    }

    /// Ends the chunk. `statistics` are those of all pages, `order` is that of their bounds.
    pub(super) fn finish(mut self, statistics: Statistics, order: BoundaryOrder) -> LibraryResult<Chunk> {
        self.index.set_boundary_order(order);
        let bytes = self.sink.into_inner()?;
        let mut encodings: Vec<Encoding> = self.pages.iter().map(|page| page.encoding).collect();
        if self.column.max_def_level() > 0 {
            encodings.push(Encoding::RLE);
        }
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(Default::default()))
            .set_encodings(encodings)
            .set_page_encoding_stats(self.pages)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed)
            .set_num_values(self.rows as i64)
            .set_dictionary_page_offset(self.dictionary_at)
            .set_data_page_offset(self.data_at.unwrap_or_default())
            .set_statistics(statistics)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: self.bloom,
            column_index: Some(self.index.build()?),
            offset_index: Some(self.offsets.build()),
        };
        Ok(Chunk { bytes: bytes.into(), close })
    }

    fn is_float(&self) -> bool {
        use parquet::basic::Type::{DOUBLE, FLOAT};
        matches!(self.column.physical_type(), FLOAT | DOUBLE)
    }

    /// Writes header and page; answers with the place and the bytes.
    fn write(&mut self, page: Page, uncompressed: usize) -> LibraryResult<(i64, u64)> {
        let written = SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, uncompressed))?;
        self.uncompressed += written.uncompressed_size as i64;
        Ok((written.offset as i64, written.bytes_written))
    }

    fn count(&mut self, page_type: PageType, encoding: Encoding) {
        match self.pages.iter_mut().find(|page| page.page_type == page_type && page.encoding == encoding) {
            Some(known) => known.count += 1,
            None => self.pages.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
    }
}

/// Values that are not there but seem so in a Bloom filter, as a share.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;
