//! Whole files: golden bytes of both versions, every byte flipped, every length, nothing lost that is sound.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use proptest::prelude::*;

use super::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use super::header::tests::set_version;
use super::section::tests::{assert_same, image};
use super::stamped_section::tests::add_stamped;
use super::*;
use crate::model::{
    Exemplar, HostImage, Labels, Metadata, MetricKind, Sample, SeriesId, StampedId, StampedSample, StampedValue,
};

const HEADER: FileHeader = FileHeader { shard: 7, sequence: 42, created_secs: 1_700_000_000 };

fn sample(series: u32, secs: i64, value: f64) -> Sample {
    Sample { series: SeriesId(series), secs, value }
}

/// Two ticks, one of them late and unordered, and two horizons: every layout that version 1 has.
fn log_of_version_1() -> Vec<u8> {
    let socket = ComponentRef { kind: "socket", id: "1" };
    let device = ComponentRef { kind: "network", id: "eth0" };
    let series = |series, components: &[ComponentRef<'static>], is_device, metric| Definition::Series {
        series: SeriesId(series),
        path: ComponentPath::new(components).unwrap(),
        is_device,
        metric,
    };
    let definitions = [
        Definition::Host { cluster: "alex", host: "a0001" },
        series(0, &[], false, "cpu_load"),
        series(1, &[device], true, "net_bytes_in"),
        series(2, &[socket], false, "mem_bw"),
        series(300, &[socket, ComponentRef { kind: "", id: "é" }], false, "power"),
    ];
    let first = [
        sample(0, 1_700_000_000, 0.0),
        sample(1, 1_700_000_000, 4_294_967_296.0),
        sample(2, 1_700_000_000, 1.0 / 3.0),
        sample(300, 1_700_000_000, 12.34),
    ];
    let values =
        [-7.0, 300.0, 70_000.0, -20_000_000.0, 0.07, 1234.56, 1_234_567.89, 12.345, 99.999, 1234.567, 0.25, -0.0];
    let second: Vec<Sample> =
        (0..).zip(values).map(|(i, value)| sample(i / 2, 1_700_000_060 + i64::from(i % 3), value)).collect();
    let far = [sample(u32::MAX, i64::MIN, f64::NAN), sample(0, i64::MAX, f64::NAN), sample(0, 0, f64::INFINITY)];
    let mut out = Vec::new();
    append_header(&mut out, &HEADER);
    append_record(&mut out, |out| encode_samples(out, 0, 1_700_000_001, &definitions, &first)).unwrap();
    append_record(&mut out, |out| encode_samples(out, 0, 1_700_000_062, &[], &second)).unwrap();
    append_record(&mut out, |out| encode_samples(out, 200, -1, &[], &far)).unwrap();
    for (host, path) in [(None, ComponentPath::HOST), (Some("a0001"), ComponentPath::new(&[device]).unwrap())] {
        append_record(&mut out, |out| {
            encode_horizon(out, &HorizonRecord { cluster: "alex", host, path, to_secs: 1_699_000_000 });
            Ok(())
        })
        .unwrap();
    }
    out
}

/// What version 1 has, a scrape of two series, samples of one series with start times, histograms and exemplars, and
/// metadata: every layout that version 2 has.
fn log() -> Vec<u8> {
    let mut image = HostImage::default();
    add_stamped(&mut image);
    let definitions: Vec<(StampedId, Labels)> =
        (0..).zip(&image.stamped).map(|(id, series)| (StampedId(id * 200), series.labels.clone())).collect();
    let float = |series, time_ms, value| StampedSample {
        series: StampedId(series),
        time_ms,
        start_ms: 0,
        value: StampedValue::Float(value),
    };
    let scrape =
        [float(0, 1_700_000_060_123, 0.5), float(200, 1_700_000_060_123, f64::from_bits(0x7ff8_0000_0000_0001))];
    let exemplars: Vec<(StampedId, Exemplar)> =
        image.stamped[0].exemplars.iter().map(|exemplar| (StampedId(0), exemplar.clone())).collect();
    let names = Some(("alex", "a0001"));
    let first = StampedHead { host: 0, received_ms: 1_700_000_060_456, names, definitions: &definitions };
    let second = StampedHead { received_ms: 1_700_000_070_000, names: None, definitions: &[], ..first };
    let metadata = Metadata { kind: MetricKind::Counter, help: "Seconds of each mode.".into(), unit: "seconds".into() };
    let mut out = log_of_version_1();
    append_record(&mut out, |out| encode_stamped(out, &first, &scrape, &[])).unwrap();
    append_record(&mut out, |out| encode_stamped(out, &second, &image.stamped[0].open, &exemplars)).unwrap();
    append_record(&mut out, |out| {
        let grid = [sample(0, 1_700_000_070, 1.5)];
        encode_both(
            out,
            |out| encode_samples(out, 0, 1_700_000_070, &[], &grid),
            |out| encode_stamped(out, &second, &[], &exemplars),
        )
    })
    .unwrap();
    append_record(&mut out, |out| {
        encode_metadata(out, [("node_cpu_seconds_total", &metadata)].into_iter());
        Ok(())
    })
    .unwrap();
    out
}

