//! Why a blob is not taken, and what its sender is told.

/// What a sender is told about a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Code {
    /// Taken.
    Taken = 0,
    /// Not taken: the sender sends the same scrape as a full blob.
    SendFull = 1,
    /// Not taken: the sender drops it.
    Failed = 2,
}

/// Why a blob is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Differences from a scrape that is not there.
    #[error("differences from a scrape that is not known")]
    UnknownInstance,
    /// Differences from another scrape than the kept one.
    #[error("differences of generation {sent}, expected the one after {kept}")]
    Generation {
        /// Of the kept scrape.
        kept: i64,
        /// Of the blob.
        sent: i64,
    },
    /// Differences from a scrape with another number of series.
    #[error("differences of {sent} series, expected {kept}")]
    SeriesCount {
        /// Series of the kept scrape.
        kept: usize,
        /// Series that the blob speaks of.
        sent: i64,
    },
    /// A difference of a series that is not there, or out of order.
    #[error("difference {position} is of series {index}, expected rising indexes below the number of series")]
    Index {
        /// Which of the differences.
        position: usize,
        /// The index that it has.
        index: i32,
    },
    /// A difference that does not say what the new value is.
    #[error("the value of series {index} cannot be told from its difference")]
    Value {
        /// The series.
        index: usize,
    },
    /// Differences that stand for more samples than one request may.
    #[error("differences in one request that stand for more than {limit} samples")]
    TooManyRebuilt {
        /// Samples that are taken.
        limit: usize,
    },
    /// An earlier blob of the instance was not taken.
    #[error("an earlier blob of this instance in the same request was not taken")]
    AfterRefused,
    /// A full blob that holds another number of series than it says.
    #[error("{found} samples, expected {sent}")]
    Incomplete {
        /// Number that the blob says.
        sent: i64,
        /// Samples there are.
        found: usize,
    },
    /// The name of an instance that is none: it may lead out of a directory.
    #[error("expected an instance's name without control characters, empty parts, `.` or `..` between its slashes")]
    Instance,
    /// Texts that are no UTF-8.
    #[error("expected UTF-8")]
    NotText,
    /// Labels that are none: a name is empty or occurs twice, or there are too many or too long ones.
    #[error("series {index}: expected at most {limit} labels of reasonable length, with distinct names")]
    Labels {
        /// The series.
        index: usize,
        /// Labels that a series may have.
        limit: usize,
    },
    /// More series than a scrape may have.
    #[error("a scrape of {found} series, expected at most {limit}")]
    TooManySeries {
        /// Series there are.
        found: usize,
        /// Series that are taken.
        limit: usize,
    },
    /// More instances than an account may have.
    #[error("expected at most {limit} instances")]
    TooManyInstances {
        /// Instances that are taken.
        limit: usize,
    },
    /// More memory than the kept scrapes may take.
    #[error("expected at most {limit} bytes of kept scrapes")]
    TooManyBytes {
        /// Bytes that are kept.
        limit: usize,
    },
}

impl Refusal {
    /// What the sender is told.
    pub fn code(&self) -> Code {
        match self {
            Refusal::UnknownInstance
            | Refusal::Generation { .. }
            | Refusal::SeriesCount { .. }
            | Refusal::Index { .. }
            | Refusal::Value { .. }
            | Refusal::TooManyRebuilt { .. }
            | Refusal::AfterRefused => Code::SendFull,
            _ => Code::Failed,
        }
    }

    /// The reason in one word, for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::UnknownInstance => "unknown_instance",
            Refusal::Generation { .. } => "generation",
            Refusal::SeriesCount { .. } => "series_count",
            Refusal::Index { .. } => "index",
            Refusal::Value { .. } => "value",
            Refusal::TooManyRebuilt { .. } => "too_many_rebuilt",
            Refusal::AfterRefused => "after_refused",
            Refusal::Incomplete { .. } => "incomplete",
            Refusal::Instance => "instance",
            Refusal::NotText => "not_text",
            Refusal::Labels { .. } => "labels",
            Refusal::TooManySeries { .. } => "too_many_series",
            Refusal::TooManyInstances { .. } => "too_many_instances",
            Refusal::TooManyBytes { .. } => "too_many_bytes",
        }
    }
}
