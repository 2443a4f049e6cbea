//! Where rows go: a running server, or a checkpoint directory that no server uses.

use super::error::ImportError;
use super::local::Local;
use super::remote::Remote;

/// What became of a piece of lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// Samples stored.
    pub(super) stored: u64,
    /// Samples that the store did not want: of unknown metrics, too far in the future.
    pub(super) skipped: u64,
    /// Bad lines.
    pub(super) bad: u64,
    /// The first of them: the number in the piece, from 1, and the reason.
    pub(super) first_bad: Vec<(u64, String)>,
    /// In the same way the first of the skipped lines whose names were refused; a server does not name them.
    pub(super) first_refused: Vec<(u64, String)>,
}

/// Where rows go.
pub(super) enum Target {
    /// A checkpoint directory.
    Local(Box<Local>),
    /// A server.
    Remote(Box<Remote>),
}

impl Target {
    /// Stores whole lines.
    ///
    /// # Errors
    ///
    /// The store takes no more, or the user has asked to end; part of the piece may be stored.
    pub(super) fn store(&mut self, cluster: &str, lines: &[u8]) -> Result<Stored, ImportError> {
        match self {
            Target::Local(local) => local.store(cluster, lines),
            Target::Remote(remote) => remote.store(cluster, lines),
        }
    }

    /// The configured metrics, where they are known.
    pub(super) fn metrics(&self) -> Vec<crate::model::Metric> {
        match self {
            Target::Local(local) => local.metrics(),
            Target::Remote(_) => Vec::new(),
        }
    }

    /// Makes all that was stored durable; answers why samples were skipped, as far as that is known.
    pub(super) fn finish(self) -> Result<Vec<(String, u64)>, ImportError> {
        match self {
            Target::Local(local) => local.finish(),
            Target::Remote(_) => Ok(Vec::new()),
        }
    }
}
