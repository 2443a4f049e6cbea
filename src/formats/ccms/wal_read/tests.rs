//! Logs, whole and broken: what comes out went in, and every byte is accounted for.

use super::super::wal::encode;
use super::*;
use proptest::prelude::*;

/// Everything in a log: the records with their offsets, the damages, and the reader for its end.
type Everything<'a> = (Vec<(u64, Record)>, Vec<Damage>, WalReader<&'a [u8]>);

fn read_all(bytes: &[u8]) -> Everything<'_> {
    let mut reader = WalReader::new(bytes);
    let (mut records, mut damages) = (Vec::new(), Vec::new());
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            WalItem::Record { offset, record } => records.push((offset, record.clone())),
            WalItem::Damage(damage) | WalItem::Tail(damage) => damages.push(damage),
        }
        let memory = reader.buffer.capacity();
        assert!(memory <= 2 * RECORD_BYTES_MAX + 4 * READ_BYTES, "{memory}");
    }
    (records, damages, reader)
}

fn log(records: usize) -> (Vec<u8>, Vec<u64>) {
    let mut bytes = WAL_HEADER.to_vec();
    let mut offsets = Vec::new();
    for i in 0..records {
        offsets.push(bytes.len() as u64);
        encode(&mut bytes, i as i64, "flops_any", &["hwthread3"], i as f64).unwrap();
    }
    (bytes, offsets)
}

#[test]
fn an_empty_file_is_sound_and_wants_a_header() {
    let (records, damages, reader) = read_all(&[]);
    assert!(records.is_empty() && damages.is_empty());
    assert_eq!(reader.good_end(), 0);
    let (_, damages, reader) = read_all(&WAL_HEADER);
    assert!(damages.is_empty());
    assert_eq!(reader.good_end(), 4);
}

#[test]
fn long_logs_are_read_in_pieces() {
    let (bytes, offsets) = log(20_000);
    let (records, damages, reader) = read_all(&bytes);
    assert!(damages.is_empty());
    assert_eq!(records.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), offsets);
    assert!(records.iter().enumerate().all(|(i, (_, record))| record.secs == i as i64));
    assert_eq!(reader.good_end(), bytes.len() as u64);
    assert!(!reader.is_damaged_inside());
}

