//! Files of stamped samples, read by DuckDB and pyarrow.

use std::fs;
use std::sync::Arc;

use treering::formats::parquet::{SampleRows, SamplesWriter};
use treering::model::histogram::{Buckets, FloatHistogram};
use treering::model::{Labels, STALE};

use crate::python::python;

const SCRIPT: &str = r#"
import duckdb, math, struct
import pyarrow.parquet as pq

con = duckdb.connect()
rows = "read_parquet('1770300000.samples.parquet')"
print(con.sql(f"SELECT count(*), count(value), count(histogram), count(DISTINCT labels) FROM {rows}").fetchall())
print(con.sql(f"SELECT labels['mode'], sum(value), min(timestamp_ms), max(start_timestamp_ms) FROM {rows} "
              "WHERE metric = 'cpu' AND hostname = 'a0102' AND NOT isnan(value) GROUP BY 1 ORDER BY 1").fetchall())
print(con.sql(f"SELECT histogram.schema, histogram.count, histogram.positive[2].index, histogram.positive[2].count, "
              f"histogram.custom_bounds, histogram.counter_reset FROM {rows} "
              "WHERE histogram IS NOT NULL LIMIT 1").fetchall())
table = pq.read_table("1770300000.samples.parquet")
print(table.num_rows, table["labels"][0].as_py(), table["histogram"][1007].as_py()["negative"])
stale = table["value"][1000].as_py()
print(struct.pack(">d", stale).hex())
labels = map(tuple, table["labels"].to_pylist())
keys = list(zip(table["hostname"].to_pylist(), labels, table["timestamp_ms"].to_pylist()))
print(keys == sorted(keys))
"#;

const EXPECTED: &str = "\
[(4000, 3998, 2, 2)]
[('idle', 499500.0, 1770244800123, 1770000000000), ('user', 499500.0, 1770244800123, 1770000000000)]
[(-53, 5.0, 1, 4.0, [0.5, 1.0], 'unknown')]
4000 [('__name__', 'cpu'), ('mode', 'idle')] []
7ff0000000000002
True
";

#[test]
fn files_of_samples_are_read_by_other_tools() {
    let Some(python) = python("files_of_samples_are_read_by_other_tools") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SamplesWriter::begin(Vec::new(), "alex", 3).unwrap();
    let histogram = Arc::new(FloatHistogram {
        schema: -53,
        count: 5.0,
        sum: 1.5,
        positive: Buckets::contiguous(0, vec![1.0, 4.0]),
        custom_bounds: Some(Arc::from([0.5, 1.0])),
        ..FloatHistogram::default()
    });
    let times: Vec<i64> = (0..1000).map(|at| 1_770_244_800_123 + at * 15_000).collect();
    let values: Vec<f64> = (0..1000).map(f64::from).collect();
    for hostname in ["a0101", "a0102"] {
        for mode in ["idle", "user"] {
            let labels = Labels::from_pairs([("__name__", "cpu"), ("mode", mode)]);
            let is_first = hostname == "a0101" && mode == "user";
            let mut values = values.clone();
            if is_first {
                values[0] = STALE;
            }
            let histograms =
                if is_first { vec![(7, Arc::clone(&histogram)), (8, Arc::clone(&histogram))] } else { vec![] };
            let starts_ms: Vec<i64> = times.iter().map(|_| 1_770_000_000_000).collect();
            let rows = SampleRows {
                hostname,
                labels: &labels,
                times_ms: &times,
                values: &values,
                histograms: &histograms,
                starts_ms: &starts_ms,
            };
            writer.rows(&rows).unwrap();
        }
    }
    fs::write(folder.path().join("1770300000.samples.parquet"), writer.finish().unwrap().0).unwrap();
    assert_eq!(python.run(SCRIPT, folder.path(), &[]), EXPECTED);
}
