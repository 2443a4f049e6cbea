//! The disk's own promises: each test says what a real one does.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use nix::errno::Errno;

use super::*;
use crate::disk::{Disk, DiskFile};

fn put(disk: &FaultyDisk, path: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
    let mut file = disk.create(Path::new(path)).unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn read(disk: &FaultyDisk, path: &str) -> Option<Vec<u8>> {
    disk.read(Path::new(path)).ok()
}

/// What many power failures after the same work leave of a path.
fn survivors(path: &str, work: impl Fn(&FaultyDisk)) -> BTreeSet<Option<Vec<u8>>> {
    let after = |seed| {
        let disk = FaultyDisk::new(seed);
        disk.create_dir_all(Path::new("/d")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        work(&disk);
        disk.crash_power();
        read(&disk, path)
    };
    (0..200).map(after).collect()
}

#[test]
fn a_killed_process_loses_nothing_and_closes_its_files() {
    let disk = FaultyDisk::new(1);
    let mut file = put(&disk, "/a", b"one");
    disk.crash_process();
    assert_eq!(read(&disk, "/a").unwrap(), b"one");
    assert_eq!(file.write(b"x").unwrap_err().raw_os_error(), Some(Errno::EBADF as i32));
    assert_eq!(read(&disk, "/a").unwrap(), b"one");
}

#[test]
fn what_was_synced_survives_and_the_rest_may() {
    let all = survivors("/d/a", |disk| {
        let mut file = put(disk, "/d/a", b"one");
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_all(b"two").unwrap();
    });
    assert!(all.contains(&Some(b"one".to_vec())) && all.contains(&Some(b"onetwo".to_vec())), "{all:?}");
    assert!(all.contains(&Some(b"onet".to_vec())), "torn at any byte: {all:?}");
    assert!(all.iter().all(|found| found.as_ref().is_some_and(|bytes| bytes.starts_with(b"one"))), "{all:?}");
}

#[test]
fn sectors_survive_in_any_order() {
    let all = survivors("/d/a", |disk| {
        let file = put(disk, "/d/a", &[1; 1024]);
        disk.sync_dir(Path::new("/d")).unwrap();
        drop(file);
    });
    let hole: Vec<u8> = [[0; 512], [1; 512]].concat();
    assert!(all.contains(&Some(hole)), "the second sector without the first");
}

#[test]
fn a_name_needs_a_sync_of_its_folder() {
    let synced_file = |disk: &FaultyDisk| put(disk, "/d/a", b"one").sync_data().unwrap();
    let all = survivors("/d/a", synced_file);
    assert_eq!(all, BTreeSet::from([None, Some(b"one".to_vec())]));
    let all = survivors("/d/a", |disk| {
        synced_file(disk);
        disk.sync_dir(Path::new("/d")).unwrap();
        disk.remove(Path::new("/d/a")).unwrap();
    });
    assert_eq!(all, BTreeSet::from([None, Some(b"one".to_vec())]), "nor is a removal durable without it");
    let all = survivors("/d/e/a", |disk| {
        disk.create_dir_all(Path::new("/d/e")).unwrap();
        put(disk, "/d/e/a", b"one").sync_data().unwrap();
        disk.sync_dir(Path::new("/d/e")).unwrap();
    });
    assert_eq!(all, BTreeSet::from([None, Some(b"one".to_vec())]), "a new folder has a name too");
}

#[test]
fn a_replaced_file_is_the_old_or_the_new_one() {
    let replace = |disk: &FaultyDisk, bytes: &'static [u8]| {
        disk.replace(Path::new("/d/a"), &mut |out| out.write_all(bytes)).unwrap();
    };
    let all = survivors("/d/a", |disk| {
        replace(disk, b"old");
        replace(disk, b"new");
    });
    assert_eq!(all, BTreeSet::from([Some(b"new".to_vec())]));
    let all = survivors("/d/a", |disk| {
        replace(disk, b"old");
        disk.fail(0, Lasts::Once, Errno::EIO, |operation, _| operation == Operation::SyncDir);
        assert!(disk.replace(Path::new("/d/a"), &mut |out| out.write_all(b"new")).is_err());
    });
    assert_eq!(all, BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]));
}

#[test]
fn no_file_takes_the_place_of_a_folder() {
    let disk = FaultyDisk::new(1);
    disk.create_dir_all(Path::new("/d/e")).unwrap();
    drop(put(&disk, "/a", b"one"));
    for (from, to, errno) in
        [("/a", "/d/e", Errno::EISDIR), ("/d/e", "/a", Errno::ENOTDIR), ("/d/e", "/d", Errno::ENOTEMPTY)]
    {
        let error = disk.rename(Path::new(from), Path::new(to)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno as i32), "{from} to {to}");
    }
    assert_eq!(read(&disk, "/a").unwrap(), b"one");
}

