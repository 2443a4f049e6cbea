//! Round trips between the three forms, and what must not happen on the way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::SystemTime;

use super::*;
use crate::engine::{CheckpointFormat as Form, IngestReport, WalSync};
use crate::testing::ManualClock;

const T0: i64 = 1_770_000_000;

fn metric(name: &str, frequency_secs: u32) -> Metric {
    Metric { name: name.into(), frequency_secs, aggregation: crate::model::Aggregation::Sum }
}

fn metrics() -> Vec<Metric> {
    vec![metric("mem_used", 60), metric("flops_any", 30), metric("rx", 60)]
}

/// A store as a server runs it, at the given second.
fn server(folder: &Path, format: Form, metrics: Vec<Metric>, now_secs: i64) -> Engine {
    let options = Options {
        format,
        wal_sync: WalSync::Never,
        workers: 2,
        future_tolerance: std::time::Duration::from_secs(1 << 30),
        ..Options::new(folder)
    };
    let clock = Arc::new(ManualClock::at(now_secs));
    let (disk, telemetry) = (Arc::new(SystemDisk), Arc::new(Telemetry::default()));
    let engine = Engine::open(options, MetricTable::new(metrics), disk, clock, telemetry).unwrap();
    engine.recover().unwrap();
    engine
}

fn write(engine: &Engine, lines: &str) {
    let mut report = IngestReport::default();
    engine.ingest("http", "", lines.as_bytes(), &mut report).unwrap();
    assert_eq!((report.bad, report.skipped), (0, 0), "{:?}", report.first_bad);
}

/// Two hosts over some hours with phases, holes, devices, threads and a late sample.
fn lines(value: impl Fn(i64) -> f64) -> String {
    let mut lines = String::new();
    for tick in (0..400).filter(|tick| tick % 50 != 7) {
        for (host, phase) in [("a1", 7), ("a2", 23)] {
            let secs = T0 + phase + 60 * tick;
            writeln!(lines, "mem_used,cluster=alex,hostname={host},type=node value={} {secs}", value(tick)).unwrap();
            for device in ["lo", "eth0"] {
                let value = value(3 * tick);
                let tags = format!("cluster=alex,hostname={host},type=node,stype=network,stype-id={device}");
                writeln!(lines, "rx,{tags} value={value} {secs}").unwrap();
            }
            for thread in 0..3 {
                let value = value(tick + 1000 * thread);
                let tags = format!("cluster=alex,hostname={host},type=hwthread,type-id={thread}");
                writeln!(lines, "flops_any,{tags} value={value} {}", secs + thread % 2).unwrap();
            }
        }
    }
    writeln!(lines, "mem_used,cluster=alex,hostname=a1,type=node value=5 {}", T0 + 7 + 60 * 57).unwrap();
    lines
}

fn run(source: &Path, target: &Path, to: Form) -> Result<Summary, ConvertError> {
    let arguments =
        ConvertArguments { from: None, to, config: None, source: source.to_owned(), target: target.to_owned() };
    convert(&arguments, &[], &Progress::hidden())
}

/// Compares two directories as engines read them.
fn compare(a: &Path, b: &Path) -> Comparison {
    let progress = Progress::hidden();
    let table = |path: &Path| scan::scan(path, 1, &progress).unwrap().metrics(&[]).0;
    let read = |path: &Path| open(path, Form::Native, &table(path), Arc::new(ReadOnlyDisk), 2).unwrap();
    Comparison::of(read(a).store(), read(b).store(), Form::Native, &progress)
}

/// All files with content and time of change.
fn fingerprint(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let changed = path.metadata().unwrap().modified().unwrap();
        if path.is_dir() {
            all.extend(fingerprint(&path));
            all.insert(path, (Vec::new(), changed));
        } else {
            all.insert(path.clone(), (fs::read(&path).unwrap(), changed));
        }
    }
    all
}

/// A native directory with a snapshot and a log behind it.
fn native_source(folder: &Path, value: impl Fn(i64) -> f64) {
    let all = lines(value);
    let half = all.match_indices('\n').nth(3000).unwrap().0 + 1;
    let engine = server(folder, Form::Native, metrics(), T0 + 86_400);
    write(&engine, &all[..half]);
    assert_eq!(engine.checkpoint().failed, 0);
    write(&engine, &all[half..]);
}

