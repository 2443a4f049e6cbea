//! Names of native files and their folders.
//!
//! Only what is printed here is parsed here: a file with any other name (`….tmp`, `….corrupt`, something of somebody
//! else) is none of ours.

use std::fmt;

/// The name of a file in a shard's folder. Names sort as their numbers do, up to 10^16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileName {
    /// A log segment and its number.
    Segment(u64),
    /// A snapshot and the number of the first segment that it does not cover.
    Snapshot(u64),
}

impl FileName {
    /// Reads a name as it is printed; `None` for every other.
    pub fn parse(name: &str) -> Option<FileName> {
        let (digits, extension) = name.split_once('.')?;
        let sequence = digits.parse().ok()?;
        let parsed = match extension {
            "log" => FileName::Segment(sequence),
            "snapshot" => FileName::Snapshot(sequence),
            _ => return None,
        };
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Segment(sequence) => write!(f, "{sequence:016}.log"),
            FileName::Snapshot(sequence) => write!(f, "{sequence:016}.snapshot"),
        }
    }
}

/// The name of a shard's folder: `shard-00`.
pub fn shard_folder(shard: u32) -> String {
    format!("shard-{shard:02}")
}

/// The shard of a folder's name; `None` for every other folder.
pub fn parse_shard_folder(name: &str) -> Option<u32> {
    let shard = name.strip_prefix("shard-")?.parse().ok()?;
    (shard_folder(shard) == name).then_some(shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for name in [FileName::Segment(0), FileName::Segment(42), FileName::Snapshot(7), FileName::Segment(u64::MAX)] {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        assert_eq!(FileName::Segment(42).to_string(), "0000000000000042.log");
        for shard in [0, 7, 15, 99, 100, u32::MAX] {
            assert_eq!(parse_shard_folder(&shard_folder(shard)), Some(shard));
        }
        assert_eq!(shard_folder(3), "shard-03");
    }

    #[test]
    fn other_names_are_none_of_ours() {
        for name in [
            "42.log",
            "0000000000000042.log.tmp",
            "0000000000000042",
            "+000000000000042.log",
            "",
            ".log",
            "current.wal",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
        for name in ["shard-3", "shard-003", "shard-", "shard-+3", "fritz"] {
            assert_eq!(parse_shard_folder(name), None, "{name}");
        }
    }
}
