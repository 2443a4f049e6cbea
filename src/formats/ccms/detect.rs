//! What a file is, by its first bytes.

use super::{bin, state, wal};

/// How many bytes [`detect`] wants to see; of a shorter file, all.
pub const DETECT_BYTES: usize = 64;

/// A kind of file below the checkpoint directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Nothing in it: a log before its first record, or what a crash of cc-metric-store leaves of a snapshot.
    Empty,
    /// A log.
    Wal,
    /// A binary snapshot.
    Bin,
    /// JSON that may be a snapshot.
    Json,
    /// A state file.
    State,
    /// Something else, or too little of it to tell.
    Unknown,
}

/// Tells what a file is from its beginning, whatever its name.
pub fn detect(head: &[u8]) -> FileKind {
    if head.is_empty() {
        return FileKind::Empty;
    }
    for (magic, kind) in
        [(wal::WAL_HEADER, FileKind::Wal), (bin::MAGIC, FileKind::Bin), (state::MAGIC, FileKind::State)]
    {
        if head.starts_with(&magic) {
            return kind;
        }
    }
    match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => FileKind::Json,
        _ => FileKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells() {
        for (head, kind) in [
            (&b""[..], FileKind::Empty),
            (b"\x01\xA7\x1D\xCC", FileKind::Wal),
            (b"\x01\x00\x5B\xCC\0\0\0\0", FileKind::Bin),
            (b"TRST\x01\0\0\0", FileKind::State),
            (b" \n{\"metrics\":", FileKind::Json),
            (b"\x01\xA7\x1D", FileKind::Unknown),
            (b"[1]", FileKind::Unknown),
            (b"   ", FileKind::Unknown),
            (b"PAR1", FileKind::Unknown),
        ] {
            assert_eq!(detect(head), kind, "{head:02X?}");
        }
    }
}
