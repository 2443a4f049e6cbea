//! Log segments and snapshots of the native form.

use super::*;
use crate::formats::native::{Entry, FILE_HEADER_BYTES, FILE_VERSION, SegmentReader};

const NATIVE: CheckpointFormat = CheckpointFormat::Native;

/// Where each record begins, and where the last one ends.
fn bounds(segment: &[u8]) -> Vec<usize> {
    let records = SegmentReader::open(segment).unwrap().filter_map(|entry| match entry {
        Entry::Record { offset, .. } => Some(offset as usize),
        _ => None,
    });
    records.chain([segment.len()]).collect()
}

/// The content of a log's first records, each of which is a tick of a host.
fn first(records: usize) -> Content {
    let start = Start::on(NATIVE, &Files::default());
    let ticks = (0..TICKS).flat_map(|at| hosts().map(|host| tick(&host, at)));
    ticks.take(records).for_each(|lines| start.write(&lines));
    start.content()
}

/// Names stood in a host's first record of a segment only: its damage cost all records of the host behind it.
#[test]
fn a_flipped_byte_of_a_log_costs_its_own_record() {
    let (files, before) = logs(NATIVE);
    let path = file(&files, ".log");
    let sound = bytes(&files, &path);
    let bounds = bounds(sound);
    for (at, flipped) in flips(sound) {
        let start = Start::on(NATIVE, &with(&files, &path, &flipped));
        let lost = lost(&before, &start.content(), &at);
        let hit = bounds.iter().rposition(|begin| *begin <= at);
        assert_eq!(lost.len(), if hit.is_some() { 2 } else { 0 }, "byte {at}: {lost:?}");
        // The last record may have been torn by a crash, and that is normal.
        let is_tail = hit == Some(bounds.len() - 2);
        assert_eq!(start.damages(), u64::from(!is_tail), "byte {at}");
        if at % 23 == 0 {
            works_on(NATIVE, &start, &at);
        }
    }
}

#[test]
fn a_flipped_byte_of_a_snapshot_costs_its_own_host() {
    let (files, before) = snapshots(NATIVE);
    let path = file(&files, ".snapshot");
    for (at, flipped) in flips(bytes(&files, &path)) {
        let start = Start::on(NATIVE, &with(&files, &path, &flipped));
        let content = start.content();
        lost(&before, &content, &at);
        let whole = hosts().iter().filter(|host| of_host(&before, host) == of_host(&content, host)).count();
        assert!(whole >= 2, "byte {at}: {whole} of 3 hosts are whole");
        assert!(at >= FILE_HEADER_BYTES || whole == 3, "byte {at} is none of a host");
        assert!(start.damages() > 0, "byte {at}: silence");
        assert!(is_kept(&start.files(), &flipped) && !start.files().contains_key(&path), "byte {at}: set aside");
        if at % 23 == 0 {
            works_on(NATIVE, &start, &at);
            assert!(is_kept(&start.files(), &flipped), "byte {at}: a checkpoint deleted it");
        }
    }
}

#[test]
fn a_log_cut_anywhere_keeps_its_whole_records() {
    let (files, _) = logs(NATIVE);
    let path = file(&files, ".log");
    let sound = bytes(&files, &path);
    let bounds = bounds(sound);
    let prefixes: Vec<Content> = (0..bounds.len()).map(first).collect();
    for len in 0..=sound.len() {
        let start = Start::on(NATIVE, &with(&files, &path, &sound[..len]));
        let whole = bounds[1..].iter().filter(|end| **end <= len).count();
        assert_eq!((start.content(), start.damages()), (prefixes[whole].clone(), 0), "{len} bytes");
        if len % 11 == 0 {
            // What comes next must not land behind the torn record, where nobody would find it.
            start.write(&tick(&hosts()[0], 50));
            let content = start.content();
            let again = Start::on(NATIVE, &start.files());
            assert_eq!((again.content(), again.damages()), (content, 0), "{len} bytes");
        }
    }
}

#[test]
fn a_snapshot_cut_anywhere_keeps_its_whole_hosts() {
    let (files, before) = snapshots(NATIVE);
    let path = file(&files, ".snapshot");
    let sound = bytes(&files, &path);
    let mut most = 0;
    for len in 0..sound.len() {
        let start = Start::on(NATIVE, &with(&files, &path, &sound[..len]));
        let content = start.content();
        lost(&before, &content, &len);
        let whole = hosts().iter().filter(|host| of_host(&before, host) == of_host(&content, host)).count();
        assert_eq!(content.len() * 3, whole * before.len(), "{len} bytes: no half host");
        assert!(whole >= most, "{len} bytes: {whole} hosts, {most} with fewer bytes");
        most = whole;
        assert!(start.damages() > 0 && is_kept(&start.files(), &sound[..len]), "{len} bytes");
    }
    assert_eq!(most, 3, "only the trailer is missing");
}

#[test]
fn tails_of_zeros_and_garbage_are_left_out() {
    let (files, before) = logs(NATIVE);
    let path = file(&files, ".log");
    for tail in [&[0; 4096][..], &[0xA7], &[0xFF; 300], b"\xA7Tr\0\0\0\0\0"] {
        let start = Start::on(NATIVE, &with(&files, &path, &[bytes(&files, &path), tail].concat()));
        assert_eq!((start.content(), start.damages()), (before.clone(), 0), "{tail:02X?}");
        works_on(NATIVE, &start, &tail);
    }
}

#[test]
fn a_record_that_is_there_twice_changes_nothing() {
    let (files, before) = logs(NATIVE);
    let path = file(&files, ".log");
    let sound = bytes(&files, &path);
    for bounds in bounds(sound).windows(2) {
        let doubled = [&sound[..bounds[1]], &sound[bounds[0]..]].concat();
        let start = Start::on(NATIVE, &with(&files, &path, &doubled));
        assert_eq!((start.content(), start.damages()), (before.clone(), 0), "{bounds:?}");
    }
}

