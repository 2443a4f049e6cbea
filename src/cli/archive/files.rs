//! The files of an archive: where they lie, which one is later, which may hold rows of a time.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, Entry, SystemDisk};
use crate::formats::ccms::name_of_directory;

use super::error::ExportError;

/// The ending of the archive's files.
const ENDING: &str = ".parquet";
/// The ending of files of series with labels of their own, which have other columns.
const SAMPLES_ENDING: &str = ".samples.parquet";
/// The beginning of the names of a day's folder.
const DAY: &str = "date=";

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// The cluster by the name of its folder; `None` for a file that lies in the archive itself.
    pub(super) cluster: Option<String>,
}

/// The place of a file among others: later ones count more. Names of numbers, as an archive has them, go by the number,
/// which is the time of the cleanup.
pub(in crate::cli) fn file_order(path: &Path) -> (Option<u64>, String) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    (name[..digits].parse().ok(), name.to_owned())
}

/// Lists an archive: the files of each cluster's folder and of its days' folders, the earlier ones first. A cluster's
/// folder itself will do as well.
///
/// # Errors
///
/// A folder can't be listed; there is no file.
pub(super) fn files(archive: &Path, cluster: Option<&str>) -> Result<Vec<File>, ExportError> {
    let mut found = Vec::new();
    for entry in list(archive)? {
        let path = archive.join(&entry.name);
        if !entry.is_dir || entry.name.starts_with(DAY) {
            collect(&path, &entry, None, &mut found)?;
            continue;
        }
        let name = name_of_directory(&entry.name);
        if cluster.is_some_and(|wanted| wanted != name) {
            continue;
        }
        for entry in list(&path)? {
            collect(&path.join(&entry.name), &entry, Some(&name), &mut found)?;
        }
    }
    if found.is_empty() {
        let of = cluster.map(|cluster| format!(" of cluster {cluster:?}")).unwrap_or_default();
        return Err(ExportError::Empty { path: archive.to_owned(), of });
    }
    found.sort_by_cached_key(|file| (file.cluster.clone(), file_order(&file.path), file.path.clone()));
    Ok(found)
}

/// Takes a file, or the files of a day's folder.
fn collect(path: &Path, entry: &Entry, cluster: Option<&str>, found: &mut Vec<File>) -> Result<(), ExportError> {
    let is_ours = |name: &str| name.ends_with(ENDING) && !name.ends_with(SAMPLES_ENDING);
    let mut take = |path: PathBuf| found.push(File { path, cluster: cluster.map(str::to_owned) });
    if !entry.is_dir {
        if is_ours(&entry.name) {
            take(path.to_owned());
        }
    } else if entry.name.starts_with(DAY) {
        let entries = list(path)?;
        entries
            .iter()
            .filter(|entry| !entry.is_dir && is_ours(&entry.name))
            .for_each(|entry| take(path.join(&entry.name)));
    }
    Ok(())
}

fn list(path: &Path) -> Result<Vec<Entry>, ExportError> {
    SystemDisk.list(path).map_err(|error| ExportError::Folder { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_found_and_ordered_by_time() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "alex/1770000000.parquet",
            "alex/999.parquet",
            "alex/1770000000-1.parquet",
            "alex/1770000000.samples.parquet",
            "alex/1770000001.parquet.tmp",
            "alex/_manifest.json",
            "alex/date=2026-02-01/1769999999.parquet",
            "alex/other/1.parquet",
            "a%2Fb/5.parquet",
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names = |cluster| {
            let found = files(folder.path(), cluster).unwrap();
            let name = |file: File| {
                let path = file.path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
                (file.cluster.unwrap(), path)
            };
            found.into_iter().map(name).collect::<Vec<_>>()
        };
        let alex: Vec<(String, String)> = [
            "alex/999.parquet",
            "alex/date=2026-02-01/1769999999.parquet",
            "alex/1770000000-1.parquet",
            "alex/1770000000.parquet",
        ]
        .map(|path| ("alex".to_owned(), path.to_owned()))
        .to_vec();
        assert_eq!(names(Some("alex")), alex);
        let slashed = ("a/b".to_owned(), "a%2Fb/5.parquet".to_owned());
        assert_eq!(names(None), [vec![slashed], alex].concat());
        let inside = files(&folder.path().join("alex"), None).unwrap();
        assert_eq!(inside.iter().filter(|file| file.cluster.is_none()).count(), 4, "a cluster's folder itself");
        assert!(matches!(files(folder.path(), Some("fritz")), Err(ExportError::Empty { .. })));
        assert!(matches!(files(&folder.path().join("none"), None), Err(ExportError::Folder { .. })));
    }
}