fn images() -> Vec<HostImage> {
    vec![image("a0001"), HostImage::default(), image("a0003")]
}

fn metadata() -> Vec<(Box<str>, Metadata)> {
    let of = |name: &str, kind, help: &str| (name.into(), Metadata { kind, help: help.into(), unit: "".into() });
    vec![of("node_load1", MetricKind::Gauge, "1m load average."), of("up", MetricKind::Unknown, "")]
}

/// Those of version 1, one of them with stamped series too, and metadata: every layout that version 2 has.
fn snapshot_of_version_2() -> Vec<u8> {
    let mut images = images();
    add_stamped(&mut images[0]);
    let mut writer = SnapshotWriter::begin(Vec::new(), &HEADER).unwrap();
    images.iter().for_each(|image| writer.host(image).unwrap());
    writer.metadata(metadata().iter().map(|(name, metadata)| (&**name, metadata))).unwrap();
    writer.finish().unwrap().0
}

fn snapshot(images: &[HostImage]) -> Vec<u8> {
    let mut writer = SnapshotWriter::begin(Vec::new(), &HEADER).unwrap();
    for image in images {
        writer.host(image).unwrap();
    }
    let (bytes, len) = writer.finish().unwrap();
    assert_eq!(bytes.len() as u64, len);
    bytes
}

/// Each record of a log as text, NaNs with their bits; damages beside them.
fn records(bytes: &[u8]) -> (Vec<String>, Vec<Damage>) {
    let (mut texts, mut damages) = (Vec::new(), Vec::new());
    for entry in SegmentReader::open(bytes).unwrap() {
        let (offset, payload) = match entry {
            Entry::Record { offset, payload } => (offset, payload),
            Entry::Damage(damage) | Entry::Tail(damage) => {
                damages.push(damage);
                continue;
            }
        };
        let parts: Vec<String> = Record::parse(payload).unwrap().parts().iter().map(text).collect();
        texts.push(format!("{offset} {}", parts.join(" and ")));
    }
    (texts, damages)
}

fn text(record: &Record<'_>) -> String {
    match record {
        Record::Samples(record) => {
            let mut samples = Vec::new();
            record.read(&mut samples).unwrap();
            let samples: Vec<_> = samples.iter().map(|s| (s.series.0, s.secs, s.value.to_bits())).collect();
            format!("{} {} {:?} {samples:?}", record.host, record.received_secs, record.definitions)
        }
        Record::Horizon(horizon) => format!("{horizon:?}"),
        Record::Stamped(record) => {
            let mut samples = Vec::new();
            record.read(&mut samples).unwrap();
            let StampedRecord { host, received_ms, names, definitions, exemplars, .. } = record;
            let samples = columns::tests::bits(&samples);
            format!("{host} {received_ms} {names:?} {definitions:?} {exemplars:?} {samples:?}")
        }
        Record::Metadata(metrics) => format!("{metrics:?}"),
        Record::Both(_) => panic!("both in one of both"),
    }
}

/// A source that gives a few bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(7);
        self.0.read(&mut buffer[..len])
    }
}

/// The hosts, the damages and whether the snapshot is complete.
fn hosts(source: impl Read) -> (Vec<HostImage>, Vec<Damage>, bool) {
    let mut reader = SnapshotReader::open(source).unwrap();
    let (mut images, mut damages) = (Vec::new(), Vec::new());
    while let Some(section) = reader.next_section().unwrap() {
        match section {
            Section::Host(image) => images.push(image),
            Section::Metadata(found) => assert_eq!(found, metadata()),
            Section::Damage(damage) => damages.push(damage),
        }
    }
    (images, damages, reader.is_complete())
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/native").join(name)
}

const CHANGED: &str = "what is written has changed: a change of the format needs a new version";

