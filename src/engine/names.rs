//! Which names of clusters and hosts are taken: files of every form carry them.

use crate::formats::ccms::directory_name;

/// Bytes of a folder's name that file systems take, with room for `.tmp`.
const FOLDER_NAME_BYTES_MAX: usize = 240;

/// Whether the names are short enough for names of folders.
pub(super) fn fit_folders(cluster: &str, host: &str) -> bool {
    directory_name(cluster).len().max(directory_name(host).len()) <= FOLDER_NAME_BYTES_MAX
}

/// Whether one of the names would lead out of the checkpoint directory, were it used as it is.
pub(super) fn leave_folder(cluster: &str, host: &str) -> bool {
    [cluster, host].iter().any(|name| name.contains("..") || name.contains(['/', '\\', '\0']))
}
