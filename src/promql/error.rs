//! Why a query has no answer.

use super::source::SourceError;

/// Why a query has no answer; the texts are Prometheus's.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// More samples at once than the limit allows.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// More series than one selector may select.
    #[error("a selector of the query selects more than {0} series; narrow it, or ask for fewer hosts at a time")]
    TooManySeries(usize),
    /// The time for the query is over.
    #[error("query timed out in expression evaluation")]
    TimedOut,
    /// Whoever asked no longer wants to know.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The series could not be read.
    #[error("expanding series: {0}")]
    Source(#[from] SourceError),
    /// The expression makes no sense for these series or arguments.
    #[error("{0}")]
    Execution(String),
}

impl QueryError {
    /// An error of the evaluation with this text.
    pub(super) fn execution(text: impl Into<String>) -> QueryError {
        QueryError::Execution(text.into())
    }

    /// Two results at one time that nothing tells apart.
    pub(super) fn same_labels() -> QueryError {
        QueryError::execution("vector cannot contain metrics with the same labelset")
    }
}
