//! What must hold for any bytes whatsoever, for fuzzers and the test that replays what they found.
//!
//! Each function takes its input both as a file and, since no fuzzer guesses a checksum, as the payload of a sound
//! frame. What is read is written again and read once more: it must be the same.

use super::bytes::Cursor;
use super::header::Kind;
use super::segment::{Entry, SegmentReader, append_header, append_record};
use super::snapshot::{Section, SnapshotReader, SnapshotWriter};
use super::{
    FileHeader, Record, StampedHead, StampedRecord, encode_horizon, encode_metadata, encode_samples, encode_stamped,
    metadata, section,
};
use crate::model::{HostImage, StampedSample, StampedValue};

const HEADER: FileHeader = FileHeader { shard: 3, sequence: 7, created_secs: 1_700_000_000 };

/// Reads `data` as a log segment and as a record.
pub fn fuzz_segment(data: &[u8]) {
    read_segment(data);
    let mut framed = Vec::new();
    append_header(&mut framed, &HEADER);
    let written = append_record(&mut framed, |out| {
        out.extend_from_slice(data);
        Ok(())
    });
    assert!(written.is_ok(), "{written:?}");
    read_segment(&framed);
}

fn read_segment(bytes: &[u8]) {
    let Ok(mut reader) = SegmentReader::open(bytes) else { return };
    // Every byte belongs to the header, to a record or to a damage, and a tail is the last.
    let mut end = reader.header().map_or(0, |_| super::FILE_HEADER_BYTES as u64);
    let mut has_tail = false;
    for entry in reader.by_ref() {
        assert!(!has_tail);
        match entry {
            Entry::Record { offset, payload } => {
                assert_eq!(offset, end);
                end = offset + (super::frame::FRAME_HEADER_BYTES + payload.len()) as u64;
                read_record(payload);
            }
            Entry::Damage(damage) => {
                assert_eq!(damage.offset, end);
                end += damage.len;
            }
            Entry::Tail(damage) => {
                assert_eq!(damage.offset, end);
                end += damage.len;
                has_tail = true;
            }
        }
    }
    assert_eq!(end, bytes.len() as u64);
    assert!(reader.valid_len() <= end);
}

fn read_record(payload: &[u8]) {
    let Ok(record) = Record::parse(payload) else { return };
    record.parts().iter().for_each(read_single);
}

fn read_single(record: &Record<'_>) {
    let mut again = Vec::new();
    match record {
        Record::Samples(record) => {
            let mut samples = Vec::new();
            if record.read(&mut samples).is_err() {
                assert!(samples.is_empty());
                return;
            }
            assert_eq!(samples.len(), record.len());
            let written = encode_samples(&mut again, record.host, record.received_secs, &record.definitions, &samples);
            assert!(written.is_ok(), "{written:?}");
            let Ok(Record::Samples(read)) = Record::parse(&again) else {
                unreachable!("what was written is not read: {again:02x?}");
            };
            let mut samples_again = Vec::new();
            assert!(read.read(&mut samples_again).is_ok());
            let bits = |sample: &crate::model::Sample| (sample.series, sample.secs, sample.value.to_bits());
            assert!(samples.iter().map(bits).eq(samples_again.iter().map(bits)));
            assert_eq!((record.host, record.received_secs), (read.host, read.received_secs));
            assert_eq!(record.definitions, read.definitions);
        }
        Record::Horizon(record) => {
            encode_horizon(&mut again, record);
            assert!(matches!(Record::parse(&again), Ok(Record::Horizon(read)) if read == *record));
        }
        Record::Stamped(record) => read_stamped(record),
        Record::Metadata(metrics) => {
            encode_metadata(&mut again, metrics.iter().map(|(name, metadata)| (&**name, metadata)));
            assert!(matches!(Record::parse(&again), Ok(Record::Metadata(read)) if read == *metrics));
        }
        Record::Both(_) => unreachable!("both in one of both"),
    }
}

