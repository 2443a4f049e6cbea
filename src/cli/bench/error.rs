//! Why a measurement failed.

use std::io;
use std::path::PathBuf;

/// What went wrong; the texts name the store and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum BenchError {
    /// An argument makes no sense.
    #[error("{0}")]
    Argument(String),
    /// A file or a folder of the bench's own.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// A program that cannot be started.
    #[error("{}: cannot be started: {error}", program.display())]
    Program {
        /// Which.
        program: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// A store that ended by itself.
    #[error("{store} ended by itself ({status}); its log ends with: {log}")]
    Ended {
        /// Which.
        store: String,
        /// How.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// A store that did not come so far in time.
    #[error("{store}: {what} took more than {limit_secs} s")]
    Late {
        /// Which.
        store: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit_secs: u64,
    },
    /// A request that failed.
    #[error("{store}: {what}: {error}")]
    Request {
        /// Which store.
        store: String,
        /// What was asked.
        what: &'static str,
        /// The system's answer, or the server's.
        error: String,
    },
    /// Samples that were acknowledged and do not come back.
    #[error("{store}: {missing} of {expected} samples are missing {when}")]
    Missing {
        /// Which store.
        store: String,
        /// When they were looked for.
        when: &'static str,
        /// How many.
        missing: u64,
        /// Of how many.
        expected: u64,
    },
    /// The kernel does not tell what is asked of it.
    #[error("the account of process {pid}: {reason}")]
    Account {
        /// The process.
        pid: u32,
        /// Why.
        reason: String,
    },
    /// The user has asked to end.
    #[error("interrupted")]
    Interrupted,
}

impl BenchError {
    /// For the outcome of a file operation.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BenchError {
        let path = path.into();
        move |error| BenchError::File { path, error }
    }
}
