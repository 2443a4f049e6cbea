//! Logs, snapshots and state files of the forms `wal` and `json`.

use super::*;
use crate::formats::ccms::{WAL_HEADER, WalItem, WalReader};

const WAL: CheckpointFormat = CheckpointFormat::Wal;
const REFERENCE: [CheckpointFormat; 2] = [CheckpointFormat::Wal, CheckpointFormat::Json];

fn host_file(host: &str, name: &str) -> String {
    format!("alex/{host}/{name}")
}

/// Where each record begins, and where the last one ends.
fn bounds(log: &[u8]) -> Vec<usize> {
    let mut reader = WalReader::new(log);
    let mut bounds = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        if let WalItem::Record { offset, .. } = item {
            bounds.push(offset as usize);
        }
    }
    bounds.push(log.len());
    bounds
}

/// The ending of the snapshots of a form.
fn ending(format: CheckpointFormat) -> &'static str {
    if format == WAL { ".bin" } else { ".json" }
}

/// The snapshot of a host.
fn snapshot(files: &Files, host: &str, format: CheckpointFormat) -> PathBuf {
    let folder = Path::new("c/alex").join(host);
    let is_it = |path: &&PathBuf| path.starts_with(&folder) && path.to_str().unwrap().ends_with(ending(format));
    files.keys().find(is_it).unwrap().clone()
}

#[test]
fn a_flipped_byte_of_a_log_costs_its_own_record() {
    let (files, before) = logs(WAL);
    let path = file(&files, &host_file(&hosts()[0], "current.wal"));
    let sound = bytes(&files, &path);
    let bounds = bounds(sound);
    for (at, flipped) in flips(sound) {
        let start = Start::on(WAL, &with(&files, &path, &flipped));
        let lost = lost(&before, &start.content(), &at);
        let hit = bounds.iter().rposition(|begin| *begin <= at);
        assert_eq!(lost.len(), usize::from(hit.is_some()), "byte {at}: {lost:?}");
        let is_tail = hit == Some(bounds.len() - 2);
        assert_eq!(start.damages(), u64::from(!is_tail), "byte {at}");
        if at % 23 == 0 {
            works_on(WAL, &start, &at);
        }
    }
}

#[test]
fn a_log_cut_anywhere_keeps_its_whole_records() {
    let (files, before) = logs(WAL);
    let path = file(&files, &host_file(&hosts()[0], "current.wal"));
    let sound = bytes(&files, &path);
    let bounds = bounds(sound);
    for len in 0..=sound.len() {
        let start = Start::on(WAL, &with(&files, &path, &sound[..len]));
        let whole = bounds[1..].iter().filter(|end| **end <= len).count();
        let lost = lost(&before, &start.content(), &len);
        assert_eq!((lost.len(), start.damages()), (bounds.len() - 1 - whole, 0), "{len} bytes");
        let torn = if len < 4 { 0 } else { *bounds.iter().rfind(|begin| **begin <= len).unwrap_or(&4) };
        assert_eq!(bytes(&start.files(), &path).len(), torn, "{len} bytes: the tail is cut off");
        if len % 11 == 0 {
            start.write(&tick(&hosts()[0], 50));
            let content = start.content();
            let again = Start::on(WAL, &start.files());
            assert_eq!((again.content(), again.damages()), (content, 0), "{len} bytes");
        }
    }
}

#[test]
fn tails_of_zeros_and_garbage_are_cut_off() {
    let (files, before) = logs(WAL);
    let path = file(&files, &host_file(&hosts()[0], "current.wal"));
    for tail in [&[0; 4096][..], &[0xA1], &[0xFF; 300], b"\xA1\xA7\x1D\xCC\x40\0\0\0"] {
        let start = Start::on(WAL, &with(&files, &path, &[bytes(&files, &path), tail].concat()));
        assert_eq!((start.content(), start.damages()), (before.clone(), 0), "{tail:02X?}");
        assert_eq!(bytes(&start.files(), &path), bytes(&files, &path));
    }
}

