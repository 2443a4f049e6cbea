//! `import` and `archive export` as their users call them: into running servers, into directories, out of archives and
//! in again.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use treering::formats::parquet::{ArchiveWriter, Rows, ValueType, WriterOptions};

use crate::checkpoints::{Cluster, Series};
use crate::harness::{Config, How, Line, Signer, Store, T0, binary, dense, eventually, setting};

fn treering(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The summary of an import that succeeds.
#[track_caller]
fn summary(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

fn lines(host: &str, ticks: std::ops::Range<i64>) -> String {
    ticks.map(|tick| format!("{}\n", Line::new("mem_used", host, tick as f64 / 8.0, T0 + 60 * tick))).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut child = Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

#[track_caller]
fn check(store: &Store, host: &str, ticks: i64) {
    let series = store.series(host, "mem_used", T0, T0 + 60 * ticks).unwrap();
    assert_eq!((series.from, &series.data), (T0, &dense((0..ticks).map(|tick| tick as f64 / 8.0))), "{host}");
}

#[test]
fn lines_go_into_a_running_server_and_the_bad_ones_are_named() {
    let store = Store::start(Config::new("native"));
    let folder = store.dir.path();
    fs::create_dir(folder.join("in")).unwrap();
    fs::write(folder.join("in/1.lp"), lines("a1", 0..500)).unwrap();
    fs::write(folder.join("in/2.lp.gz"), gzip(&lines("a2", 0..500))).unwrap();
    fs::write(folder.join("in/notes.txt"), "not for a store").unwrap();
    let url = store.url("");
    let output = treering(folder, &["import", "--url", &url, "in"]);
    assert_eq!(summary(&output), "read: 1000 lines and 0 rows of 2 files\nstored: 1000 samples\n");
    assert!(output.stderr.is_empty(), "no terminal, no bar: {output:?}");
    check(&store, "a1", 500);
    check(&store, "a2", 500);

    let mut bad =
        "# a comment\nmem_used,hostname=a3 value=x 17\nunknown value=1 17\nmem_used value=1 nonsense\n".to_owned();
    bad.push_str(&lines("a3", 0..3));
    bad.push_str("mem_used,hostname=a4,type=node value=2 1770244800");
    fs::write(folder.join("bad.lp"), bad).unwrap();
    let output = treering(folder, &["import", "--url", &url, "--cluster", "alex", "bad.lp", "missing.lp"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let expected = "\
read: 8 lines and 0 rows of 1 files
stored: 4 samples
skipped: 1 samples (the server's /metrics says why)
bad: 2 lines
  bad.lp:2: value \"x\": expected a number
  bad.lp:4: time \"nonsense\": expected a whole number of seconds, milli-, micro- or nanoseconds since 1970
FAILED: missing.lp: No such file or directory (os error 2)
";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(store.series("a4", "mem_used", T0, T0 + 60).unwrap().data, dense([2.0]), "of the default cluster");
}

#[test]
fn a_server_that_asks_for_a_token_gets_it() {
    let signer = Signer::new(7);
    let store = Store::start(Config::new("native").set(setting::PUBLIC_KEY, signer.public_key()));
    let folder = store.dir.path();
    fs::write(folder.join("a.lp"), lines("a1", 0..5)).unwrap();
    let url = store.url("/api/write/");
    let output = treering(folder, &["import", "--url", &url, "a.lp"]);
    assert!(!output.status.success() && text(&output.stderr).contains("--token"), "{output:?}");
    let output = treering(
        folder,
        &["import", "--url", &url, "--token", &signer.token(&serde_json::json!({"sub": "importer"})), "a.lp"],
    );
    assert!(summary(&output).contains("stored: 5 samples"));
}

#[test]
fn without_a_server_the_directory_is_written_and_a_server_that_runs_keeps_it() {
    for format in ["native", "wal"] {
        let mut store = Store::start(Config::new(format));
        fs::write(store.path("a.lp"), lines("a1", 0..700)).unwrap();
        let arguments = ["import", "-config", "config.json", "a.lp"];
        let output = treering(store.dir.path(), &arguments);
        assert!(!output.status.success() && text(&output.stderr).contains("--url URL"), "{output:?}");
        store.stop(How::Term);
        for _ in 0..2 {
            let output = treering(store.dir.path(), &arguments);
            assert_eq!(summary(&output), "read: 700 lines and 0 rows of 1 files\nstored: 700 samples\n");
        }
        fs::write(store.path("b.lp"), "# a comment\nmem_used,hostname=a/b value=1 1770244800\n").unwrap();
        let output = treering(store.dir.path(), &["import", "-config", "config.json", "--cluster", "alex", "b.lp"]);
        let expected = "\
read: 2 lines and 0 rows of 1 files
stored: 0 samples
skipped: 1 samples (refused_name 1)
  b.lp:2: cluster \"alex\", host \"a/b\": expected names without \"..\", /, \\ and NUL
";
        assert_eq!(summary(&output), expected);
        store.resume();
        check(&store, "a1", 700);
    }
}

fn holds(path: &Path, part: &[u8]) -> bool {
    // A file may go while it is looked for.
    fs::read(path).is_ok_and(|bytes| bytes.windows(part.len()).any(|window| window == part))
}

#[test]
fn standard_input_may_end_with_ctrl_c() {
    let mut store = Store::start(Config::new("native"));
    store.stop(How::Term);
    let mut child = Command::new(binary())
        .args(["import", "-config", "config.json", "--cluster", "alex", "-"])
        .current_dir(store.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // More than one piece, so that the first is stored while the second waits.
    let mut text_in = lines("a1", 0..100);
    while text_in.len() < 3 << 20 {
        text_in.push_str("# something to fill the pieces with, for an import reads many lines at once\n");
    }
    input.write_all(text_in.as_bytes()).unwrap();
    let is_stored = || store.files("var/checkpoints").iter().any(|path| holds(path, b"mem_used"));
    eventually("the first piece is in a log", || is_stored().then_some(()));
    let status = Command::new("sh").args(["-c", &format!("kill -s INT {}", child.id())]).status().unwrap();
    assert!(status.success());
    // The pipe stays open: only the signal ends it.
    let output = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("stored: 100 samples"), "{output:?}");
    assert!(text(&output.stderr).contains("stopped before the end"), "{output:?}");
    store.resume();
    check(&store, "a1", 100);
}

/// Checkpoints as cc-metric-store leaves them, from one store's directory into another store.
#[test]
fn checkpoints_go_into_a_server_with_their_components() {
    let folder = tempfile::tempdir().unwrap();
    let series = |metric: &str, component: &str| Series { metric: metric.into(), component: component.into() };
    let cluster = Cluster {
        name: "alex",
        hosts: vec!["a1".into(), "a2".into()],
        series: vec![series("mem_used", ""), series("flops_any", "hwthread0"), series("flops_any", "hwthread1")],
        start_secs: T0,
        ticks: 1000,
    };
    cluster.write(&folder.path().join("old"), |host, series, tick| (tick * (series + 1) + host) as f32 / 8.0);
    let store = Store::start(Config::new("native"));
    let output = treering(folder.path(), &["import", "--url", &store.url(""), "old"]);
    assert_eq!(summary(&output), "read: 0 lines and 6000 rows of 1 files\nstored: 6000 samples\n");
    check(&store, "a1", 1000);
    let sums = store.series("a2", "flops_any", T0, T0 + 60_000).unwrap();
    assert_eq!(sums.data, dense((0..1000).map(|tick| (tick * 5 + 2) as f64 / 8.0)));
    // One file of them says neither cluster nor host.
    let file = fs::read_dir(folder.path().join("old/alex/a1")).unwrap().next().unwrap().unwrap().path();
    let output = treering(folder.path(), &["import", "--url", &store.url(""), file.to_str().unwrap()]);
    assert!(!output.status.success() && text(&output.stderr).contains("whole checkpoint directory"), "{output:?}");
}

/// An archive of one host: a node's metric, two threads', a device's.
fn write_archive(folder: &Path) {
    let options = WriterOptions { value: ValueType::Float64, ..WriterOptions::default() };
    let mut writer = ArchiveWriter::begin(Vec::new(), "alex", &options).unwrap();
    let timestamps: Vec<i64> = (0..500).map(|tick| T0 + 60 * tick).collect();
    let series = [
        ("flops_any", "hwthread", "0", 1.0),
        ("flops_any", "hwthread", "1", 2.0),
        ("ipc", "network", "eth 0", 0.3),
        ("mem_used", "node", "", 0.125),
    ];
    for (metric, scope, scope_id, factor) in series {
        let values: Vec<f64> = (0..500).map(|tick| f64::from(tick) * factor).collect();
        let (timestamps, values) = (&timestamps[..], &values[..]);
        let rows = Rows { hostname: "a1", metric, scope, scope_id, parent: "", frequency_secs: 60, timestamps, values };
        writer.rows(&rows).unwrap();
    }
    fs::create_dir_all(folder.join("archive/alex")).unwrap();
    fs::write(folder.join("archive/alex/1770300000.parquet"), writer.finish().unwrap().0).unwrap();
}

#[test]
fn an_archive_comes_back_as_parquet_and_as_lines() {
    let folder = tempfile::tempdir().unwrap();
    write_archive(folder.path());
    let export = ["archive", "export", "-archive", "archive", "-from", "2026-01-01", "-to", "2027-01-01", "-format"];
    let exported = treering(folder.path(), &[&export[..], &["lp", "-o", "all.lp"]].concat());
    assert_eq!(summary(&exported), "2000 rows written to all.lp\n");
    for input in ["all.lp", "archive", "archive/alex/1770300000.parquet"] {
        let store = Store::start(Config::new("native"));
        let output = treering(folder.path(), &["import", "--url", &store.url(""), input]);
        assert!(summary(&output).ends_with("stored: 2000 samples\n"), "{input}: {output:?}");
        check(&store, "a1", 500);
        let sums = store.series("a1", "flops_any", T0, T0 + 30_000).unwrap();
        assert_eq!(sums.data, dense((0..500).map(|tick| f64::from(tick) * 3.0)), "{input}");
        let devices = store.series("a1", "ipc", T0, T0 + 30_000).unwrap();
        assert_eq!(devices.data[7], Some(2.1), "{input}");
    }
}

#[test]
fn an_export_ends_quietly_when_its_reader_goes_and_fails_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    write_archive(folder.path());
    let export = ["archive", "export", "-archive", "archive", "-to", "2027-01-01", "-format", "csv", "-from"];
    let mut child = Command::new(binary())
        .args(export)
        .arg("2026-01-01")
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "cluster,hostname,metric,scope,scope_id,timestamp,frequency,value,parent\n");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");

    fs::write(
        folder.path().join("config.json"),
        serde_json::to_vec(Config::new("native").set("/main/addr", "127.0.0.1:0").json()).unwrap(),
    )
    .unwrap();
    for (arguments, reason) in [
        (&["--archive", "none", "--from", "1", "--to", "2"][..], "none: No such file"),
        (
            &["--archive", "archive", "--from", "1", "--to", "2"],
            "holds rows from 2026-02-04T22:40:00Z to 2026-02-05T06:59:00Z",
        ),
        (&["--archive", "archive", "--from", "2", "--to", "2"], "is not before"),
        (&["--from", "1", "--to", "2"], "names no archive"),
        (&["--config", "none.json", "--from", "1", "--to", "2"], "none.json"),
        (
            &["--archive", "archive", "--from", "2026-01-01", "--to", "2027-01-01", "-o", "no/such/folder"],
            "no/such/folder",
        ),
    ] {
        let arguments = [&["archive", "export", "--format", "csv"], arguments].concat();
        let output = treering(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        assert!(text(&output.stderr).contains(reason) && output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
}
