//! What other programs rely on: the schema, statistics, page index, Bloom filters, encodings.

use parquet::basic::{BoundaryOrder, Encoding};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader};
use parquet::schema::printer::print_schema;

use super::*;
use crate::formats::parquet::source::Source;

fn footer(file: &Arc<Memory>) -> ParquetMetaData {
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let mut reader = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Required)
        .with_metadata_options(Some(options));
    let source = Source::new(file.clone());
    reader.try_parse(&source).unwrap();
    reader.finish().unwrap()
}

/// Two hosts with three metrics, 16 threads each.
fn sample(options: &WriterOptions) -> Arc<Memory> {
    let mut random = Random::new(1);
    let mut all = Vec::new();
    for host in ["a0101", "a0102"] {
        for metric in ["clock", "flops", "load"] {
            for id in 10..26 {
                let values = (0..720).map(|slot| match metric {
                    "clock" => random.unit(),
                    "flops" => f64::from(slot / 100),
                    _ => (random.unit() * 1000.0).floor() / 100.0,
                });
                all.push(Series::new(host, metric, &id.to_string(), values.collect::<Vec<_>>()));
            }
        }
    }
    Memory::new(write(&all, options).0)
}

#[test]
fn the_schema_is_that_of_cc_metric_store_and_a_parent() {
    let text = |options: &WriterOptions| {
        let mut text = Vec::new();
        print_schema(&mut text, footer(&sample(options)).file_metadata().schema());
        String::from_utf8(text).unwrap()
    };
    let expected = "message archive {
  REQUIRED BYTE_ARRAY cluster (STRING);
  REQUIRED BYTE_ARRAY hostname (STRING);
  REQUIRED BYTE_ARRAY metric (STRING);
  REQUIRED BYTE_ARRAY scope (STRING);
  REQUIRED BYTE_ARRAY scope_id (STRING);
  REQUIRED INT64 timestamp;
  REQUIRED INT64 frequency;
  REQUIRED FLOAT value;
}
";
    assert_eq!(text(&WriterOptions::default()), expected);
    let options = WriterOptions { value: ValueType::Float64, has_parents: true, ..WriterOptions::default() };
    let expected = expected.replace("FLOAT value;\n", "DOUBLE value;\n  OPTIONAL BYTE_ARRAY parent (STRING);\n");
    assert_eq!(text(&options), expected);
}

#[test]
fn readers_can_skip_by_host_metric_and_time() {
    let options = WriterOptions {
        metadata: vec![("treering.archive.cutoff".to_owned(), "1700043200".to_owned())],
        has_parents: true,
        ..WriterOptions::default()
    };
    let file = sample(&options);
    let footer = footer(&file);
    let pairs = footer.file_metadata().key_value_metadata().unwrap();
    let pair = |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref());
    assert_eq!(pair("treering.archive.version"), Some("1"));
    assert_eq!(pair("treering.archive.cluster"), Some("alex"));
    assert_eq!(pair("treering.archive.cutoff"), Some("1700043200"));
    assert!(footer.file_metadata().created_by().unwrap().starts_with("treering version "));

    let group = footer.row_group(0);
    let sorting: Vec<i32> = group.sorting_columns().unwrap().iter().map(|column| column.column_idx).collect();
    assert_eq!(sorting, [0, 1, 2, 3, 4, 5]);
    let index = footer.page_index().unwrap();
    for (number, column) in group.columns().iter().enumerate() {
        let name = column.column_descr().name();
        let statistics = column.statistics().unwrap();
        assert_eq!(statistics.null_count_opt(), Some(if name == "parent" { 69_120 } else { 0 }), "{name}");
        assert_eq!(statistics.min_bytes_opt().is_some(), name != "parent", "{name}");
        let pages = index.column_index(0, number).unwrap().num_pages();
        assert_eq!(index.offset_index(0, number).unwrap().page_locations().len() as u64, pages, "{name}");
        let is_filtered = ["hostname", "metric", "timestamp", "value"].contains(&name);
        // A page ends with every metric: 16 threads of 720 rows are enough for one.
        assert_eq!(pages, if is_filtered { 6 } else { 1 }, "{name}");
        let is_split = column.encodings().any(|encoding| encoding == Encoding::BYTE_STREAM_SPLIT);
        assert_eq!(is_split, name == "value", "{name}");
    }
    let order = |column| index.column_index(0, column).unwrap().get_boundary_order();
    assert_eq!((order(1), order(2)), (Some(BoundaryOrder::ASCENDING), Some(BoundaryOrder::UNORDERED)));

    let source = Source::new(file);
    for (column, present, absent) in [(1, "a0102", "a0103"), (2, "flops", "ipc")] {
        let bloom = Sbbf::read_from_column_chunk(group.column(column), &source).unwrap().unwrap();
        assert!(bloom.check(present) && !bloom.check(absent));
    }
}

#[test]
fn every_metric_has_the_encoding_that_suits_it() {
    let file = sample(&WriterOptions { split_bytes: false, ..WriterOptions::default() });
    let footer = footer(&file);
    let pages = footer.row_group(0).column(7).page_encoding_stats().unwrap().clone();
    let count = |encoding| pages.iter().filter(|page| page.encoding == encoding).map(|page| page.count).sum::<i32>();
    // `clock` is noise, twice; `flops` and `load` repeat.
    assert_eq!(count(Encoding::RLE_DICTIONARY), 4);
    // The dictionary itself is PLAIN as well.
    assert_eq!((count(Encoding::PLAIN), count(Encoding::BYTE_STREAM_SPLIT)), (2 + 1, 0));

    let split = sample(&WriterOptions::default());
    let all = Filter::default();
    assert!(split.file_bytes() < file.file_bytes());
    assert_eq!(read(split, &all).unwrap(), read(file, &all).unwrap());
}

#[test]
fn a_file_without_rows_is_one() {
    let (file, written) = write(&[], &WriterOptions::default());
    assert_eq!(written, Written::default());
    let file = Memory::new(file);
    assert_eq!(ArchiveReader::open(file.clone()).unwrap().metadata().rows, 0);
    assert!(read(file, &Filter::default()).unwrap().is_empty());
}

#[test]
fn what_no_file_can_hold_is_refused() {
    for level in [0, 23, -1] {
        let options = WriterOptions { compression_level: level, ..WriterOptions::default() };
        let refused = ArchiveWriter::begin(Vec::new(), "alex", &options);
        assert!(matches!(refused, Err(ParquetError::DoesNotFit { what: "compression level", .. })), "{level}");
    }
    let mut writer = ArchiveWriter::begin(Vec::new(), "alex", &WriterOptions::default()).unwrap();
    let mut uneven = Series::new("a", "x", "", [1.0, 2.0]);
    uneven.values.pop();
    assert!(matches!(writer.rows(&uneven.rows()), Err(ParquetError::DoesNotFit { what: "values", .. })));
    let long = Series::new(&"a".repeat(70_000), "x", "", [1.0]);
    assert!(matches!(writer.rows(&long.rows()), Err(ParquetError::DoesNotFit { what: "hostname, bytes", .. })));
}
