//! DuckDB and pyarrow read two days of 16 hosts with 860 series each: rows, sums and order are those of the
//! checkpoints.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::checkpoints::{Cluster, Series, archive};
use crate::python::python;

const HOSTS: usize = 16;
const TICKS: usize = 2880;
/// 2025-11-03, at midnight and seven seconds: long past, and a phase of its own.
const START_SECS: i64 = 1_762_128_007;

/// 20 metrics of the host, 4 of each of 2 sockets, 8 of each of 104 hardware threads.
fn series() -> Vec<Series> {
    let mut series = Vec::new();
    let mut add = |metric: String, component: String| series.push(Series { metric, component });
    (0..20).for_each(|metric| add(format!("node_{metric:02}"), String::new()));
    for socket in 0..2 {
        (0..4).for_each(|metric| add(format!("socket_{metric}"), format!("socket{socket}")));
    }
    for thread in 0..104 {
        (0..8).for_each(|metric| add(format!("thread_{metric}"), format!("hwthread{thread}")));
    }
    series
}

/// Eighths, so that sums are exact in any order; some samples are missing.
fn value(host: usize, series: usize, tick: usize) -> f32 {
    if (host + series + tick).is_multiple_of(97) {
        return f32::NAN;
    }
    ((host * 7919 + series * 131 + tick * (1 + series % 5)) % 80_000) as f32 / 8.0
}

#[test]
fn other_tools_find_what_was_in_the_checkpoints() {
    let Some(python) = python("archive::two_days") else { return };
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster {
        name: "alex",
        hosts: (0..HOSTS).map(|host| format!("a{host:04}")).collect(),
        series: series(),
        start_secs: START_SECS,
        ticks: TICKS,
    };
    assert_eq!(cluster.series.len(), 860);
    cluster.write(&folder.path().join("var/checkpoints"), value);
    archive(folder.path(), &cluster.config("wal"));

    // Rows and sum, by host and metric.
    let mut expected: BTreeMap<(String, String), (u64, f64)> = BTreeMap::new();
    let mut rows = 0;
    for (host, name) in cluster.hosts.iter().enumerate() {
        for (at, series) in cluster.series.iter().enumerate() {
            let found = expected.entry((name.clone(), series.metric.clone())).or_default();
            for value in (0..TICKS).map(|tick| value(host, at, tick)).filter(|value| !value.is_nan()) {
                found.0 += 1;
                found.1 += f64::from(value);
                rows += 1;
            }
        }
    }
    let found: Value = serde_json::from_str(&python.run(include_str!("two_days.py"), folder.path(), &[])).unwrap();
    for tool in ["duckdb", "pyarrow"] {
        let groups = found[tool]["groups"].as_array().unwrap();
        let groups: BTreeMap<(String, String), (u64, f64)> = groups
            .iter()
            .map(|group| {
                let name = |at: usize| group[at].as_str().unwrap().to_owned();
                ((name(0), name(1)), (group[2].as_u64().unwrap(), group[3].as_f64().unwrap()))
            })
            .collect();
        assert!(groups == expected, "{tool}: {} groups, {} expected", groups.len(), expected.len());
        assert_eq!(found[tool]["rows"], rows, "{tool}");
    }
    assert_eq!(found["pyarrow"]["first_unsorted"], Value::Null, "every row lies behind the one before");
    let times = serde_json::json!([START_SECS, START_SECS + 60 * (TICKS as i64 - 1)]);
    assert_eq!(found["duckdb"]["times"], times);
    // One series, value by value.
    let at = cluster.series.iter().position(|series| series.component == "hwthread77").unwrap();
    let expected: Vec<(i64, f64)> = (0..TICKS)
        .map(|tick| (START_SECS + 60 * tick as i64, f64::from(value(11, at, tick))))
        .filter(|(_, value)| !value.is_nan())
        .collect();
    let series = found["duckdb"]["series"].as_array().unwrap();
    let series: Vec<(i64, f64)> =
        series.iter().map(|row| (row[0].as_i64().unwrap(), row[1].as_f64().unwrap())).collect();
    assert!(series == expected, "{:?} … of {}", &series[..series.len().min(5)], series.len());
}