#[test]
fn a_record_that_is_there_twice_changes_nothing() {
    let (files, before) = logs(WAL);
    let path = file(&files, &host_file(&hosts()[0], "current.wal"));
    let sound = bytes(&files, &path);
    for bounds in bounds(sound).windows(2) {
        let doubled = [&sound[..bounds[1]], &sound[bounds[0]..]].concat();
        let start = Start::on(WAL, &with(&files, &path, &doubled));
        assert_eq!((start.content(), start.damages()), (before.clone(), 0), "{bounds:?}");
    }
}

/// `.bin` and `.json` have no checksums. What is promised: no panic, no harm to other hosts, and whatever contradicts
/// the form is told and the file set aside. A value that was changed into another value cannot be told.
#[test]
fn a_flipped_byte_of_a_snapshot_stays_in_its_host() {
    for format in REFERENCE {
        let (files, before) = snapshots(format);
        let victim = &hosts()[1];
        let path = snapshot(&files, victim, format);
        let (mut told, mut silent) = (0, 0);
        for (at, flipped) in flips(bytes(&files, &path)) {
            let start = Start::on(format, &with(&files, &path, &flipped));
            let content = start.content();
            for other in hosts().iter().filter(|host| *host != victim) {
                assert_eq!(of_host(&content, other), of_host(&before, other), "{format:?} byte {at}");
            }
            if start.damages() > 0 {
                told += 1;
                let now = start.files();
                assert!(is_kept(&now, &flipped) && !now.contains_key(&path), "{format:?} byte {at}: set aside");
            } else {
                silent += 1;
            }
            if at % 29 == 0 {
                start.engine.checkpoint();
            }
        }
        assert!(told > 0 && silent > 0, "{format:?}: {told} told, {silent} not");
    }
}

/// The example of the one that can't be told: a bit of a float.
#[test]
fn a_flipped_value_of_a_snapshot_is_another_value() {
    let (files, before) = snapshots(WAL);
    let host = &hosts()[1];
    let path = snapshot(&files, host, WAL);
    let mut flipped = bytes(&files, &path).to_vec();
    let at = flipped.windows(4).position(|window| window == 1.5f32.to_le_bytes()).unwrap();
    flipped[at + 2] ^= 0x40;
    let start = Start::on(WAL, &with(&files, &path, &flipped));
    assert_eq!(start.damages(), 0);
    let content = start.content();
    assert_eq!(content.difference(&before).count(), 1);
}

#[test]
fn a_snapshot_cut_anywhere_is_told_and_kept() {
    for format in REFERENCE {
        let (files, before) = snapshots(format);
        let path = snapshot(&files, &hosts()[1], format);
        let sound = bytes(&files, &path);
        // The last byte of a JSON file is a line end, and one that is empty is what a crash of the reference leaves.
        for len in 1..sound.trim_ascii_end().len() {
            let start = Start::on(format, &with(&files, &path, &sound[..len]));
            let lost = lost(&before, &start.content(), &len);
            assert!(lost.iter().all(|value| value.0 == format!("alex/{}", hosts()[1])), "{format:?} {len} bytes");
            assert_eq!(start.damages(), 1, "{format:?} {len} bytes");
            assert!(is_kept(&start.files(), &sound[..len]), "{format:?} {len} bytes");
        }
    }
}

/// Two snapshots of the same host, and one that was doubled inside: later wins, or it is told.
#[test]
fn doubled_snapshots_are_read_or_told() {
    for format in REFERENCE {
        let (files, before) = snapshots(format);
        let path = snapshot(&files, &hosts()[1], format);
        let sound = bytes(&files, &path).to_vec();
        let twice = with(&files, &path.with_file_name(format!("5{}", ending(format))), &sound);
        let start = Start::on(format, &twice);
        assert_eq!((start.content(), start.damages()), (before.clone(), 0));
        works_on(format, &start, &"twice");
        let start = Start::on(format, &with(&files, &path, &[&sound[..], &sound].concat()));
        assert_eq!((start.content(), start.damages()), (before, 1), "the second one is behind the end of the tree");
    }
}

