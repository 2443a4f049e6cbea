//! What goes in comes out, whatever it is; what is out of order does not go in.

use proptest::prelude::*;

use super::*;

/// Values of one of the shapes that the encoder tells apart.
fn values() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        (any::<i8>(), 0..3000_usize).prop_map(|(value, len)| vec![f64::from(value); len]),
        proptest::collection::vec((0..20_i32).prop_map(f64::from), 0..2000),
        proptest::collection::vec((0..100_000_i32).prop_map(|value| f64::from(value) / 100.0), 0..2000),
        proptest::collection::vec(any::<f64>(), 0..6000),
    ]
}

fn series() -> impl Strategy<Value = Series> {
    ((0..3_u8, 0..4_u8, 0..2_u8, 0..3_u8), any::<bool>(), 1..4_u32, -5..5_i64, 1..100_i64, values()).prop_map(
        |((host, metric, scope, id), has_parent, frequency, start, step, values)| Series {
            hostname: format!("host-ä{host}"),
            metric: format!("metric{metric}"),
            scope: ["core", "node"][usize::from(scope)].to_owned(),
            scope_id: if scope == 1 { String::new() } else { id.to_string() },
            parent: if has_parent { "socket0".to_owned() } else { String::new() },
            frequency_secs: frequency * 30,
            // Now and then a gap.
            timestamps: (0..values.len() as i64).map(|slot| start + slot * step + slot / 7 * 1000).collect(),
            values,
        },
    )
}

fn key(series: &Series) -> (String, String, String, String) {
    (series.hostname.clone(), series.metric.clone(), series.scope.clone(), series.scope_id.clone())
}

