//! Things in the wrong places: folders where files are expected, files where folders are, what can't be read.

use super::*;

/// The folder of the shard that all hosts are in.
fn shard_folder() -> PathBuf {
    PathBuf::from(format!("c/.treering/shard-{:02}", shard_of("alex", "a0")))
}

#[test]
fn folders_where_files_are_expected_stop_nothing() {
    for format in FORMS {
        let (files, before) = snapshots(format);
        let host = &hosts()[0];
        for (name, told) in [("current.wal", 1), ("5.bin", 0), ("5.json", 0), ("more", 0)] {
            let mut files = files.clone();
            let folder = Path::new("c/alex").join(host);
            for path in [PathBuf::from("c/alex"), folder.clone(), folder.join(name)] {
                files.insert(path, None);
            }
            let start = Start::on(format, &files);
            assert_eq!((start.content(), start.damages()), (before.clone(), told), "{format:?} {name}");
            // The host still takes samples.
            start.write(&tick(host, 60));
            works_on(format, &start, &name);
        }
    }
    let (files, before) = snapshots(CheckpointFormat::Native);
    for (name, told) in [("0000000000000900.log", 1), ("0000000000000900.snapshot", 1), ("notes.tmp", 0)] {
        let mut files = files.clone();
        files.insert(shard_folder().join(name), None);
        let start = Start::on(CheckpointFormat::Native, &files);
        assert_eq!((start.content(), start.damages()), (before.clone(), told), "{name}");
        works_on(CheckpointFormat::Native, &start, &name);
    }
    let (mut files, before) = snapshots(CheckpointFormat::Wal);
    files.insert(file(&files, &format!(".treering/state/alex/{}", hosts()[0])), None);
    let start = Start::on(CheckpointFormat::Wal, &files);
    assert_eq!((start.content(), start.damages()), (before, 1));
    works_on(CheckpointFormat::Wal, &start, &"state");
}

#[test]
fn files_where_folders_are_expected_stop_nothing() {
    for format in FORMS {
        let (files, before) = snapshots(format);
        for name in ["c/notes", "c/alex.tar"] {
            let start = Start::on(format, &with(&files, Path::new(name), b"hello"));
            assert_eq!((start.content(), start.damages()), (before.clone(), 1), "{format:?} {name}");
            start.checkpoint();
            assert!(is_kept(&start.files(), b"hello"));
        }
        let mut files = files.clone();
        files.insert("c/alex".into(), None);
        let start = Start::on(format, &with(&files, Path::new("c/alex/notes"), b"hello"));
        assert_eq!((start.content(), start.damages()), (before.clone(), 1), "{format:?}");
        start.checkpoint();
        assert!(is_kept(&start.files(), b"hello"));
    }
    // A file in the place of a shard's folder.
    let (mut files, _) = snapshots(CheckpointFormat::Native);
    let folder = shard_folder();
    files.retain(|path, _| !path.starts_with(&folder));
    let start = Start::on(CheckpointFormat::Native, &with(&files, &folder, b"hello"));
    assert_eq!(start.damages(), 1);
    start.write(&tick(&hosts()[0], 0));
    works_on(CheckpointFormat::Native, &start, &"a file in place of a shard");
    assert!(is_kept(&start.files(), b"hello"));
}

/// A file that can't be read is no empty one: no checkpoint may delete it, and nothing is appended to it.
#[test]
fn what_cannot_be_read_is_kept() {
    for format in FORMS {
        for (files, before) in [logs(format), snapshots(format)] {
            for (path, content) in files.iter().filter_map(|(path, bytes)| Some((path, bytes.as_ref()?))) {
                let start = Start::with(format, disk_with_unreadable(&files, path)).unwrap();
                lost(&before, &start.content(), path);
                assert!(start.damages() > 0, "{format:?}: {} is silent", path.display());
                start.disk.heal();
                start.write(&tick(&hosts()[0], 60));
                start.checkpoint();
                assert!(is_kept(&start.files(), content), "{format:?}: {} is gone", path.display());
            }
        }
    }
}

/// Once the folder could be listed again, a checkpoint removed what lay in it as covered.
#[test]
fn folders_that_cannot_be_listed_are_kept() {
    for format in FORMS {
        let (files, before) = snapshots(format);
        let folders: Vec<PathBuf> = match format {
            CheckpointFormat::Native => vec![shard_folder()],
            _ => vec!["c/alex".into(), Path::new("c/alex").join(&hosts()[0])],
        };
        for folder in folders {
            let start = Start::with(format, disk_with_unreadable(&files, &folder)).unwrap();
            lost(&before, &start.content(), &folder);
            assert_eq!(start.damages(), 1, "{format:?} {}", folder.display());
            let others = if folder.ends_with(&hosts()[0]) { 2 } else { 0 };
            assert_eq!(start.content().len() * 3, others * before.len(), "{format:?} {}", folder.display());
            for (path, content) in files.iter().filter(|(path, _)| path.starts_with(&folder)) {
                let Some(content) = content else { continue };
                assert!(is_kept(&start.files(), content), "{format:?}: {} is gone", path.display());
            }
        }
    }
}

/// What was set aside before stays, when a file of the same name is bad again.
#[test]
fn nothing_set_aside_is_written_over() {
    let (files, _) = snapshots(CheckpointFormat::Native);
    let path = file(&files, ".snapshot");
    let aside = PathBuf::from(format!("{}.corrupt", path.display()));
    let files = with(&with(&files, &path, b"bad again"), &aside, b"bad before");
    let start = Start::on(CheckpointFormat::Native, &files);
    let files = start.files();
    assert_eq!(bytes(&files, &aside), b"bad before");
    assert_eq!(bytes(&files, Path::new(&format!("{}.2", aside.display()))), b"bad again");
}

/// A segment of somebody else was taken for one whose first record was torn, and the next checkpoint removed it.
#[test]
fn a_log_that_is_none_is_kept() {
    let (files, before) = logs(CheckpointFormat::Native);
    let path = shard_folder().join("0000000000000900.log");
    let letter = b"Dear administrator, this is no log segment, whatever its name says.";
    let start = Start::on(CheckpointFormat::Native, &with(&files, &path, letter));
    assert_eq!((start.content(), start.damages()), (before, 1));
    works_on(CheckpointFormat::Native, &start, &"a letter");
    assert!(is_kept(&start.files(), letter));
}
