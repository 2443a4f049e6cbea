//! Names in the file system: of clusters' and hosts' folders, and of the files inside them.
//!
//! Invariant: every name without a NUL comes back from its folder's name, and a folder's name is never `.`, `..`,
//! `.treering` or a path.

use std::fmt;
use std::fmt::Write as _;

/// The log of a host.
pub const WAL_FILE: &str = "current.wal";
/// The ending of binary snapshots.
pub const FORM_BIN: &str = "bin";
/// The ending of JSON snapshots.
pub const FORM_JSON: &str = "json";

const EMPTY_NAME: &str = "%00";
/// Names that would mean something else as a folder; their first byte is encoded.
const RESERVED: [&str; 3] = [".", "..", ".treering"];

/// The folder of a cluster or a host: bytes outside `[A-Za-z0-9._:-]` become `%XX`, an empty name `%00`. A name that
/// holds a NUL, which ingestion refuses, may share its folder with another.
pub fn directory_name(name: &str) -> String {
    if name.is_empty() {
        return EMPTY_NAME.to_owned();
    }
    let reserved = RESERVED.contains(&name);
    let mut out = String::with_capacity(name.len());
    for (index, &byte) in name.as_bytes().iter().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
        if plain && !(reserved && index == 0) {
            out.push(char::from(byte));
        } else {
            // Writing into a `String` does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The name of the cluster or host whose folder this is. A folder that [`directory_name`] would not have made, because
/// cc-metric-store wrote the name as it was, is the name itself.
pub fn name_of_directory(directory: &str) -> String {
    match decode(directory) {
        Some(name) if directory_name(&name) == directory => name,
        _ => directory.to_owned(),
    }
}

fn decode(directory: &str) -> Option<String> {
    if directory == EMPTY_NAME {
        return Some(String::new());
    }
    let mut out = Vec::with_capacity(directory.len());
    let mut rest = directory.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_first_chunk::<2>()?;
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        out.push(digit(digits[0])? << 4 | digit(digits[1])?);
        rest = behind;
    }
    String::from_utf8(out).ok()
}

/// The form of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SnapshotForm {
    /// `<from>.bin`
    Bin,
    /// `<from>.json`
    Json,
}

/// A file in a host's folder, by its name alone: [`super::detect()`] tells what it really is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckpointFile {
    /// `current.wal`
    Wal,
    /// A snapshot.
    Snapshot {
        /// The time of the checkpoint before, seconds since 1970; snapshots are read in its order.
        from_secs: i64,
        /// Its form.
        form: SnapshotForm,
    },
}

impl CheckpointFile {
    /// What a file's name says; `None` for every other file, which cc-metric-store ignores too.
    pub fn parse(name: &str) -> Option<CheckpointFile> {
        if name == WAL_FILE {
            return Some(CheckpointFile::Wal);
        }
        let (from, ending) = name.rsplit_once('.')?;
        let form = match ending {
            FORM_BIN => SnapshotForm::Bin,
            FORM_JSON => SnapshotForm::Json,
            _ => return None,
        };
        Some(CheckpointFile::Snapshot { from_secs: from.parse().ok()?, form })
    }
}

/// The file's name.
impl fmt::Display for CheckpointFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointFile::Wal => f.write_str(WAL_FILE),
            CheckpointFile::Snapshot { from_secs, form: SnapshotForm::Bin } => write!(f, "{from_secs}.{FORM_BIN}"),
            CheckpointFile::Snapshot { from_secs, form: SnapshotForm::Json } => write!(f, "{from_secs}.{FORM_JSON}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_become_folders() {
        for (name, directory) in [
            ("f0201", "f0201"),
            ("node-1.example:8080_x", "node-1.example:8080_x"),
            ("", "%00"),
            (".", "%2E"),
            ("..", "%2E."),
            ("...", "..."),
            (".treering", "%2Etreering"),
            ("a/b", "a%2Fb"),
            ("50%", "50%25"),
            ("ü x", "%C3%BC%20x"),
        ] {
            assert_eq!(directory_name(name), directory);
            assert_eq!(name_of_directory(directory), name);
        }
    }

    #[test]
    fn folders_of_the_reference_keep_their_names() {
        for raw in ["a b", "ü", "50%", "x%4", "x%zz", "%2e", "a%41", "%FF", "%", "a\\b"] {
            assert_eq!(name_of_directory(raw), raw);
        }
    }

    #[test]
    fn file_names_are_parsed() {
        let snapshot = |from_secs, form| Some(CheckpointFile::Snapshot { from_secs, form });
        assert_eq!(CheckpointFile::parse("1795259637.bin"), snapshot(1_795_259_637, SnapshotForm::Bin));
        assert_eq!(CheckpointFile::parse("0.json"), snapshot(0, SnapshotForm::Json));
        assert_eq!(CheckpointFile::parse("current.wal"), Some(CheckpointFile::Wal));
        for other in ["1795259637.bin.tmp", "1795259637", "x.bin", ".json", "99999999999999999999.bin", "1.corrupt", ""]
        {
            assert_eq!(CheckpointFile::parse(other), None, "{other}");
        }
        for name in ["-5.bin", "17.json", "current.wal"] {
            assert_eq!(CheckpointFile::parse(name).unwrap().to_string(), name);
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back_and_is_one_safe_folder(name in "[^\0]{0,40}") {
            let directory = directory_name(&name);
            prop_assert_eq!(name_of_directory(&directory), name);
            prop_assert!(!RESERVED.contains(&&*directory) && !directory.is_empty());
            prop_assert!(directory.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-%".contains(&b)));
        }

        #[test]
        fn any_folder_has_a_name(directory in "[.%0-9a-fA-F]{0,12}|\\PC{0,20}") {
            let name = name_of_directory(&directory);
            prop_assert!(name == directory || directory_name(&name) == directory);
        }
    }
}
