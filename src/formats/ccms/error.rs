//! What can be wrong with a file, and with data that shall become one.

use std::fmt;
use std::io;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CcmsError {
    /// The source or the target failed; says nothing about the content.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The content is not what the format says. What was visited before is sound as far as it goes.
    #[error("byte {offset}, {}: {reason}", Place(path))]
    Corrupt {
        /// Bytes from the start of the file.
        offset: u64,
        /// The level and the metric, joined by `/`; empty at the top.
        path: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A file of a newer Treering.
    #[error("format version {found}, but only versions up to {known} are known: written by a newer Treering?")]
    UnknownVersion {
        /// The version in the file.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// The format has no room for this.
    #[error("{what} of {size} does not fit: the format holds at most {limit}")]
    DoesNotFit {
        /// The thing, with its unit.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The largest size.
        limit: u64,
    },
}

impl CcmsError {
    /// An error at a place of the file where no level is known.
    pub(super) fn corrupt(offset: u64, reason: impl Into<String>) -> Self {
        CcmsError::Corrupt { offset, path: String::new(), reason: reason.into() }
    }

    /// Puts the name of an enclosing level in front of the path. Names come from the file, so they are cut.
    pub(super) fn within(self, name: &str) -> Self {
        match self {
            CcmsError::Corrupt { offset, path, reason } => {
                let name: String = name.chars().take(64).collect();
                let path = if path.is_empty() { name } else { format!("{name}/{path}") };
                CcmsError::Corrupt { offset, path, reason }
            }
            other => other,
        }
    }
}

/// Fails when `size` is more than the format holds.
pub(super) fn fits(what: &'static str, size: usize, limit: usize) -> Result<(), CcmsError> {
    if size > limit {
        return Err(CcmsError::DoesNotFit { what, size: size as u64, limit: limit as u64 });
    }
    Ok(())
}

struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("top level") } else { write!(f, "{:?}", self.0) }
    }
}

/// A part of a log that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins, bytes from the start of the file.
    pub offset: u64,
    /// How many bytes were skipped.
    pub len: u64,
    /// What was found there.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: skipped {} bytes: {}", self.offset, self.len, self.reason)
    }
}
