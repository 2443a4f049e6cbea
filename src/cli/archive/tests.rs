//! Exports of small archives, compared row by row with what was written.

use std::fs;
use std::path::Path;

use super::export::{Exported, export};
use crate::cli::command::{ArchiveCommand, Command, ExportArguments};
use crate::formats::line;
use crate::formats::parquet::{ArchiveReader, ArchiveWriter, Batch, Filter, Rows, ValueType, WriterOptions};

const T0: i64 = 1_770_000_000;

/// Host, metric, scope, scope id, parent, rows.
type Series<'s> = (&'s str, &'s str, &'s str, &'s str, &'s str, Vec<(i64, f64)>);

fn write(path: &Path, cluster: &str, value: ValueType, series: &[Series<'_>]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let has_parents = series.iter().any(|series| !series.4.is_empty());
    let options = WriterOptions { value, has_parents, ..WriterOptions::default() };
    let mut writer = ArchiveWriter::begin(Vec::new(), cluster, &options).unwrap();
    for (hostname, metric, scope, scope_id, parent, rows) in series {
        let timestamps: Vec<i64> = rows.iter().map(|row| T0 + row.0).collect();
        let values: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let (timestamps, values) = (&timestamps[..], &values[..]);
        writer
            .rows(&Rows { hostname, metric, scope, scope_id, parent, frequency_secs: 60, timestamps, values })
            .unwrap();
    }
    fs::write(path, writer.finish().unwrap().0).unwrap();
}

fn run(archive: &Path, more: &str, output: &str) -> Result<Exported, String> {
    let archive_text = archive.to_str().unwrap();
    let output = archive.join(output);
    let line = format!("treering archive export --archive {archive_text} --output {} {more}", output.display());
    let words: Vec<_> = line.split_whitespace().map(Into::into).collect();
    let arguments = crate::cli::Arguments::of(&words).unwrap();
    let Some(Command::Archive(ArchiveCommand::Export(arguments))) = arguments.command else { panic!("{line}") };
    let arguments: ExportArguments = arguments;
    export(&arguments).map_err(|error| error.to_string())
}

fn read(path: &Path) -> Vec<Batch> {
    use crate::disk::{Disk, SystemDisk};
    let reader = ArchiveReader::open(SystemDisk.open_random(path).unwrap()).unwrap();
    reader.read(&Filter::default()).map(Result::unwrap).collect()
}

fn archive() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let exact = 0.1 + 0.2;
    let alex = |name: &str| folder.path().join("alex").join(name);
    write(
        &alex("1770000000.parquet"),
        "alex",
        ValueType::Float32,
        &[
            ("a1", "flops_any", "hwthread", "0", "", vec![(0, 1.0), (60, 2.0), (120, 3.0)]),
            ("a1", "mem_used", "node", "", "", vec![(0, 0.1), (60, 0.2)]),
            ("a2", "rx bytes", "network", "e,th=0", "", vec![(0, 5.0)]),
        ],
    );
    // Later, by number and not by name; a correction, and what came late.
    write(
        &alex("date=2026-02-02/11770000000.parquet"),
        "alex",
        ValueType::Float64,
        &[
            ("a0", "mem_used", "node", "", "", vec![(60, exact)]),
            ("a1", "flops_any", "hwthread", "0", "", vec![(60, 20.0), (180, 4.0)]),
            ("a1", "power", "disk", "0", "socket0", vec![(0, 7.0)]),
            ("a1", "power", "disk", "0", "socket1", vec![(0, 8.0)]),
        ],
    );
    write(
        &folder.path().join("fritz/1770000000.parquet"),
        "fritz",
        ValueType::Float32,
        &[("f1", "mem_used", "node", "", "", vec![(0, 9.0)])],
    );
    folder
}

const ALL: &str = "--from 1770000000 --to 1780000000";

#[test]
fn csv_has_every_row_once_sorted_and_the_later_file_wins() {
    let folder = archive();
    let exported = run(folder.path(), &format!("{ALL} --format csv"), "out.csv").unwrap();
    let text = fs::read_to_string(folder.path().join("out.csv")).unwrap();
    let expected = "\
cluster,hostname,metric,scope,scope_id,timestamp,frequency,value,parent
alex,a0,mem_used,node,,1770000060,60,0.30000000000000004,
alex,a1,flops_any,hwthread,0,1770000000,60,1,
alex,a1,flops_any,hwthread,0,1770000060,60,20,
alex,a1,flops_any,hwthread,0,1770000120,60,3,
alex,a1,flops_any,hwthread,0,1770000180,60,4,
alex,a1,mem_used,node,,1770000000,60,0.1,
alex,a1,mem_used,node,,1770000060,60,0.2,
alex,a1,power,disk,0,1770000000,60,7,socket0
alex,a1,power,disk,0,1770000000,60,8,socket1
alex,a2,rx bytes,network,\"e,th=0\",1770000000,60,5,
fritz,f1,mem_used,node,,1770000000,60,9,
";
    assert_eq!(text, expected);
    assert_eq!(exported, Exported { rows: 11, unwritable: 0, failed_files: 0 });
}

#[test]
fn lines_are_those_that_a_store_takes() {
    let folder = archive();
    run(folder.path(), &format!("{ALL} --format lp --cluster alex --host a1 --host a2"), "out.lp").unwrap();
    let text = fs::read_to_string(folder.path().join("out.lp")).unwrap();
    assert!(
        text.contains(
            "power,cluster=alex,hostname=a1,type=socket,type-id=0,stype=disk,stype-id=0 value=7 1770000000\n"
        )
    );
    assert!(text.contains("rx\\ bytes,cluster=alex,hostname=a2,type=node,stype=network,stype-id=e\\,th\\=0 value=5 "));
    assert!(text.contains("mem_used,cluster=alex,hostname=a1,type=node value=0.1 1770000000\n"));
    assert_eq!(text.lines().count(), 9);
    for text in text.lines() {
        let split = line::split(text.as_bytes()).unwrap().unwrap();
        line::parse_key(split.key).unwrap();
    }
}