#[test]
fn a_disk_of_files_holds_them_durably() {
    let files = Files::from([("d".into(), None), ("d/a".into(), Some(b"one".to_vec())), ("e/f".into(), None)]);
    let disk = FaultyDisk::of(&files, 1).unwrap();
    disk.crash_power();
    let mut found = disk.files();
    assert_eq!(found.remove(Path::new("e")), Some(None), "the folder above one that is named");
    assert_eq!(found, files);
    let error = FaultyDisk::of(&Files::from([("a".into(), Some(vec![])), ("a/b".into(), None)]), 1).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::ENOTDIR as i32));
}

#[test]
fn everything_is_synced_at_once() {
    let all = survivors("/d/e/a", |disk| {
        disk.create_dir_all(Path::new("/d/e")).unwrap();
        drop(put(disk, "/d/e/a", b"one"));
        disk.sync_all(Path::new("/d")).unwrap();
    });
    assert_eq!(all, BTreeSet::from([Some(b"one".to_vec())]));
}

#[test]
fn a_failed_flush_loses_what_was_dirty_for_good() {
    let all = survivors("/d/a", |disk| {
        let mut file = put(disk, "/d/a", b"");
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_all(b"one").unwrap();
        disk.fail(0, Lasts::Once, Errno::EIO, |operation, _| operation == Operation::SyncData);
        assert!(file.sync_data().is_err());
        assert_eq!(read(disk, "/d/a").unwrap(), b"one", "readers still see it");
        file.write_all(b"two").unwrap();
        file.sync_data().unwrap();
    });
    assert_eq!(all, BTreeSet::from([Some(b"\0\0\0two".to_vec()), Some(b"onetwo".to_vec())]));
}

#[test]
fn a_full_disk_takes_a_part_and_heals() {
    let disk = FaultyDisk::new(1);
    let mut file = put(&disk, "/a", b"one");
    disk.run_full(2);
    let error = file.write_all(b"two").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::ENOSPC as i32));
    assert_eq!(read(&disk, "/a").unwrap(), b"onetw");
    file.truncate(3).unwrap();
    disk.heal();
    file.write_all(b"two").unwrap();
    assert_eq!(read(&disk, "/a").unwrap(), b"onetwo");
    assert_eq!(disk.used_bytes(), 6);
}

#[test]
fn a_read_only_disk_and_a_folder_taken_away() {
    let disk = FaultyDisk::new(1);
    disk.create_dir_all(Path::new("/d")).unwrap();
    let mut file = put(&disk, "/d/a", b"one");
    disk.set_read_only();
    assert_eq!(file.write(b"x").unwrap_err().raw_os_error(), Some(Errno::EROFS as i32));
    assert_eq!(disk.create(Path::new("/b")).err().unwrap().raw_os_error(), Some(Errno::EROFS as i32));
    assert_eq!(read(&disk, "/d/a").unwrap(), b"one");
    disk.heal();
    disk.take_away(Path::new("/d"));
    assert!(read(&disk, "/d/a").is_none() && disk.list(Path::new("/d")).is_err() && file.write(b"x").is_err());
    put(&disk, "/b", b"other folders are well");
    disk.heal();
    assert!(read(&disk, "/d/a").is_some());
}

#[test]
fn faults_come_when_they_are_due() {
    let disk = FaultyDisk::new(1);
    disk.fail(1, Lasts::Once, Errno::EIO, |operation, path| operation == Operation::Create && path.ends_with("b"));
    put(&disk, "/b", b"");
    put(&disk, "/a", b"");
    assert!(disk.create(Path::new("/b")).is_err());
    put(&disk, "/b", b"");
    disk.fail(0, Lasts::UntilHealed, Errno::EIO, |operation, _| operation == Operation::Create);
    assert!(disk.create(Path::new("/b")).is_err() && disk.create(Path::new("/b")).is_err());
    disk.heal();
    disk.halt_after(1);
    put(&disk, "/b", b"");
    assert!(!disk.is_halted());
    assert!(disk.rename(Path::new("/b"), Path::new("/c")).is_err() && disk.is_halted());
    assert!(disk.read(Path::new("/b")).is_err(), "nothing works any more");
    disk.crash_process();
    assert_eq!(read(&disk, "/b").unwrap(), b"");
}

#[test]
fn bits_rot_on_request() {
    let disk = FaultyDisk::new(1);
    put(&disk, "/a", b"one");
    assert!(disk.rot(Path::new("/a"), 1, 1) && !disk.rot(Path::new("/a"), 3, 1));
    assert_eq!(read(&disk, "/a").unwrap(), b"ooe");
}