fn round_trip(through: Form, value: impl Fn(i64) -> f64) {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    native_source(&a, value);
    let there = run(&a, &b, through).unwrap();
    assert!(there.comparison.is_complete(), "{there}");
    assert_eq!((there.comparison.hosts, there.comparison.series), (2, 12), "{there}");
    let Comparison { rounded, unwritable, joined, .. } = there.comparison;
    assert_eq!((rounded, unwritable, joined), (0, 0, 0), "{there}");
    // A file of the source for every shard that holds a host, and its log.
    assert_eq!((there.from.as_str(), there.damages, there.guessed), ("native", 0, 0), "{there}");
    let back = run(&b, &c, Form::Native).unwrap();
    assert!(back.comparison.is_complete(), "{back}");
    assert_eq!(back.from, name(through));
    let compared = compare(&a, &c);
    assert!(compared.is_complete(), "{compared:?}");
    assert_eq!(compared.values, there.comparison.values);
    assert!(compared.values > 4000, "{compared:?}");
    assert_eq!(compare(&c, &a).series, 12, "nothing was added");
}

#[test]
fn values_of_float32_survive_the_wal_form() {
    round_trip(Form::Wal, |k| k as f64 * 0.25 - 17.0);
}

#[test]
fn all_values_survive_the_json_form() {
    round_trip(Form::Json, |k| (k as f64).sqrt() * 1e-7 + 0.1);
}

#[test]
fn rounding_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    native_source(&a, |k| k as f64 + 0.1);
    let summary = run(&a, &b, Form::Wal).unwrap();
    assert!(summary.comparison.is_complete(), "{summary}");
    assert!(summary.comparison.rounded > 4000, "{summary}");
    assert!(summary.to_string().contains("float32"), "{summary}");
}

/// Real files of cc-metric-store 1.5.4: a snapshot and the log behind it, and a snapshot in JSON.
#[test]
fn files_of_the_reference_become_native() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ccms/reference");
    for (files, from) in [
        (&[("a3201-1795259637.bin", "1795259637.bin"), ("a3201-current.wal", "current.wal")][..], "wal"),
        (&[("a3201-1795259652.json", "1795259652.json")], "json"),
        (&[("phases-a3201-1795263247.bin", "1795263247.bin")], "wal"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
        let host = a.join("alex/a3201");
        fs::create_dir_all(&host).unwrap();
        for (file, name) in files {
            fs::copy(data.join(file), host.join(name)).unwrap();
        }
        let before = fingerprint(&a);
        let summary = run(&a, &b, Form::Native).unwrap();
        assert!(summary.comparison.is_complete() && summary.comparison.values > 0, "{summary}");
        assert_eq!((summary.from.as_str(), summary.damages), (from, 0), "{summary}");
        assert_eq!(fingerprint(&a), before);
        assert!(compare(&a, &b).is_complete());
        let back = run(&b, &c, Form::Wal).unwrap();
        assert!(back.comparison.is_complete(), "{back}");
        assert_eq!((back.comparison.values, back.comparison.rounded), (summary.comparison.values, 0), "{back}");
    }
}

/// Recovery cuts torn tails and sets corrupt snapshots aside; a conversion has to leave both in its source as they are.
#[test]
fn a_damaged_source_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| folder.path().join(name));
    native_source(&a, |k| k as f64);
    run(&a, &b, Form::Wal).unwrap();
    // The wal directory gets a log with a torn tail, the native one a torn segment and a corrupt snapshot.
    write(&server(&b, Form::Wal, metrics(), T0 + 86_400), &lines(|k| k as f64));
    let mut torn = [0; 3];
    for (path, (bytes, _)) in fingerprint(&a).into_iter().chain(fingerprint(&b)) {
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let kind = ["wal", "log", "snapshot"].iter().position(|known| *known == end);
        let Some(kind) = kind.filter(|_| !bytes.is_empty()) else { continue };
        torn[kind] += 1;
        let mut bytes = bytes;
        match end {
            "snapshot" => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0xA5;
            }
            _ => bytes.truncate(bytes.len() - 5),
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(torn.iter().all(|&count| count > 0), "{torn:?}");
    // A torn tail alone is what every crash leaves.
    for (source, target, damaged) in [(&a, &c, true), (&b, &d, false)] {
        let before = fingerprint(source);
        let summary = run(source, target, Form::Native).unwrap();
        assert!(summary.comparison.is_complete(), "{summary}");
        assert_eq!(summary.damages > 0, damaged, "{summary}");
        assert_eq!(summary.to_string().contains("treering inspect"), damaged, "{summary}");
        assert!(fingerprint(source) == before, "{} was changed", source.display());
    }
    assert!(compare(&b, &d).values > 4000);
}