#[test]
fn every_torn_tail_is_cut_off_behind_the_last_whole_record() {
    let (bytes, mut offsets) = log(4);
    offsets.push(bytes.len() as u64);
    for len in 0..=bytes.len() {
        let (records, damages, reader) = read_all(&bytes[..len]);
        let whole = offsets.iter().rposition(|offset| *offset <= len as u64);
        let good_end = whole.map_or(0, |whole| offsets[whole]);
        assert_eq!(reader.good_end(), good_end, "{len}");
        assert_eq!(records.len(), whole.unwrap_or(0));
        assert!(!reader.is_damaged_inside());
        let torn = len as u64 - good_end;
        let expected: Vec<(u64, u64)> = (torn > 0).then_some((good_end, torn)).into_iter().collect();
        assert_eq!(damages.iter().map(|damage| (damage.offset, damage.len)).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_bad_record_costs_itself_alone() {
    let (mut bytes, offsets) = log(5);
    bytes[offsets[2] as usize + HEAD_BYTES] ^= 1;
    let (records, damages, reader) = read_all(&bytes);
    assert_eq!(records.iter().map(|(_, record)| record.secs).collect::<Vec<_>>(), [0, 1, 3, 4]);
    assert_eq!((damages[0].offset, damages[0].len), (offsets[2], offsets[3] - offsets[2]));
    assert!(damages[0].reason.starts_with("a record with CRC-32"), "{}", damages[0]);
    assert_eq!(damages.len(), 1);
    assert!(reader.is_damaged_inside());
    assert_eq!(reader.good_end(), bytes.len() as u64);
}

#[test]
fn a_length_that_swallows_the_rest_does_not() {
    let (mut bytes, offsets) = log(5);
    bytes[offsets[1] as usize + 6] = 1;
    let (records, damages, _) = read_all(&bytes);
    assert_eq!(records.iter().map(|(_, record)| record.secs).collect::<Vec<_>>(), [0, 2, 3, 4]);
    assert_eq!(damages.len(), 1);
}

#[test]
fn a_file_without_its_header_still_gives_its_records() {
    let (bytes, _) = log(3);
    for (bytes, skipped) in [(&bytes[4..], 0), (&[b"oops", &bytes[4..]].concat(), 4)] {
        let (records, damages, reader) = read_all(bytes);
        assert_eq!(records.len(), 3);
        assert_eq!((damages.len(), damages[0].len), (1, skipped));
        assert!(reader.is_damaged_inside());
    }
}

/// A power failure can leave a tail of zeros, and a disk megabytes of anything.
#[test]
fn long_garbage_is_one_damage() {
    for byte in [0, RECORD_MAGIC[0]] {
        let (mut bytes, _) = log(2);
        let whole = bytes.len() as u64;
        bytes.resize(bytes.len() + 3_000_000, byte);
        let (records, damages, reader) = read_all(&bytes);
        assert_eq!((records.len(), damages.len(), reader.good_end()), (2, 1, whole));
        encode(&mut bytes, 7, "late", &[], 1.0).unwrap();
        let (records, damages, reader) = read_all(&bytes);
        assert_eq!((records.len(), damages.len(), reader.good_end()), (3, 1, bytes.len() as u64));
        assert_eq!(damages[0].len, 3_000_000);
    }
}

/// A torn write is no damage, and a file of somebody else is no torn write: it would be cut down to nothing.
#[test]
fn tails_and_foreign_files_are_told_apart() {
    let last = |bytes: &[u8]| {
        let mut reader = WalReader::new(bytes);
        let mut is_tail = None;
        while let Some(item) = reader.next_item().unwrap() {
            is_tail = Some(matches!(item, WalItem::Tail(_)));
        }
        is_tail
    };
    let (sound, offsets) = log(2);
    assert_eq!(last(&sound), Some(false));
    for torn in [&sound[..2], &[0; 4096], &sound[..sound.len() - 1], &[&sound[..], &[0; 9]].concat()] {
        assert_eq!(last(torn), Some(true), "{torn:02X?}");
    }
    let newer = [&0xCC1D_A702_u32.to_le_bytes()[..], b"of another form"].concat();
    for foreign in [&b"PAR1"[..], b"x", &newer, &[0, 0, 0, 1, 0]] {
        assert_eq!(last(foreign), Some(false), "{foreign:02X?}");
    }
    // With a record behind the bad header it is a log, and its end may be torn.
    let headless = [b"oops", &sound[4..offsets[1] as usize + 5]].concat();
    assert_eq!(last(&headless), Some(true));
}

/// Magics with large lengths everywhere must not make the search sum up a megabyte for each of them.
#[test]
fn a_file_of_magics_is_searched_in_linear_time() {
    let mut bytes = WAL_HEADER.to_vec();
    while bytes.len() < 4_000_000 {
        bytes.extend_from_slice(&RECORD_MAGIC);
        bytes.extend_from_slice(&(PAYLOAD_BYTES_MAX as u32).to_le_bytes());
    }
    let (records, damages, _) = read_all(&bytes);
    assert_eq!((records.len(), damages.len()), (0, 1));
}

/// A source that answers in the smallest pieces.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(&mut buffer[..1])
    }
}

#[test]
fn the_size_of_reads_changes_nothing() {
    let (mut bytes, offsets) = log(3);
    bytes[offsets[1] as usize] = 0;
    let mut reader = WalReader::new(Trickle(&bytes));
    let mut items = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        items.push(match item {
            WalItem::Record { offset, .. } => offset,
            WalItem::Damage(damage) | WalItem::Tail(damage) => damage.offset,
        });
    }
    assert_eq!(items, offsets);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_all_accounted_for(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), sound in any::<bool>()) {
        if sound {
            bytes.splice(0..0, WAL_HEADER);
        }
        let (records, damages, reader) = read_all(&bytes);
        prop_assert!(records.is_empty());
        let end = damages.last().map_or(reader.good_end(), |damage| damage.offset + damage.len);
        prop_assert_eq!(end, bytes.len() as u64);
    }

    /// Whatever is flipped, cut out or doubled: each record that comes out is one that went in.
    #[test]
    fn no_wrong_record_comes_out(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..40, any::<u8>(), 0u8..3), 1..6),
    ) {
        let (mut bytes, offsets) = log(12);
        let (before, ..) = read_all(&bytes);
        for (at, len, xor, kind) in edits {
            let at = at.index(bytes.len());
            let end = (at + len).min(bytes.len());
            match kind {
                0 => bytes[at] ^= xor,
                1 => drop(bytes.drain(at..end)),
                _ => bytes.extend_from_within(at..end),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let (records, damages, reader) = read_all(&bytes);
        for (_, record) in &records {
            prop_assert!(before.iter().any(|(_, known)| known == record), "{:?}", record);
        }
        let skipped: u64 = damages.iter().map(|damage| damage.len).sum();
        let one = offsets[1] - offsets[0];
        let header = if damages.first().is_some_and(|damage| damage.offset == 0) || bytes.is_empty() { 0 } else { 4 };
        prop_assert_eq!(header + skipped + records.len() as u64 * one, bytes.len() as u64);
        prop_assert!(reader.good_end() <= bytes.len() as u64);
    }
}
