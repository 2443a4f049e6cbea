//! Why a rule has no result.

use super::query::AskError;

/// Why a rule has no result, in Prometheus's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum EvaluationError {
    /// Its query failed.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The rule's own labels made two series the same.
    #[error("vector contains metrics with the same labelset after {0}")]
    SameLabels(&'static str),
    /// The group's limit.
    #[error("exceeded limit of {limit} with {count} {what}")]
    TooMany {
        /// The limit.
        limit: u64,
        /// How many there were.
        count: usize,
        /// What.
        what: &'static str,
    },
}

impl EvaluationError {
    /// Whether the evaluation was ended from outside: then nothing is said about the rule.
    pub(super) fn is_canceled(&self) -> bool {
        matches!(self, EvaluationError::Ask(error) if error.is_canceled())
    }
}