/// The number of a file decides what is replayed behind what, and what a snapshot covers: believing names, a copy
/// brought old values back over new ones, or hid the segments between.
#[test]
fn copies_under_other_names_bring_nothing_old_back() {
    let host = &hosts()[0];
    let start = Start::on(NATIVE, &Files::default());
    start.write(&tick(host, 0));
    let old_log = start.files();
    let log = file(&old_log, ".log");
    start.checkpoint();
    let old_snapshot = start.files();
    let snapshot = file(&old_snapshot, ".snapshot");
    start.write(&tick(host, 0).replace("0.5", "7.5"));
    let (files, before) = (start.files(), start.content());
    let (now, was) = (file(&files, ".log"), |files: &Files, path: &Path| bytes(files, path).to_vec());
    let other_shard = log.parent().unwrap().with_file_name("shard-00");
    assert_ne!(log.parent(), Some(&*other_shard), "choose another shard");
    let name = |number: u64, ending: &str| log.with_file_name(format!("{number:016}.{ending}"));
    for (copy, to) in [
        // The newest segment twice: replayed once.
        (was(&files, &now), name(900, "log")),
        // A segment that the snapshot covers, under a number behind everything.
        (was(&old_log, &log), name(900, "log")),
        // The snapshot under a number that would cover the newest segment.
        (was(&old_snapshot, &snapshot), name(900, "snapshot")),
        // Everything in the folder of another shard, which is read at the same time.
        (was(&old_log, &log), other_shard.join(log.file_name().unwrap())),
        (was(&old_snapshot, &snapshot), other_shard.join(snapshot.file_name().unwrap())),
        // One kind under the name of the other.
        (was(&old_log, &log), name(900, "snapshot")),
        (was(&old_snapshot, &snapshot), name(900, "log")),
    ] {
        let mut files = with(&files, &to, &copy);
        files.insert(other_shard.clone(), None);
        let start = Start::on(NATIVE, &files);
        assert_eq!(start.content(), before, "{}", to.display());
        assert!(start.damages() > 0 && is_kept(&start.files(), &copy), "{}", to.display());
        works_on(NATIVE, &start, &to);
    }
}

/// A file that was only renamed still counts, in its place.
#[test]
fn renamed_files_count_by_their_headers() {
    let (files, before) = logs(NATIVE);
    for number in [0, 77] {
        let mut files = files.clone();
        let path = file(&files, ".log");
        let content = files.remove(&path).unwrap();
        files.insert(path.with_file_name(format!("{number:016}.log")), content);
        let start = Start::on(NATIVE, &files);
        assert_eq!(start.content(), before);
        assert_eq!(start.damages(), 1);
        works_on(NATIVE, &start, &number);
    }
}

/// Sections and records of hosts of another shard, whose file has lost its header: nobody knows how old they are.
#[test]
fn hosts_of_another_shard_are_left_out() {
    for (files, before) in [logs(NATIVE), snapshots(NATIVE)] {
        let (path, content) = files
            .iter()
            .find(|(path, _)| [".log", ".snapshot"].iter().any(|end| path.to_str().unwrap().ends_with(end)))
            .map(|(path, content)| (path.clone(), content.clone().unwrap()))
            .unwrap();
        let mut headless = content;
        headless[20] ^= 1;
        let other = path.parent().unwrap().with_file_name("shard-00").join(path.file_name().unwrap());
        let mut moved = with(&files, &other, &headless);
        moved.remove(&path);
        moved.insert(other.parent().unwrap().to_owned(), None);
        let start = Start::on(NATIVE, &moved);
        assert!(start.content().is_empty() && start.damages() > 0, "{}", other.display());
        // Beside the right ones they change nothing.
        moved.insert(path, files.values().flatten().find(|bytes| bytes.len() == headless.len()).cloned());
        assert_eq!(Start::on(NATIVE, &moved).content(), before);
    }
}

/// Damage in the records that a log repeats its names in: what is repeated once more saves the rest.
#[test]
fn names_survive_the_loss_of_two_neighbours() {
    let start = Start::on(NATIVE, &Files::default());
    let host = &hosts()[0];
    (0..40).for_each(|at| start.write(&tick(host, at)));
    let (files, before) = (start.files(), start.content());
    let path = file(&files, ".log");
    let bounds = bounds(bytes(&files, &path));
    let mut hit = bytes(&files, &path).to_vec();
    hit[bounds[0]..bounds[2]].fill(0);
    let start = Start::on(NATIVE, &with(&files, &path, &hit));
    let lost = lost(&before, &start.content(), &"two records");
    assert_eq!(lost.len(), 4, "{lost:?}");
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    for (files, ending) in [(logs(NATIVE).0, ".log"), (snapshots(NATIVE).0, ".snapshot")] {
        let path = file(&files, ending);
        let mut newer = bytes(&files, &path).to_vec();
        newer[8] = FILE_VERSION as u8 + 1;
        let damaged = with(&files, &path, &newer);
        assert!(Start::with(NATIVE, disk_with(&damaged)).is_ok(), "a flipped bit is no newer version");
        let crc = crc32fast::hash(&newer[..FILE_HEADER_BYTES - 4]).to_le_bytes();
        newer[FILE_HEADER_BYTES - 4..FILE_HEADER_BYTES].copy_from_slice(&crc);
        let newer = with(&files, &path, &newer);
        let error = Start::with(NATIVE, disk_with(&newer)).err().unwrap();
        assert!(matches!(&error, OpenError::Newer { path: found, .. } if *found == path), "{error}");
    }
}
