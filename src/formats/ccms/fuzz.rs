//! What must hold for any bytes whatsoever, for fuzzers and the test that replays what they found.
//!
//! What is read is written again and read once more: it must be the same.

use super::error::CcmsError;
use super::tree::{Head, Level, Span, Visitor};
use super::wal::{RECORD_MAGIC, encode};
use super::{WAL_HEADER, WalItem, WalReader, read_bin, read_json, read_state, write_bin, write_json, write_state};

/// Reads `data` as a `current.wal`, and as the payload of one record in it.
pub fn fuzz_wal(data: &[u8]) {
    read_wal(data);
    let mut framed = [&WAL_HEADER[..], &RECORD_MAGIC, &(data.len() as u32).to_le_bytes(), data].concat();
    framed.extend_from_slice(&crc32fast::hash(data).to_le_bytes());
    read_wal(&framed);
}

fn read_wal(bytes: &[u8]) {
    let mut reader = WalReader::new(bytes);
    let mut again = WAL_HEADER.to_vec();
    let mut records = Vec::new();
    let mut has_tail = false;
    let mut skipped = 0;
    while let Ok(Some(item)) = reader.next_item() {
        assert!(!has_tail);
        match item {
            WalItem::Record { record, .. } => {
                let selector: Vec<&str> = record.selector.iter().map(String::as_str).collect();
                // A name that was no UTF-8 can be too long for the format by now.
                if encode(&mut again, record.secs, &record.metric, &selector, record.value).is_ok() {
                    records.push(record.clone());
                }
            }
            WalItem::Damage(damage) => skipped += damage.len,
            WalItem::Tail(damage) => {
                assert_eq!(damage.offset + damage.len, bytes.len() as u64);
                skipped += damage.len;
                has_tail = true;
            }
        }
    }
    assert!(skipped <= bytes.len() as u64 && reader.good_end() <= bytes.len() as u64);
    let mut reader = WalReader::new(again.as_slice());
    for expected in &records {
        let item = reader.next_item();
        let same = matches!(&item, Ok(Some(WalItem::Record { record, .. }))
            if (record.secs, &record.metric, &record.selector, record.value.to_bits())
                == (expected.secs, &expected.metric, &expected.selector, expected.value.to_bits()));
        assert!(same, "{item:?} {expected:?}");
    }
    assert!(matches!(reader.next_item(), Ok(None)));
}

/// Reads `data` as a `<from>.bin`.
pub fn fuzz_bin(data: &[u8]) {
    let mut tree = Tree::default();
    let Ok(span) = read_bin(data, data.len() as u64, &mut tree) else { return };
    assert!(tree.slots() * 4 <= data.len(), "more slots than the file can hold");
    let mut bytes = Vec::new();
    // Names that were no UTF-8 may have become too long.
    if write_bin(&mut bytes, span, &tree).is_ok() {
        let mut again = Tree::default();
        let read = read_bin(bytes.as_slice(), bytes.len() as u64, &mut again);
        assert_same((span, &tree), (&read, &again));
    }
}

/// Reads `data` as a `<from>.json`.
pub fn fuzz_json(data: &[u8]) {
    let mut tree = Tree::default();
    let Ok(span) = read_json(data, &mut tree) else { return };
    let mut bytes = Vec::new();
    let written = write_json(&mut bytes, span, &tree);
    assert!(written.is_ok(), "{written:?}");
    let mut again = Tree::default();
    let read = read_json(bytes.as_slice(), &mut again);
    assert_same((span, &tree), (&read, &again));
}

fn assert_same(before: (Span, &Tree), after: (&Result<Span, CcmsError>, &Tree)) {
    assert!(matches!(after.0, Ok(span) if *span == before.0), "{:?}", after.0);
    assert_eq!(before.1, after.1);
}

/// Reads `data` as a state file, and as the content of a sound one.
pub fn fuzz_state(data: &[u8]) {
    let read = |bytes: &[u8]| read_state(bytes, bytes.len() as u64);
    let mut sound = [&super::state::MAGIC[..], &1u32.to_le_bytes(), data].concat();
    sound.extend_from_slice(&crc32fast::hash(&sound).to_le_bytes());
    for bytes in [data, &sound] {
        let Ok(image) = read(bytes) else { continue };
        let mut again = Vec::new();
        let written = write_state(&mut again, &image);
        assert!(written.is_ok(), "{written:?}");
        assert!(matches!(read(&again), Ok(read) if read == image), "{image:?}");
    }
}

/// A file's tree in memory. Values lie there as their bits, for a slot without one is a NaN.
#[derive(Debug, Default, PartialEq)]
struct Tree {
    series: Vec<(String, u32, i64, Vec<u64>)>,
    below: Vec<(String, Tree)>,
    /// How many levels below this one are being read.
    open: usize,
}

impl Tree {
    fn slots(&self) -> usize {
        let own: usize = self.series.iter().map(|series| series.3.len()).sum();
        own + self.below.iter().map(|(_, tree)| tree.slots()).sum::<usize>()
    }

    fn current(&mut self) -> &mut Tree {
        let depth = self.open;
        (0..depth).fold(self, |tree, _| {
            let last = tree.below.len() - 1;
            &mut tree.below[last].1
        })
    }
}

impl Visitor for Tree {
    fn enter(&mut self, name: &str) {
        self.current().below.push((name.to_owned(), Tree::default()));
        self.open += 1;
    }

    fn series(&mut self, name: &str, frequency_secs: u32, start_secs: i64, slots: &[f64]) {
        let bits = slots.iter().map(|slot| slot.to_bits());
        let level = self.current();
        // A further piece of the same series.
        if let Some((last, frequency, start, before)) = level.series.last_mut()
            && (&**last, *frequency) == (name, frequency_secs)
            && !before.is_empty()
            && *start + i64::from(frequency_secs) * before.len() as i64 == start_secs
        {
            before.extend(bits);
            return;
        }
        level.series.push((name.to_owned(), frequency_secs, start_secs, bits.collect()));
    }

    fn leave(&mut self) {
        self.open -= 1;
    }
}

impl Level for Tree {
    fn metrics(&self) -> usize {
        self.series.len()
    }

    fn metric<'a>(&'a self, index: usize, slots: &mut Vec<f64>) -> Head<'a> {
        let (name, frequency_secs, start_secs, bits) = &self.series[index];
        slots.extend(bits.iter().map(|bits| f64::from_bits(*bits)));
        Head { name, frequency_secs: *frequency_secs, start_secs: *start_secs }
    }

    fn children(&self) -> usize {
        self.below.len()
    }

    fn child(&self, index: usize) -> (&str, &dyn Level) {
        let (name, tree) = &self.below[index];
        (name, tree)
    }
}
