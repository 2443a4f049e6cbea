//! Why an import fails, as a whole or for one of its files.

use std::path::PathBuf;

use crate::cli::convert::ConvertError;
use crate::cli::demo::TOKEN_VARIABLE;
use crate::config;
use crate::engine::OpenError;

/// What went wrong; the texts say what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ImportError {
    /// A file can't be used, or not to its end.
    #[error("{}: {reason}", path.display())]
    Input {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A checkpoint directory can't be used.
    #[error(transparent)]
    Checkpoints(#[from] ConvertError),
    /// The config is bad.
    #[error("{0}\n(import writes to the checkpoint directory of the config: --config FILE; to a server: --url URL)")]
    Config(#[from] config::Errors),
    /// A server holds the checkpoint directory.
    #[error("{}: another process, probably the server, uses this checkpoint directory: import through it, \
             with --url URL, or stop it first", .0.display())]
    InUse(PathBuf),
    /// The checkpoint directory can't be opened.
    #[error(transparent)]
    Open(OpenError),
    /// Threads, signals or the HTTP client could not be set up.
    #[error("starting: {0}")]
    Setup(String),
    /// `--url` is none.
    #[error("--url {url:?}: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The server needs a token and there is none, or it does not like it.
    #[error("{url} answers {answer}: give a token that may write with --token or in the variable {TOKEN_VARIABLE}")]
    Token {
        /// The server.
        url: String,
        /// Status and text.
        answer: String,
    },
    /// Nobody is there, or nothing comes through.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        url: String,
        /// The system's answer.
        reason: String,
    },
    /// The server answers with an error that a second try does not heal.
    #[error("{url} answers {answer}")]
    Refused {
        /// The server.
        url: String,
        /// Status and text.
        answer: String,
    },
    /// The store takes no more, and that did not change for a long time.
    #[error("the store takes no more, after waiting {waited_secs} s: {reason}")]
    Busy {
        /// How long the import has waited.
        waited_secs: u64,
        /// What it says.
        reason: String,
    },
    /// What was imported is in the logs, but not in a checkpoint.
    #[error("the checkpoint at the end failed in {0} parts; what was imported lies in the logs")]
    Checkpoint(u64),
    /// The user has asked to end.
    #[error("stopped before the end; what the summary counts as stored is stored")]
    Stopped,
}

impl ImportError {
    /// A file that can't be used.
    pub(super) fn input(path: &std::path::Path, reason: impl ToString) -> Self {
        ImportError::Input { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Whether the other files can go on.
    pub(super) fn is_of_one_input(&self) -> bool {
        matches!(self, ImportError::Input { .. } | ImportError::Checkpoints(_))
    }
}

impl From<OpenError> for ImportError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InUse { path } => ImportError::InUse(path),
            other => ImportError::Open(other),
        }
    }
}
