//! The first two hours of a real job on 32 nodes.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::{Config, How, Series, Store, in_each_form};

in_each_form! { every_value_of_a_real_job_comes_back }

fn every_value_of_a_real_job_comes_back(format: &str) {
    let text = zstd::decode_all(&include_bytes!("../data/job-first-hours.lp.zst")[..]).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 31_599);
    let mut expected: BTreeMap<(&str, &str), Vec<(i64, f64)>> = BTreeMap::new();
    let mut config = Config::new(format);
    for line in &lines {
        let (series, rest) = line.split_once(' ').unwrap();
        let (value, secs) = rest.split_once(' ').unwrap();
        let metric = series.split_once(',').unwrap().0;
        let host = series.split(',').find_map(|tag| tag.strip_prefix("hostname=")).unwrap();
        let value = value.strip_prefix("value=").unwrap().parse().unwrap();
        expected.entry((host, metric)).or_default().push((secs.parse().unwrap(), value));
    }
    for (_, metric) in expected.keys() {
        config = config.metric(metric, 60, Some("sum"));
    }
    let from = expected.values().map(|samples| samples[0].0).min().unwrap();
    let mut store = Store::start(config);
    for body in lines.chunks(5000) {
        store.post("/api/write", body.join("\n")).expect_status(200);
    }
    // A float32 has 24 bits; what is printed has three decimals.
    let relative = if format == "native" { 0.0 } else { 6e-8 };
    for how in [None, Some(How::Term), Some(How::Kill), Some(How::Kill)] {
        how.into_iter().for_each(|how| store.restart(how));
        let queries: Vec<_> =
            expected.keys().map(|(host, metric)| json!({"host": host, "metric": metric, "aggreg": false})).collect();
        let question =
            json!({"cluster": "emmy", "from": from, "to": from + 7200, "with-padding": true, "queries": queries});
        let answer = store.ask(&question);
        let mut right = 0;
        for (rows, ((host, metric), samples)) in answer["results"].as_array().unwrap().iter().zip(&expected) {
            let mut series = Series::parse(&rows[0]);
            // Padded: the first value stands for `from` of the question.
            series.from = from;
            assert_eq!(
                series.values().len(),
                samples.len(),
                "{host} {metric}, after {how:?}: values beyond those sent"
            );
            for (secs, value) in samples {
                let got =
                    series.at(*secs).unwrap_or_else(|| panic!("{host} {metric} at {secs} is gone, after {how:?}"));
                assert!(
                    (got - value).abs() <= 0.000_501 + relative * value.abs(),
                    "{host} {metric}: {got}, not {value}"
                );
                right += 1;
            }
        }
        assert_eq!(right, lines.len(), "after {how:?}");
    }
}
