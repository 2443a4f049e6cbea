//! One form's files read by a store that is configured for another: the way from cc-metric-store and back.

use std::fs;
use std::process::Command;

use crate::harness::{Config, How, Line, Random, Store, T0, binary, dense, setting};

const TICKS: i64 = 700;

macro_rules! changes {
    ($($name:ident $from:literal $to:literal)*) => {$(
        mod $name {
            use crate::harness::How;

            #[test]
            fn after_sigterm() {
                super::change($from, $to, How::Term);
            }

            #[test]
            fn after_a_kill() {
                super::change($from, $to, How::Kill);
            }
        }
    )*};
}

changes! {
    wal_to_native "wal" "native"
    json_to_native "json" "native"
    native_to_wal "native" "wal"
    native_to_json "native" "json"
    wal_to_json "wal" "json"
    json_to_wal "json" "wal"
}

fn fill(store: &Store) {
    let mut lines: Vec<Line> = (1..TICKS).map(|k| Line::new("mem_used", "a1", k as f64, T0 + 7 + 60 * k)).collect();
    for k in 0..60 {
        lines.extend((0..2).map(|id| Line::new("flops_any", "a2", k as f64, T0 + 60 * k).of("hwthread", id)));
    }
    Random::new(5).shuffle(&mut lines);
    store.write([Line::new("mem_used", "a1", 0.0, T0 + 7)]);
    store.write((0..2).map(|id| Line::new("flops_any", "a2", 0.0, T0).of("hwthread", id)));
    store.write(lines);
    store.write(["mem_used,cluster=fritz,hostname=f1,type=node value=5 1770244800"]);
}

fn check(store: &Store, when: &str) {
    let series = store.series("a1", "mem_used", T0, T0 + 60 * TICKS + 60).unwrap();
    assert_eq!((series.from, &series.data), (T0 + 7, &dense((0..TICKS).map(|k| k as f64))), "{when}");
    let sums = store.series("a2", "flops_any", T0, T0 + 3600).unwrap();
    assert_eq!(sums.data, dense((0..60).map(|k| f64::from(2 * k))), "{when}");
    let fritz = serde_json::json!({"cluster": "fritz", "from": T0, "to": T0 + 60,
                                   "queries": [{"metric": "mem_used", "host": "f1"}]});
    assert_eq!(store.ask(&fritz)["results"][0][0]["data"][0], 5.0, "{when}");
}

/// A binary is replaced, or a word in the config: nobody moves files by hand for that.
fn change(from: &str, to: &str, how: How) {
    let mut store = Store::start(Config::new(from));
    fill(&store);
    // A checkpoint, and a log behind it.
    store.restart(How::Term);
    store.write([Line::new("mem_used", "a1", 3.0, T0 + 7 + 180)]);
    store.stop(how);
    store.set_config(Config::new(to));
    store.resume();
    check(&store, "adopted");
    for how in [How::Kill, How::Term, How::Kill] {
        store.restart(how);
        check(&store, &format!("after {how:?}"));
    }
    // cc-metric-store takes every folder for a cluster or a host, and refuses to start beside plain files.
    let checkpoints = store.path("var/checkpoints");
    for folder in [checkpoints.clone(), checkpoints.join(".treering")] {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            assert!(entry.file_type().unwrap().is_dir(), "{:?} is no folder", entry.path());
        }
    }
    if to == "native" {
        assert!(checkpoints.join(".treering/adopted").is_dir(), "the old files are put aside, not deleted");
        assert!(!checkpoints.join("alex").exists(), "and out of the way");
    } else {
        let extension = if to == "wal" { "bin" } else { "json" };
        let written = store.files("var/checkpoints/alex/a1");
        assert!(written.iter().any(|path| path.extension().is_some_and(|found| found == extension)), "{written:?}");
    }
}

/// Without a store that runs: `treering convert`.
#[test]
fn a_directory_can_be_converted_offline() {
    for (from, to) in [("native", "wal"), ("native", "json"), ("wal", "native"), ("json", "wal")] {
        let mut store = Store::start(Config::new(from));
        fill(&store);
        store.stop(How::Term);
        let output = Command::new(binary())
            .args(["convert", "--to", to, "var/checkpoints", "converted"])
            .current_dir(store.dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{from} to {to}: {output:?}");
        store.set_config(Config::new(to).set(setting::CHECKPOINTS, "./converted"));
        store.resume();
        check(&store, &format!("converted from {from} to {to}"));
    }
}
