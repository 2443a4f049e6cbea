//! What became of a body of lines.

use crate::formats::line::Excerpt;

/// At most this many bad lines are named in an answer.
const BAD_LINES_NAMED: usize = 10;

/// A line that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number in the body, from 1.
    pub number: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Counts over one body, however many pieces it comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Lines read so far, comments and empty ones included.
    pub lines: u64,
    /// Samples stored.
    pub stored: u64,
    /// Samples skipped without being an error: unknown metrics, refused names, too far in the future.
    pub skipped: u64,
    /// How many lines were bad.
    pub bad: u64,
    /// The first of them.
    pub first_bad: Vec<BadLine>,
    /// Of the skipped ones the first whose cluster or host was refused, for those who can do something about it.
    pub first_refused: Vec<BadLine>,
}

impl IngestReport {
    /// Notes that line `number` is bad.
    pub fn note_bad(&mut self, number: u64, reason: impl Into<String>) {
        self.bad += 1;
        if self.first_bad.len() < BAD_LINES_NAMED {
            self.first_bad.push(BadLine { number, reason: reason.into() });
        }
    }

    /// Notes that line `number`, which is skipped, names a cluster or host that is refused.
    pub(super) fn note_refused(&mut self, number: u64, cluster: &str, host: &str) {
        if self.first_refused.len() < BAD_LINES_NAMED {
            let [cluster, host] = [cluster, host].map(|name| Excerpt::of(name.as_bytes()));
            let reason = format!("cluster {cluster}, host {host}: expected names without \"..\", /, \\ and NUL");
            self.first_refused.push(BadLine { number, reason });
        }
    }

    /// The text of the answer to a body with bad lines; `None` when all were good.
    pub fn complaint(&self) -> Option<String> {
        if self.bad == 0 {
            return None;
        }
        let named: Vec<String> =
            self.first_bad.iter().map(|bad| format!("line {}: {}", bad.number, bad.reason)).collect();
        let more = self.bad - self.first_bad.len() as u64;
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        Some(format!("{} of {} lines stored; {}{more}", self.stored, self.lines, named.join("; ")))
    }
}

/// Why lines were refused; nothing of the piece at hand was stored, or what was is counted in the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// Recovery is not over: try again later.
    #[error("recovering: not ready for writes yet")]
    NotReady,
    /// The log can't be written: reads go on, writes will when the disk is well again.
    #[error("writes are refused: {0}")]
    LogFailed(String),
    /// Too much is under way: try again later.
    #[error("overloaded: {0}")]
    Busy(String),
    /// The engine is closing.
    #[error("shutting down")]
    Closed,
    /// Stamped series were forgotten after their numbers were looked up: the same body, sent again, finds them anew.
    #[error("series were forgotten while they were written to: send the same again")]
    Forgotten,
    /// The checkpoints' form has no room for stamped series: no attempt will ever succeed.
    #[error(
        "series with labels of their own are stored with metric-store.checkpoints.file-format \"native\" only: the \
         configured form has no room for them"
    )]
    GridOnly,
}

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A folder can't be made or listed.
    #[error("{path}: {error}")]
    Disk {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// Another process works in the directory.
    #[error("{path}: another process uses this checkpoint directory")]
    InUse {
        /// The checkpoint directory.
        path: std::path::PathBuf,
    },
    /// A file of a newer version: going on would lose what it holds.
    #[error("{path}: {reason}")]
    Newer {
        /// Which.
        path: std::path::PathBuf,
        /// What its header says.
        reason: String,
    },
}

/// What a cleanup did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanupReport {
    /// Blocks dropped, in the mode `delete`.
    pub blocks: u64,
    /// Files written to the archive.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether something failed and its data is kept: try again later. The log says what it was.
    pub is_failed: bool,
}

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckpointReport {
    /// Hosts written.
    pub hosts: u64,
    /// Shards or hosts that could not be written; their logs are kept.
    pub failed: u64,
    /// Whether it was given up, for the end left no time for it; the logs of what is missing are kept.
    pub is_abandoned: bool,
}