/// Files of version 1 lie in the directories of those who had it: they are read as they were written, and what they
/// hold is written as before but for the version.
#[test]
fn version_1_is_read() {
    let pinned = fs::read(golden("version1.log")).unwrap();
    let mut log = log_of_version_1();
    assert_eq!(records(&pinned).0, records(&log).0);
    set_version(&mut log, 1);
    assert!(log == pinned, "{CHANGED}");
    let pinned = fs::read(golden("version1.snapshot")).unwrap();
    let (found, damages, complete) = hosts(&pinned[..]);
    assert!(complete && damages.is_empty());
    found.iter().zip(&images()).for_each(|(found, expected)| assert_same(found, expected));
    let mut snapshot = snapshot(&images());
    set_version(&mut snapshot, 1);
    assert!(snapshot == pinned, "{CHANGED}");
}

#[test]
fn version_2_of_the_log_is_pinned() {
    let pinned = fs::read(golden("version2.log")).unwrap();
    assert!(log() == pinned, "{CHANGED}");
    let (records, damages) = records(&pinned);
    assert!(records.len() == 9 && damages.is_empty());
}

#[test]
fn version_2_of_the_snapshot_is_pinned() {
    let pinned = fs::read(golden("version2.snapshot")).unwrap();
    assert!(snapshot_of_version_2() == pinned, "{CHANGED}");
    let (found, damages, complete) = hosts(&pinned[..]);
    assert!(complete && damages.is_empty());
    assert_eq!(found.iter().map(|image| image.stamped.len()).collect::<Vec<_>>(), [2, 0, 0]);
}

#[test]
#[ignore = "writes the golden files: only for a new version, whose files get names of their own"]
fn write_golden_files() {
    for (name, bytes) in [("version2.log", log()), ("version2.snapshot", snapshot_of_version_2())] {
        assert!(!golden(name).exists(), "{name} is pinned");
        fs::write(golden(name), bytes).unwrap();
    }
}

#[test]
fn a_flipped_byte_of_a_log_costs_one_record_and_is_reported() {
    let sound = log();
    let all = records(&sound).0;
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x11;
        let (found, damages) = records(&bytes);
        assert_eq!(damages.len(), 1, "byte {at}");
        assert!(
            (damages[0].offset..damages[0].offset + damages[0].len).contains(&(at as u64)),
            "byte {at}: {}",
            damages[0]
        );
        assert!(found.iter().all(|record| all.contains(record)), "byte {at}");
        assert_eq!(found.len(), all.len() - usize::from(at >= FILE_HEADER_BYTES), "byte {at}");
    }
}

#[test]
fn every_beginning_of_a_log_gives_the_records_that_it_holds() {
    let sound = log();
    let all = records(&sound).0;
    for len in 0..sound.len() {
        let (found, damages) = records(&sound[..len]);
        assert_eq!(found[..], all[..found.len()], "{len} bytes");
        assert!(found.len() < all.len() && damages.len() <= 1, "{len} bytes");
    }
}

#[test]
fn a_snapshot_comes_back() {
    let bytes = snapshot(&images());
    for (found, damages, complete) in [hosts(&bytes[..]), hosts(Trickle(&bytes))] {
        assert!(complete, "{damages:?}");
        assert_eq!(found.len(), images().len());
        found.iter().zip(&images()).for_each(|(found, expected)| assert_same(found, expected));
    }
    let empty = snapshot(&[]);
    assert!(matches!(hosts(&empty[..]), (found, _, true) if found.is_empty()));
    assert_eq!(SnapshotReader::open(&empty[..]).unwrap().header(), Some(&HEADER));
}

#[test]
fn a_flipped_byte_of_a_snapshot_costs_one_host_and_is_reported() {
    let sound = snapshot(&images());
    let trailer_at = sound.len() - FRAME_HEADER_BYTES - 20;
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x11;
        let (found, damages, complete) = hosts(&bytes[..]);
        assert!(!complete, "byte {at}");
        assert!(
            (damages[0].offset..damages[0].offset + damages[0].len).contains(&(at as u64)),
            "byte {at}: {}",
            damages[0]
        );
        let in_host = (FILE_HEADER_BYTES..trailer_at).contains(&at);
        assert_eq!(found.len(), 3 - usize::from(in_host), "byte {at}");
        for found in &found {
            let expected = images().into_iter().find(|image| image.host == found.host).unwrap();
            assert_same(found, &expected);
        }
    }
}