/// What a reader shall see of what was written.
fn expected(series: &[Series], options: &WriterOptions) -> Vec<Series> {
    let seen = |value: f64| match options.value {
        ValueType::Float32 if value.is_finite() => f64::from((value as f32).clamp(f32::MIN, f32::MAX)),
        _ => value,
    };
    let mut all: Vec<Series> = Vec::new();
    for series in series {
        let rows = series.timestamps.iter().zip(&series.values).filter(|(_, value)| !value.is_nan());
        let (timestamps, values) = rows.map(|(timestamp, value)| (*timestamp, seen(*value))).unzip();
        let parent = if options.has_parents { series.parent.clone() } else { String::new() };
        let series = Series { timestamps, values, parent, ..series.clone() };
        if !series.timestamps.is_empty() {
            all.push(series);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_back(
        mut all in proptest::collection::vec(series(), 0..24),
        has_parents in any::<bool>(),
        is_exact in any::<bool>(),
        workers in 0..3_usize,
        split_bytes in any::<bool>(),
        from_slot in 0..200_i64,
    ) {
        all.sort_by_key(key);
        all.dedup_by_key(|series| key(series));
        let value = if is_exact { ValueType::Float64 } else { ValueType::Float32 };
        let options = WriterOptions { value, has_parents, workers, split_bytes, ..WriterOptions::default() };
        let (file, written) = write(&all, &options);
        let expected = expected(&all, &options);
        let times = || expected.iter().flat_map(|series| series.timestamps.iter().copied());
        prop_assert_eq!(written.rows as usize, times().count());
        prop_assert_eq!((written.first_secs, written.last_secs), (times().min(), times().max()));
        let file = Memory::new(file);
        let bits = |all: &[Series]| -> Vec<u64> {
            all.iter().flat_map(|series| series.values.iter().map(|value| value.to_bits())).collect()
        };
        let found = read(file.clone(), &Filter::default()).unwrap();
        prop_assert_eq!(bits(&found), bits(&expected));
        prop_assert_eq!(&found, &expected);

        // The filter lets through what a look at every row would.
        let filter = Filter {
            from_secs: from_slot,
            to_secs: 5000,
            host: Some("host-ä1".to_owned()),
            metric: has_parents.then(|| "metric2".to_owned()),
        };
        let mut wanted = expected;
        wanted.retain(|series| {
            Some(&series.hostname) == filter.host.as_ref()
                && filter.metric.as_ref().is_none_or(|metric| *metric == series.metric)
        });
        for series in &mut wanted {
            let rows = series.timestamps.iter().copied().zip(series.values.iter().copied());
            (series.timestamps, series.values) = rows.filter(|(at, _)| (from_slot..=5000).contains(at)).unzip();
        }
        wanted.retain(|series| !series.timestamps.is_empty());
        prop_assert_eq!(read(file, &filter).unwrap(), wanted);
    }
}

#[test]
fn what_is_out_of_order_is_refused() {
    let before = Series::new("b", "clock", "7", [1.0, 2.0]);
    let later = |timestamps: &[i64]| Series {
        timestamps: timestamps.to_vec(),
        values: vec![0.0; timestamps.len()],
        ..before.clone()
    };
    let wrong = [
        Series::new("a", "load", "9", [1.0]),
        Series::new("b", "clocj", "9", [1.0]),
        Series::new("b", "clock", "10", [1.0]),
        later(&[START + 60]),
        later(&[START + 120, START + 120]),
        later(&[START + 180, START + 120]),
    ];
    for wrong in wrong {
        let mut writer = ArchiveWriter::begin(Vec::new(), "alex", &WriterOptions::default()).unwrap();
        writer.rows(&before.rows()).unwrap();
        let refused = writer.rows(&wrong.rows());
        assert!(matches!(refused, Err(ParquetError::Unsorted { .. })), "{wrong:?}: {refused:?}");
        // A refusal leaves the writer as it was.
        writer.rows(&later(&[START + 120]).rows()).unwrap();
        assert_eq!(writer.finish().unwrap().1.rows, 3);
    }
}

#[test]
fn twins_below_different_parents_share_timestamps() {
    let twin = |parent: &str| Series { parent: parent.to_owned(), ..Series::new("a", "clock", "0", [1.0]) };
    let all = [twin("socket0"), twin("socket1")];
    let (file, _) = write(&all, &WriterOptions { has_parents: true, ..WriterOptions::default() });
    assert_eq!(read(Memory::new(file), &Filter::default()).unwrap(), all);
}

#[test]
fn extremes_of_float64_keep_to_float32() {
    let all = [Series::new("a", "x", "", [f64::MAX, f64::MIN, f64::INFINITY, f64::NAN, -0.0, 1e-300])];
    let (file, written) = write(&all, &WriterOptions::default());
    assert_eq!(written.rows, 5);
    let found = read(Memory::new(file), &Filter::default()).unwrap();
    let max = f64::from(f32::MAX);
    assert_eq!(found[0].values, [max, -max, f64::INFINITY, -0.0, 0.0]);
    assert!(found[0].values[3].is_sign_negative());
}

#[test]
fn many_row_groups_by_several_threads_keep_their_order() {
    // Two series of 900,000 rows: each is cut where a row group is full.
    let mut random = Random::new(5);
    let all: Vec<Series> =
        ["a", "b"].map(|host| Series::new(host, "x", "", (0..900_000).map(|_| (random.unit() * 9.0).floor()))).into();
    let (one, written) = write(&all, &WriterOptions::default());
    assert_eq!((written.rows, written.row_groups), (1_800_000, 2));
    let (several, _) = write(&all, &WriterOptions { workers: 2, ..WriterOptions::default() });
    assert!(one == several, "threads change nothing in the file");
    assert!(read(Memory::new(several), &Filter::default()).unwrap() == all);
}

#[test]
fn a_file_of_cc_metric_store_is_read() {
    // Written by cc-metric-store 1.5.4's own cleanup from two hosts, 860 series each, six slots from 17:22:00 on.
    let bytes = include_bytes!("../../../../tests/data/parquet/cc-metric-store-1.5.4.parquet").to_vec();
    let file = Memory::new(bytes);
    let metadata = ArchiveReader::open(file.clone()).unwrap().metadata().clone();
    assert_eq!((metadata.rows, metadata.row_groups.len()), (10_320, 2));
    assert_eq!(metadata.cluster.as_deref(), Some("alex"));
    assert!(!metadata.has_parents && metadata.value == ValueType::Float32);
    let all = read(file.clone(), &Filter::default()).unwrap();
    assert_eq!(all.len(), 2 * 860);
    assert!(all.iter().all(|series| series.frequency_secs == 60 && series.timestamps.len() == 6));
    let host = all[0].hostname.clone();
    let first = all[0].timestamps[0];
    let filter =
        Filter { from_secs: first + 60, to_secs: first + 120, host: Some(host), metric: Some("acc_temp".to_owned()) };
    let found = read(file, &filter).unwrap();
    assert_eq!(found.len(), 8);
    assert!(found.iter().all(|series| series.scope == "accelerator" && series.timestamps.len() == 2), "{found:?}");
}