#[test]
fn a_damaged_state_file_costs_no_value() {
    let (files, before) = snapshots(WAL);
    let path = file(&files, &format!(".treering/state/alex/{}", hosts()[0]));
    let sound = bytes(&files, &path);
    let cut = (0..sound.len()).map(|len| (len, sound[..len].to_vec()));
    for (at, damaged) in flips(sound).chain(cut) {
        let start = Start::on(WAL, &with(&files, &path, &damaged));
        assert_eq!((start.content(), start.damages()), (before.clone(), 1), "byte {at}");
        assert!(is_kept(&start.files(), &damaged), "byte {at}");
        if at % 29 == 0 {
            works_on(WAL, &start, &at);
        }
    }
}

/// A state file of a newer version was ignored: what had been freed came back, and the next checkpoint wrote over it.
#[test]
fn a_newer_state_file_is_refused_and_left_alone() {
    let (files, _) = snapshots(WAL);
    let path = file(&files, &format!(".treering/state/alex/{}", hosts()[0]));
    let mut newer = bytes(&files, &path).to_vec();
    let crc_at = newer.len() - 4;
    newer[4] = 2;
    let crc = crc32fast::hash(&newer[..crc_at]).to_le_bytes();
    newer[crc_at..].copy_from_slice(&crc);
    for format in FORMS {
        let files = with(&files, &path, &newer);
        let error = Start::with(format, disk_with(&files)).err().unwrap();
        assert!(matches!(&error, OpenError::Newer { path: found, .. } if *found == path), "{error}");
    }
}

/// The horizons of another host would hide what was never freed.
#[test]
fn a_state_file_of_another_host_is_left_out() {
    let (files, _) = snapshots(WAL);
    let start = Start::on(WAL, &files);
    let [freed, victim, _] = hosts();
    start.engine.free(&[vec!["alex".to_owned(), freed.clone()]], T0 + 120).unwrap();
    start.checkpoint();
    let (files, before) = (start.files(), start.content());
    let state = bytes(&files, &file(&files, &format!(".treering/state/alex/{freed}"))).to_vec();
    let start = Start::on(WAL, &with(&files, &file(&files, &format!(".treering/state/alex/{victim}")), &state));
    assert_eq!((start.content(), start.damages()), (before, 1));
}

/// A log of a later cc-metric-store, or of something else: it was cut down to nothing.
#[test]
fn files_of_other_programs_are_set_aside() {
    let (files, before) = snapshots(WAL);
    let [host, ..] = hosts();
    let folder = Path::new("c/alex").join(&host);
    let newer_log = [&0xCC1D_A702_u32.to_le_bytes()[..], b"records of another form"].concat();
    let newer_bin = [&0xCC5B_0002_u32.to_le_bytes()[..], &[7; 40]].concat();
    for (name, content) in [
        ("current.wal", &newer_log[..]),
        ("current.wal", b"PAR1 and so on"),
        ("5.bin", &newer_bin),
        ("5.bin", &WAL_HEADER),
        ("5.json", b"not JSON"),
        ("5.json", b"{\"metrics\":{\"load\":7}}"),
    ] {
        let start = Start::on(WAL, &with(&files, &folder.join(name), content));
        assert_eq!((start.content(), start.damages()), (before.clone(), 1), "{name}");
        works_on(WAL, &start, &name);
        assert!(is_kept(&start.files(), content), "{name} was deleted");
    }
    // Neither told nor lost: names that nobody uses, and what a crash of the reference leaves.
    for (name, content) in [("notes.txt", &b"hello"[..]), ("5.bin", b""), ("current.wal", b"")] {
        let start = Start::on(WAL, &with(&files, &folder.join(name), content));
        assert_eq!((start.content(), start.damages()), (before.clone(), 0), "{name}");
        works_on(WAL, &start, &name);
    }
}