#[test]
fn parquet_is_an_archive_again_exact_if_a_part_of_it_was() {
    let folder = archive();
    run(folder.path(), &format!("{ALL} --format parquet --cluster alex"), "out.parquet").unwrap();
    let batches = read(&folder.path().join("out.parquet"));
    assert_eq!(batches.iter().map(|batch| batch.values.len()).sum::<usize>(), 10);
    assert_eq!(batches[0].values, [0.1 + 0.2]);
    let parents: Vec<&str> =
        batches.iter().filter(|batch| batch.metric == "power").map(|batch| &*batch.parent).collect();
    assert_eq!(parents, ["socket0", "socket1"]);
    let error = run(folder.path(), &format!("{ALL} --format parquet"), "two.parquet").unwrap_err();
    assert!(error.contains("choose one of alex, fritz with --cluster"), "{error}");
    assert!(!folder.path().join("two.parquet").exists());
}

#[test]
fn times_and_names_choose_rows() {
    let folder = archive();
    let count =
        |more: &str| run(folder.path(), &format!("--format csv {more}"), "out.csv").map(|exported| exported.rows);
    assert_eq!(count("--from 1770000060 --to 1770000120"), Ok(3), "the end is not inside");
    assert_eq!(count(&format!("{ALL} --metric mem_used")), Ok(4));
    assert_eq!(count(&format!("{ALL} --metric mem_used --metric power --host a1")), Ok(4));
    assert_eq!(count(&format!("{ALL} --cluster fritz")), Ok(1));
    fs::remove_file(folder.path().join("out.csv")).unwrap();
    let nothing = count("--from 2020-01-01 --to 2021-01-01").unwrap_err();
    assert!(nothing.contains("holds rows from 2026-02-02T02:40:00Z to 2026-02-02T02:43:00Z"), "{nothing}");
    let nothing = count(&format!("{ALL} --host a7")).unwrap_err();
    assert!(nothing.contains("no rows"), "{nothing}");
    assert!(count("--from 5 --to 5").unwrap_err().contains("--from 1970-01-01T00:00:05Z is not before"));
    assert!(count(&format!("{ALL} --cluster emmy")).unwrap_err().contains("no Parquet file of cluster \"emmy\""));
    assert!(!folder.path().join("out.csv").exists(), "what fails leaves no file");
}

#[test]
fn a_bad_file_is_named_and_the_others_go_on() {
    let folder = archive();
    let bad = folder.path().join("alex/1770000001.parquet");
    fs::write(&bad, "no Parquet").unwrap();
    let exported = run(folder.path(), &format!("{ALL} --format csv"), "out.csv").unwrap();
    assert_eq!(exported, Exported { rows: 11, unwritable: 0, failed_files: 1 });
    // Half of its bytes, with its footer.
    let good = fs::read(folder.path().join("alex/1770000000.parquet")).unwrap();
    let mut torn = good.clone();
    torn[4..good.len() / 3].fill(0x55);
    fs::write(&bad, torn).unwrap();
    let exported = run(folder.path(), &format!("{ALL} --format csv"), "out.csv").unwrap();
    assert_eq!((exported.rows, exported.failed_files), (11, 1));
}

/// cc-metric-store's own files hold a host's checkpoints one after the other, and hosts as they were ready.
#[test]
fn files_that_are_not_sorted_are_sorted() {
    use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
    use std::sync::Arc;
    type Row = (&'static str, &'static str, &'static str, &'static str, i64, f32);
    let rows: [Row; 6] = [
        ("b", "load", "node", "", 60, 1.0),
        ("b", "load", "node", "", 120, 2.0),
        ("b", "flops", "core", "1", 60, 3.0),
        ("b", "load", "node", "", 120, 4.0),
        ("a", "load", "node", "", 60, 5.0),
        ("b", "load", "node", "", 0, 6.0),
    ];
    let text =
        |name: fn(&Row) -> &'static str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(name))) };
    let columns: [(&str, ArrayRef); 8] = [
        ("cluster", text(|_| "alex")),
        ("hostname", text(|row| row.0)),
        ("metric", text(|row| row.1)),
        ("scope", text(|row| row.2)),
        ("scope_id", text(|row| row.3)),
        ("timestamp", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| T0 + row.4)))),
        ("frequency", Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| 60)))),
        ("value", Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.5)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("alex")).unwrap();
    fs::write(folder.path().join("alex/1.parquet"), writer.into_inner().unwrap()).unwrap();
    let exported = run(folder.path(), &format!("{ALL} --format csv"), "out.csv").unwrap();
    assert_eq!(exported, Exported { rows: 5, unwritable: 0, failed_files: 0 });
    let text = fs::read_to_string(folder.path().join("out.csv")).unwrap();
    let found: Vec<String> =
        text.lines().skip(1).map(|line| line.replace("alex,", "").replace("17700", "").replace(",60,", " ")).collect();
    let expected = [
        "a,load,node,,00060 5,",
        "b,flops,core,1,00060 3,",
        "b,load,node,,00000 6,",
        "b,load,node,,00060 1,",
        "b,load,node,,00120 4,",
    ];
    assert_eq!(found, expected, "of two rows the later one in the file");
    let exported = run(folder.path(), &format!("{ALL} --format csv --host b --metric load"), "out.csv").unwrap();
    assert_eq!(exported.rows, 3);
}
