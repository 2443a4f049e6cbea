//! Why a body, or a series in it, is refused.

use std::fmt::Write as _;

use super::super::protobuf::Malformed;
use crate::model::write_quoted;

/// Why a body cannot be decompressed.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// It would be larger than the limit; nothing was decompressed.
    #[error("{compression}: decoded length {length} exceeds limit {limit}")]
    TooLarge {
        /// How it is compressed.
        compression: &'static str,
        /// What it says to hold, in bytes; or the first length that is too much where it does not say.
        length: u64,
        /// Bytes that it may hold.
        limit: usize,
    },
    /// It is not compressed that way.
    #[error("{compression}: {reason}")]
    Corrupt {
        /// How it should have been compressed.
        compression: &'static str,
        /// What the decoder says.
        reason: String,
    },
}

/// Why a whole body is refused.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It is no message of the protocol.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It holds too much.
    #[error("body has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it may hold.
        limit: usize,
    },
}

/// Why one series of a body is refused; the others are not touched by it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// Names and values don't come in pairs.
    #[error("parsing labels for series {refs}: invalid labelRefs length {length}")]
    OddRefs {
        /// The references.
        refs: String,
        /// How many there are.
        length: usize,
    },
    /// A label refers to a symbol that is not there.
    #[error(
        "parsing labels for series {refs}: labelRefs {name} (name) = {value} (value) outside of symbols table \
         (size {symbols})"
    )]
    LabelRef {
        /// The references.
        refs: String,
        /// That of the name.
        name: u32,
        /// That of the value.
        value: u32,
        /// Symbols that are there.
        symbols: usize,
    },
    /// The metadata refer to a symbol that is not there.
    #[error(
        "parsing metadata for series {refs}: metadata {what} {reference} outside of symbols table (size {symbols})"
    )]
    MetadataRef {
        /// The references of the series's labels.
        refs: String,
        /// `unit_ref` or `help_ref`.
        what: &'static str,
        /// The reference.
        reference: u32,
        /// Symbols that are there.
        symbols: usize,
    },
    /// No metric's name, an empty name of a label, or something that is not UTF-8.
    #[error("invalid metric name or labels, got {labels}")]
    Invalid {
        /// The labels, as far as they can be printed.
        labels: String,
    },
    /// A label twice.
    #[error("invalid labels for series, labels {labels}, duplicated label {name}")]
    Duplicate {
        /// The labels.
        labels: String,
        /// The label's name.
        name: String,
    },
    /// A 2.0 series without anything to store.
    #[error("TimeSeries must contain at least one sample or histogram for series {labels}")]
    NoSamples {
        /// The labels.
        labels: String,
    },
    /// More of something than the limits allow.
    #[error("series {labels} has {found} {what}, more than {limit}")]
    TooMany {
        /// The labels, as far as they are printed.
        labels: String,
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A label's name or value is too long.
    #[error("series {labels} has a label {what} of {length} bytes, more than {limit}")]
    TooLong {
        /// The labels, as far as they are printed.
        labels: String,
        /// `name` or `value`.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The bytes it may have.
        limit: usize,
    },
}

impl SeriesError {
    /// One word for the reason, for counting refusals.
    pub fn reason(&self) -> &'static str {
        match self {
            SeriesError::OddRefs { .. } | SeriesError::LabelRef { .. } | SeriesError::MetadataRef { .. } => "symbols",
            SeriesError::Invalid { .. } => "invalid_labels",
            SeriesError::Duplicate { .. } => "duplicate_label",
            SeriesError::NoSamples { .. } => "no_samples",
            SeriesError::TooMany { what: "labels", .. } => "label_limit",
            SeriesError::TooMany { .. } => "sample_limit",
            SeriesError::TooLong { .. } => "label_length",
        }
    }
}

/// Labels as Prometheus prints them, whatever their bytes are; only so many bytes of them.
pub(super) fn describe_labels<'a>(labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut text = String::from("{");
    for (i, (name, value)) in labels.enumerate() {
        if i > 0 {
            text.push_str(", ");
        }
        if text.len() > LABELS_BYTES_MAX {
            text.push('…');
            break;
        }
        let plain = std::str::from_utf8(name).ok().filter(|name| crate::model::is_plain_name(name));
        match plain {
            Some(name) if name.len() <= PART_BYTES_MAX => text.push_str(name),
            _ => quote(&mut text, name),
        }
        text.push('=');
        quote(&mut text, value);
    }
    text.push('}');
    text
}

fn quote(text: &mut String, bytes: &[u8]) {
    let end = bytes.len().min(PART_BYTES_MAX);
    text.push('"');
    for chunk in bytes[..end].utf8_chunks() {
        let mut quoted = String::new();
        // Writing to a String cannot fail.
        let _ = write_quoted(&mut quoted, chunk.valid());
        text.push_str(&quoted[1..quoted.len() - 1]);
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.push_str(if end < bytes.len() { "…\"" } else { "\"" });
}

/// References as Prometheus prints them; only the first of very many.
pub(super) fn describe_refs(refs: &[u32]) -> String {
    let shown: Vec<String> = refs.iter().take(REFS_MAX).map(u32::to_string).collect();
    format!("[{}{}]", shown.join(" "), if refs.len() > REFS_MAX { " …" } else { "" })
}

/// As much of a series' labels as a message repeats: enough to find it, too little to flood a log.
const LABELS_BYTES_MAX: usize = 1024;
/// As much of one name or value.
const PART_BYTES_MAX: usize = 256;
/// As many references.
const REFS_MAX: usize = 128;