/// A store that was killed before its first checkpoint leaves logs alone, and logs hold no frequencies.
#[test]
fn frequencies_of_logs_are_the_configured_or_the_likely_ones() {
    for format in [Form::Native, Form::Wal] {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
        write(&server(&a, format, metrics(), T0 + 86_400), &lines(|k| k as f64));
        let found = scan::scan(&a, 2, &Progress::hidden()).unwrap();
        let (table, guessed) = found.metrics(&[metric("flops_any", 30)]);
        let frequency = |name| table.get(table.find(name).unwrap()).frequency_secs;
        assert_eq!(frequency("flops_any"), 30, "as configured");
        assert_eq!((frequency("mem_used"), frequency("rx")), (60, 60));
        assert_eq!(guessed, [("mem_used".to_owned(), 60), ("rx".to_owned(), 60)]);
        let summary = run(&a, &b, Form::Json).unwrap();
        assert!(summary.comparison.is_complete() && summary.comparison.values > 4000, "{summary}");
        assert_eq!(summary.guessed, 3);
        assert!(run(&b, &c, Form::Native).unwrap().comparison.is_complete());
    }
}

#[test]
fn a_changed_frequency_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    let write_from = |frequency_secs: i64, first: i64| {
        let engine = server(&a, Form::Native, vec![metric("mem_used", frequency_secs as u32)], T0 + 864_000);
        let mut lines = String::new();
        for tick in 0..300 {
            let secs = first + tick * frequency_secs;
            writeln!(lines, "mem_used,cluster=alex,hostname=a1,type=node value={tick} {secs}").unwrap();
        }
        write(&engine, &lines);
        engine.close();
    };
    write_from(10, T0);
    write_from(60, T0 + 3000);
    let exact = run(&a, &b, Form::Native).unwrap();
    assert_eq!((exact.comparison.is_complete(), exact.comparison.values), (true, 600), "{exact}");
    let joined = run(&a, &c, Form::Json).unwrap();
    assert_eq!((joined.comparison.is_complete(), joined.comparison.joined), (true, 1), "{joined}");
    assert!(joined.comparison.joined_away > 200, "{joined}");
    assert!(joined.to_string().contains("1 series that changed them"), "{joined}");
}

#[test]
fn wrong_directories_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, empty] = ["a", "b", "empty"].map(|name| folder.path().join(name));
    native_source(&a, |k| k as f64);
    let before = fingerprint(&a);
    fs::create_dir(&empty).unwrap();
    let error = |source: &Path, target: &Path| run(source, target, Form::Json).unwrap_err();
    assert!(matches!(error(&empty, &b), ConvertError::Nothing(_)));
    assert!(matches!(error(&folder.path().join("none"), &b), ConvertError::Disk { .. }));
    assert!(matches!(error(&a, &a), ConvertError::NotEmpty(_)));
    assert!(matches!(error(&a, &a.join("x/y")), ConvertError::Nested(..)));
    assert!(matches!(error(&a, &a.join("../a/./x")), ConvertError::Nested(..)));
    fs::write(&b, "a file").unwrap();
    assert!(matches!(error(&a, &b), ConvertError::Disk { .. }));
    fs::write(empty.join("x"), "something").unwrap();
    assert!(matches!(error(&a, &empty), ConvertError::NotEmpty(_)));
    let other = ConvertArguments {
        from: Some(Form::Json),
        to: Form::Wal,
        config: None,
        source: a.clone(),
        target: folder.path().join("c"),
    };
    let error = convert(&other, &[], &Progress::hidden()).unwrap_err();
    assert!(error.to_string().ends_with("holds native, but --from says json"), "{error}");
    assert_eq!(fingerprint(&a), before);
}
