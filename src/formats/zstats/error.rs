//! What is wrong with a request as a whole.

/// Why a body is no request, or an answer no answer. The text is what the sender sees; it is never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZstatsError {
    /// No token in the header.
    #[error("Request has empty token")]
    NoToken,
    /// A token that nobody knows.
    #[error("Request has unknown token")]
    UnknownToken,
    /// Another content type than the one that is taken.
    #[error("Request has invalid content-type ({found})")]
    ContentType {
        /// What was sent.
        found: String,
    },
    /// More bytes than are taken, as they came.
    #[error("body of {length} bytes, expected at most {limit}")]
    BodyTooLarge {
        /// Bytes that came.
        length: usize,
        /// Bytes that are taken.
        limit: usize,
    },
    /// No gzip stream, one that ends early, or one whose checksum is wrong.
    #[error("gzip: {reason}")]
    Gzip {
        /// In the words of the decompressor.
        reason: String,
    },
    /// More bytes than are taken, unzipped.
    #[error("gzip: expected at most {limit} bytes unzipped")]
    TooLarge {
        /// Bytes that are taken.
        limit: usize,
    },
    /// The stream breaks its own rules.
    #[error("gob: byte {offset}: expected {expected}")]
    Malformed {
        /// Where in the unzipped body.
        offset: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// The stream ends before a value comes.
    #[error("gob: expected a value, found the end")]
    NoValue,
    /// A type that nothing defines.
    #[error("gob: type {id} is not defined")]
    UnknownType {
        /// Its id.
        id: i64,
    },
    /// Two definitions of a type.
    #[error("gob: type {id} is defined twice")]
    DefinedTwice {
        /// Its id.
        id: i64,
    },
    /// Two fields of one name in a struct.
    #[error("gob: field {what} is defined twice")]
    FieldTwice {
        /// The field's name.
        what: &'static str,
    },
    /// A field of another kind than it must have.
    #[error("gob: {what} is {found}, expected {expected}")]
    Mismatch {
        /// The field or struct.
        what: &'static str,
        /// The kind that is taken.
        expected: &'static str,
        /// The kind in the stream.
        found: &'static str,
    },
    /// A struct in the stream is something else altogether.
    #[error("gob: {what} has none of the fields expected")]
    NothingCommon {
        /// The struct.
        what: &'static str,
    },
    /// A number that its field cannot hold.
    #[error("gob: {what} is {number}, expected a number of {bits} bits")]
    OutOfRange {
        /// The field.
        what: &'static str,
        /// What was sent.
        number: i64,
        /// The field's width.
        bits: u32,
    },
    /// More of something than is taken.
    #[error("gob: expected at most {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are taken.
        limit: usize,
    },
}

impl ZstatsError {
    /// The reason in one word, for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            ZstatsError::BodyTooLarge { .. } | ZstatsError::TooLarge { .. } | ZstatsError::TooMany { .. } => {
                "too_large"
            }
            ZstatsError::NoToken | ZstatsError::UnknownToken => "token",
            ZstatsError::ContentType { .. } => "content_type",
            ZstatsError::Gzip { .. } => "gzip",
            _ => "gob",
        }
    }
}
