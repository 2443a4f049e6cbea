//! What is printed of good files and of damaged ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::block::Block;
use crate::formats::native::{FILE_VERSION, FileHeader, SnapshotWriter, append_header, append_record, encode_samples};
use crate::model::{Component, ComponentImage, EMPTY, HostImage, LaneImage, NO_PARENT, Sample, SeriesId, SeriesImage};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn run(path: &Path, json: bool, limit: Option<u64>) -> (String, bool) {
    let mut out = Vec::new();
    let sound = inspect(&InspectArguments { files: vec![path.to_owned()], json, limit }, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), sound)
}

fn objects(path: &Path) -> Vec<Value> {
    let (text, _) = run(path, true, Some(u64::MAX));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const FILES: [(&str, &str); 10] = [
    ("native/version1.log", "log segment"),
    ("native/version2.log", "log segment"),
    ("ccms/golden.bin", "binary snapshot of cc-metric-store"),
    ("ccms/golden.json", "JSON snapshot of cc-metric-store"),
    ("ccms/golden.wal", "log of cc-metric-store"),
    ("ccms/golden.state", "state file"),
    ("ccms/reference/a3201-1795259637.bin", "binary snapshot of cc-metric-store"),
    ("ccms/reference/a3201-1795259652.json", "JSON snapshot of cc-metric-store"),
    ("ccms/reference/a3201-current.wal", "log of cc-metric-store"),
    ("ccms/reference/phases-a3201-1795263247.bin", "binary snapshot of cc-metric-store"),
];

#[test]
fn every_kind_of_file_is_told_by_its_content() {
    for (name, kind) in FILES {
        let (text, sound) = run(&data(name), false, None);
        assert!(sound, "{name}: {text}");
        let head = text.lines().next().unwrap();
        assert!(head.contains(&format!(": {kind}, ")), "{name}: {head}");
        assert!(text.lines().last().unwrap().ends_with("damages 0"), "{name}: {text}");
        let objects = objects(&data(name));
        assert_eq!(objects[0]["form"], kind, "{name}");
        assert!(objects.iter().all(|object| object["path"] == data(name).to_str().unwrap()), "{name}");
        let summary = objects.last().unwrap();
        assert!(summary["series"].as_u64().unwrap() > 0, "{name}: {summary}");
        // A state file holds no values.
        assert_eq!(summary["samples"].is_null(), name.ends_with(".state"), "{name}: {summary}");
    }
}

#[test]
fn a_log_is_printed_record_by_record() {
    let (text, _) = run(&data("ccms/golden.wal"), false, None);
    let first = text.lines().nth(1).unwrap();
    assert!(first.starts_with("  offset 4: record: series "), "{first}");
    let (text, _) = run(&data("native/version1.log"), false, None);
    assert!(text.lines().next().unwrap().contains("version 1, shard "), "{text}");
    let (text, _) = run(&data("native/version2.log"), false, Some(u64::MAX));
    for part in ["version 2, shard ", "stamped series defined: host alex/a0001", "exemplars 1", "metadata: metric "] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let (text, _) = run(&data("native/version1.log"), false, None);
    for part in ["offset 36: host defined", "series defined", "samples: host ", "horizon: host ", "Z)"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

/// A snapshot of two hosts with a block and a lane each.
fn snapshot_bytes() -> Vec<u8> {
    let block = Block::seal(600, 60, &[1.0, EMPTY, 1.0]).unwrap();
    let mut image = HostImage {
        cluster: "alex".into(),
        horizon_secs: i64::MIN,
        components: vec![ComponentImage {
            parent: NO_PARENT,
            component: Component::new("hwthread", "3"),
            is_device: false,
            horizon_secs: 540,
        }],
        series: vec![SeriesImage {
            component: 0,
            metric: "flops_any".into(),
            blocks: vec![Arc::clone(block.as_bytes())],
            overlay: Vec::new(),
        }],
        lanes: vec![LaneImage {
            frequency_secs: 60,
            start_secs: 900,
            seconds: vec![0, 1],
            recent: vec![0, 1],
            columns: vec![(0, vec![EMPTY, 7.5])],
        }],
        ..HostImage::default()
    };
    let mut writer =
        SnapshotWriter::begin(Vec::new(), &FileHeader { shard: 5, sequence: 9, created_secs: 1000 }).unwrap();
    for host in ["a1", "a2"] {
        image.host = host.into();
        writer.host(&image).unwrap();
    }
    writer.finish().unwrap().0
}

#[test]
fn blocks_are_described() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("any name");
    fs::write(&path, snapshot_bytes()).unwrap();
    let (text, sound) = run(&path, false, None);
    assert!(sound, "{text}");
    for part in [
        ": snapshot, ",
        "version 2, shard 5, sequence 9, created 1000 (1970-01-01T00:16:40Z)",
        "  offset 36: host: host alex/a1, ",
        "  component: component hwthread3, type hwthread, id 3, horizon 540 (",
        "  series: series hwthread3/flops_any, blocks 1, late 0\n",
        "  block: start 600 (1970-01-01T00:10:00Z), frequency 60, slots 3, filled 2, codec constant, bytes ",
        "  lane: start 900 (1970-01-01T00:15:00Z), frequency 60, slots 2, series 1\n",
        "  column: series hwthread3/flops_any, filled 1\n",
        "  summary: hosts 2, series 2, samples 6, first 600 (1970-01-01T00:10:00Z), last 960 (",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let hosts: Vec<Value> = objects(&path).into_iter().filter(|object| object["kind"] == "host").collect();
    let bytes = hosts[0]["bytes"].as_u64().unwrap();
    assert_eq!(hosts[1]["offset"].as_u64().unwrap(), 36 + bytes);
}

/// The section's checksum is right, so only the block can tell.
#[test]
fn a_damaged_block_is_told_with_its_section() {
    let (text, sound) = run(&data("native/version1.snapshot"), false, None);
    let damage = text.lines().find(|line| line.contains("DAMAGE")).unwrap();
    assert!(!sound && damage.starts_with("  offset 36: ") && damage.contains("reason block 0 of "), "{damage}");
}

/// An offset leads to the place in the file, also behind levels and long series.
#[test]
fn offsets_of_series_lead_to_their_names() {
    for name in ["ccms/golden.bin", "ccms/reference/a3201-1795259637.bin", "ccms/reference/phases-a3201-1795263247.bin"]
    {
        let bytes = fs::read(data(name)).unwrap();
        let objects = objects(&data(name));
        let mut seen = 0;
        for object in objects.iter().filter(|object| object["kind"] == "series" || object["kind"] == "level") {
            let path = object[object["kind"].as_str().unwrap()].as_str().unwrap();
            let own = path.rsplit('/').next().unwrap();
            let at = object["offset"].as_u64().unwrap() as usize;
            let len = u16::from_le_bytes([bytes[at], bytes[at + 1]]) as usize;
            assert_eq!(&bytes[at + 2..at + 2 + len], own.as_bytes(), "{name}: {object}");
            seen += 1;
        }
        assert!(seen > 0, "{name}");
    }
    let name = "ccms/golden.json";
    let bytes = fs::read(data(name)).unwrap();
    for object in objects(&data(name)).iter().filter(|object| object["kind"] == "series") {
        let at = object["offset"].as_u64().unwrap() as usize;
        assert!(bytes[at..].starts_with(b"{\"frequency\":"), "{object}");
    }
}

#[test]
fn the_limit_bounds_what_is_printed_and_not_what_is_checked() {
    let path = data("ccms/reference/a3201-current.wal");
    let (all, _) = run(&path, false, Some(u64::MAX));
    let records = all.lines().filter(|line| line.contains(": record: ")).count();
    let (text, _) = run(&path, false, Some(2));
    assert_eq!(text.lines().count(), 1 + 2 + 1 + 1, "{text}");
    assert!(text.contains(&format!("… {} more", records - 2)), "{text}");
    assert_eq!(text.lines().last(), all.lines().last());
    let (json, _) = run(&path, true, Some(2));
    assert!(json.lines().last().unwrap().contains(&format!("\"left_off\":{}", records - 2)), "{json}");
}

#[test]
fn damage_is_told_with_its_offset() {
    let folder = tempfile::tempdir().unwrap();
    let files = FILES.iter().map(|(name, _)| (*name, fs::read(data(name)).unwrap()));
    for (name, whole) in files.chain([("native/snapshot", snapshot_bytes())]) {
        let path = folder.path().join(Path::new(name).file_name().unwrap());
        // Cut off: whatever the form, it can tell.
        fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let (text, sound) = run(&path, false, None);
        assert!(!sound, "{name}: {text}");
        let damage = text.lines().find(|line| line.contains("DAMAGE: ")).unwrap();
        assert!(damage.starts_with("  offset ") && damage.contains("reason "), "{name}: {damage}");
        // Changed somewhere: where there are checksums, that is told, and nothing panics elsewhere.
        for at in (0..whole.len()).step_by(whole.len().div_ceil(97)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            fs::write(&path, &bytes).unwrap();
            let (text, sound) = run(&path, false, None);
            let has_checksums = name.starts_with("native") || name.ends_with(".wal") || name.ends_with(".state");
            assert!(!(has_checksums && sound), "{name}, byte {at}: {text}");
            assert_eq!(sound, text.lines().last().unwrap().ends_with("damages 0"), "{name}, byte {at}: {text}");
        }
    }
}

/// A name decides when the first bytes are gone, so that the rest of the file is checked and shown.
#[test]
fn a_file_without_its_first_bytes_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for (from, name, kind) in [
        ("native/version1.log", "0000000000000001.log", "log segment"),
        ("native/version1.snapshot", "0000000000000001.snapshot", "snapshot"),
        ("ccms/golden.wal", "current.wal", "log of cc-metric-store"),
    ] {
        let mut bytes = fs::read(data(from)).unwrap();
        bytes[..4].fill(0xFF);
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let (text, sound) = run(&path, false, None);
        assert!(!sound && text.lines().next().unwrap().contains(kind), "{text}");
        assert!(text.contains("offset 0: DAMAGE"), "{text}");
        assert!(text.contains("series"), "what follows is read all the same: {text}");
    }
}

#[test]
fn a_newer_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(data("native/version1.log")).unwrap();
    bytes[8] = FILE_VERSION as u8 + 1;
    let crc = crc32fast::hash(&bytes[..32]).to_le_bytes();
    bytes[32..36].copy_from_slice(&crc);
    let path = folder.path().join("a");
    fs::write(&path, bytes).unwrap();
    let (text, sound) = run(&path, false, None);
    assert!(!sound && text.contains(&format!("version {}", FILE_VERSION + 1)), "{text}");
}

#[test]
fn folders_are_walked_and_others_files_passed_by() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    fs::copy(data("ccms/golden.bin"), below.join("1795259637.bin")).unwrap();
    fs::write(below.join("notes.txt"), "nothing of ours").unwrap();
    fs::write(below.join("current.wal"), "").unwrap();
    let (text, sound) = run(folder.path(), false, None);
    assert!(sound, "{text}");
    for part in ["1795259637.bin: binary snapshot", "current.wal: empty file", "notes.txt: unknown file"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!run(&below.join("notes.txt"), false, None).1, "named by the user");
    assert!(!run(&below.join("nonexistent"), false, None).1);
}

/// Names come from whoever sent samples: they must not forge lines nor reach the terminal's controls.
#[test]
fn names_are_printed_without_control_characters() {
    let mut bytes = Vec::new();
    append_header(&mut bytes, &FileHeader { shard: 0, sequence: 1, created_secs: 0 });
    let host = "a\n  DAMAGE \u{1b}[31m";
    let definitions = [native_files::Definition::Host { cluster: "c", host }];
    let samples = [Sample { series: SeriesId(0), secs: 1, value: 1.0 }];
    append_record(&mut bytes, |out| encode_samples(out, 0, 1, &definitions, &samples)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, bytes).unwrap();
    let (text, sound) = run(&path, false, None);
    assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("  DAMAGE \\")), "{text}");
    assert!(sound && text.contains("undefined 1"), "{text}");
}
