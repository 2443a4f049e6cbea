//! How much of anything senders may send, and how much is kept.

/// What one request may hold; one that holds more is refused whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of the body as it comes.
    pub body_bytes_max: usize,
    /// Bytes of the body unzipped.
    pub unzipped_bytes_max: usize,
    /// Blobs.
    pub blobs_max: usize,
    /// Samples of all blobs together: one takes a byte at least, and some eighty of memory.
    pub samples_max: usize,
    /// Labels of all samples together: one takes a byte at least, and 32 of memory.
    pub labels_max: usize,
}

impl Default for RequestLimits {
    /// Far beyond what senders send: 200 blobs in a request.
    fn default() -> RequestLimits {
        RequestLimits {
            body_bytes_max: 32 << 20,
            unzipped_bytes_max: 128 << 20,
            blobs_max: 10_000,
            samples_max: 1_000_000,
            labels_max: 4_000_000,
        }
    }
}

/// What is kept of senders, and what one of their scrapes may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateLimits {
    /// Instances of an account; no more are taken.
    pub instances_max: usize,
    /// Bytes of all kept scrapes together, by an estimate that is rather too high; a scrape that does not fit is not
    /// taken.
    pub bytes_max: usize,
    /// Series of a scrape.
    pub series_max: usize,
    /// Labels of a series.
    pub labels_max: usize,
    /// Bytes of a label's name.
    pub name_bytes_max: usize,
    /// Bytes of a label's value.
    pub value_bytes_max: usize,
    /// Samples that the differences of one request may stand for, unchanged ones included: a few bytes stand for as
    /// many samples as a scrape has. Others have to come in full.
    pub rebuilt_max: usize,
    /// Milliseconds without a scrape after which a target counts as stopped; three of its scrape intervals, if that is
    /// more.
    pub silent_ms: i64,
    /// Milliseconds without a scrape after which an instance is forgotten, or three of its intervals again; its sender
    /// has to send a full blob then.
    pub idle_ms: i64,
}

impl Default for StateLimits {
    fn default() -> StateLimits {
        StateLimits {
            instances_max: 50_000,
            bytes_max: 1 << 30,
            series_max: 500_000,
            labels_max: 128,
            name_bytes_max: 1024,
            value_bytes_max: 8 * 1024,
            rebuilt_max: 10_000_000,
            silent_ms: 180_000,
            idle_ms: 600_000,
        }
    }
}