#[test]
fn every_beginning_of_a_snapshot_is_known_to_be_incomplete() {
    let sound = snapshot(&images());
    for len in 0..sound.len() {
        let (found, damages, complete) = hosts(&sound[..len]);
        assert!(!complete && !damages.is_empty(), "{len} bytes");
        found.iter().zip(&images()).for_each(|(found, expected)| assert_same(found, expected));
    }
}

#[test]
fn a_snapshot_that_lacks_a_whole_section_is_incomplete() {
    // Each part is sound: only the trailer knows that a host is missing.
    let all = snapshot(&images());
    let one = snapshot(&images()[..1]);
    let first_len = one.len() - FRAME_HEADER_BYTES - 20 - FILE_HEADER_BYTES;
    let mut bytes = all.clone();
    bytes.drain(FILE_HEADER_BYTES..FILE_HEADER_BYTES + first_len);
    let (found, damages, complete) = hosts(&bytes[..]);
    assert_eq!(found.len(), 2);
    assert!(!complete);
    assert!(damages[0].to_string().ends_with("the trailer counts other sections than were there"), "{}", damages[0]);
    let (_, damages, complete) = hosts(&[&all[..], b"more"].concat()[..]);
    assert!(!complete);
    assert_eq!((damages[0].offset, damages[0].len), (all.len() as u64, 4));
}

#[test]
fn a_snapshot_of_a_newer_version_is_refused() {
    let mut bytes = snapshot(&images());
    set_version(&mut bytes, 3);
    let error = SnapshotReader::open(&bytes[..]).unwrap_err();
    assert!(matches!(error, NativeError::UnsupportedVersion { version: 3, .. }), "{error}");
    let error = SnapshotReader::open(&log()[..]).unwrap_err();
    assert!(matches!(error, NativeError::WrongFile { .. }), "{error}");
}

#[test]
fn an_image_that_cannot_be_written_leaves_no_trace() {
    let mut writer = SnapshotWriter::begin(Vec::new(), &HEADER).unwrap();
    let mut broken = image("broken");
    broken.series[0].component = 9;
    writer.host(&broken).unwrap_err();
    writer.host(&image("a0001")).unwrap();
    let (found, _, complete) = hosts(&writer.finish().unwrap().0[..]);
    assert!(complete);
    assert_eq!(found.len(), 1);
}

#[test]
fn nested_headers_in_a_snapshot_do_not_cost_more_than_the_file_is_long() {
    // Half of them promise everything up to the end, half more than there is. Believing none would look at 15 GB;
    // the test would not end in any reasonable time.
    let count = 60_000usize;
    let mut bytes = snapshot(&[]);
    bytes.truncate(FILE_HEADER_BYTES);
    for index in 0..count {
        let rest = ((count - index - 1) * FRAME_HEADER_BYTES + 1 + index % 2 * 1000) as u64;
        bytes.extend_from_slice(&FrameHeader { kind: FrameKind::Host, len: rest, payload_crc: 1 }.to_bytes());
    }
    bytes.extend_from_slice(b"xy");
    let (found, damages, complete) = hosts(&bytes[..]);
    assert!(found.is_empty() && !complete);
    let covered: u64 = damages.iter().map(|damage| damage.len).sum();
    assert_eq!(covered, (bytes.len() - FILE_HEADER_BYTES) as u64, "all of it is reported");
}

proptest! {
    #[test]
    fn garbage_is_read_to_its_end(mut bytes in prop::collection::vec(any::<u8>(), 0..400), headed in any::<bool>()) {
        if headed {
            bytes.splice(0..0, log()[..FILE_HEADER_BYTES].iter().copied());
        }
        let reader = SegmentReader::open(&bytes).unwrap();
        prop_assert!(reader.count() <= bytes.len());
        if headed {
            bytes.splice(0..FILE_HEADER_BYTES, snapshot(&[])[..FILE_HEADER_BYTES].iter().copied());
        }
        prop_assert!(!hosts(&bytes[..]).2);
    }

    #[test]
    fn what_is_not_hit_survives_several_hits(
        hits in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..6),
    ) {
        let sound = log();
        let all = records(&sound).0;
        let mut bytes = sound.clone();
        for (at, flip) in &hits {
            bytes[at.index(sound.len())] ^= flip;
        }
        let (found, _) = records(&bytes);
        prop_assert!(found.iter().all(|record| all.contains(record)));
        let in_records = hits.iter().filter(|(at, _)| at.index(sound.len()) >= FILE_HEADER_BYTES).count();
        prop_assert!(found.len() >= all.len().saturating_sub(in_records));
    }
}