fn read_stamped(record: &StampedRecord<'_>) {
    let mut samples = Vec::new();
    if record.read(&mut samples).is_err() {
        assert!(samples.is_empty());
        return;
    }
    assert_eq!(samples.len(), record.len());
    let StampedRecord { host, received_ms, names, definitions, exemplars, .. } = record;
    let head = StampedHead { host: *host, received_ms: *received_ms, names: *names, definitions };
    let mut again = Vec::new();
    let written = encode_stamped(&mut again, &head, &samples, exemplars);
    assert!(written.is_ok(), "{written:?}");
    let Ok(Record::Stamped(read)) = Record::parse(&again) else {
        unreachable!("what was written is not read: {again:02x?}");
    };
    let mut samples_again = Vec::new();
    assert!(read.read(&mut samples_again).is_ok());
    let value = |sample: &StampedSample| match &sample.value {
        StampedValue::Float(value) => (value.to_bits(), None),
        // Twice through the same bytes: what differs in a bit differs in its text, or is a NaN of another payload.
        StampedValue::Histogram(histogram) => (0, Some(format!("{histogram:?}"))),
    };
    let bits = |sample: &StampedSample| (sample.series, sample.time_ms, sample.start_ms, value(sample));
    assert!(samples.iter().map(bits).eq(samples_again.iter().map(bits)));
    assert_eq!((*host, *received_ms, *names), (read.host, read.received_ms, read.names));
    assert_eq!(*definitions, read.definitions);
    let mut third = Vec::new();
    assert!(encode_stamped(&mut third, &head, &samples_again, &read.exemplars).is_ok());
    assert_eq!(again, third);
}

/// Reads `data` as a snapshot, as the section of a host and as one of metadata.
pub fn fuzz_snapshot(data: &[u8]) {
    read_snapshot(data);
    if let Ok(metrics) = metadata::decode(&mut Cursor::new(data)) {
        let mut again = Vec::new();
        metadata::encode(&mut again, metrics.iter().map(|(name, metadata)| (&**name, metadata)));
        assert!(matches!(metadata::decode(&mut Cursor::new(&again)), Ok(read) if read == metrics));
    }
    if let Ok(image) = section::decode(data) {
        let (first, bytes) = through_a_snapshot(&image);
        let (_, bytes_again) = through_a_snapshot(&first);
        assert_eq!(bytes, bytes_again);
    }
    let mut trailing = Vec::new();
    HEADER.encode(Kind::Snapshot, &mut trailing);
    trailing.extend_from_slice(data);
    read_snapshot(&trailing);
}

fn read_snapshot(bytes: &[u8]) {
    let Ok(mut reader) = SnapshotReader::open(bytes) else { return };
    let mut damages = 0;
    let mut items = 0;
    while let Ok(Some(section)) = reader.next_section() {
        damages += usize::from(matches!(section, Section::Damage(_)));
        items += 1;
        assert!(items <= bytes.len() + 2, "each item takes a byte at least");
    }
    assert!(reader.offset() <= bytes.len() as u64);
    assert_eq!(reader.is_complete(), damages == 0);
}

/// Writes a host into a snapshot and reads it back; answers it with the snapshot's bytes.
fn through_a_snapshot(image: &HostImage) -> (HostImage, Vec<u8>) {
    let mut bytes = Vec::new();
    let written = SnapshotWriter::begin(&mut bytes, &HEADER).and_then(|mut writer| {
        writer.host(image)?;
        writer.finish().map(drop)
    });
    assert!(written.is_ok(), "{written:?}");
    let mut reader = SnapshotReader::open(bytes.as_slice());
    let read = reader.as_mut().map(SnapshotReader::next_section);
    let Ok(Ok(Some(Section::Host(read)))) = read else { unreachable!("what was written is not read: {read:?}") };
    (read, bytes)
}
