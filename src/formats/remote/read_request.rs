//! Remote read: what a client asks for.

use super::super::protobuf::{Fields, Malformed};
use crate::model::{MatchOp, Matcher, PatternError};

/// A remote read request.
#[derive(Debug, Clone, Default)]
pub struct ReadRequest {
    /// Each is answered by itself, in this order.
    pub queries: Vec<ReadQuery>,
    /// The forms of answers that the client takes, by their numbers, the one it likes best first.
    accepted: Vec<u64>,
}

/// One query of a request.
#[derive(Debug, Clone, Default)]
pub struct ReadQuery {
    /// The first millisecond that is asked for.
    pub start_ms: i64,
    /// The last one, inclusive.
    pub end_ms: i64,
    /// What the series have to be like.
    pub matchers: Vec<Matcher>,
    /// What the client will do with the answer, where it says so.
    pub hints: Option<ReadHints>,
}

/// What a client will do with an answer. Nothing has to be made of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadHints {
    /// Milliseconds from one step to the next.
    pub step_ms: i64,
    /// The function or aggregation around the selector.
    pub function: String,
    /// The first millisecond that is needed.
    pub start_ms: i64,
    /// The last one.
    pub end_ms: i64,
    /// The labels of an aggregation.
    pub grouping: Vec<String>,
    /// Whether the aggregation keeps these labels, or all others.
    pub by: bool,
    /// Milliseconds of a range selector.
    pub range_ms: i64,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadForm {
    /// All samples in one message, compressed with snappy.
    Sampled,
    /// Chunks as Prometheus keeps them, in a stream of messages.
    Streamed,
}

/// Why a remote read request is refused.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no message of the protocol.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It holds too much.
    #[error("request has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it may hold.
        limit: usize,
    },
    /// A comparison that nobody knows.
    #[error("invalid matcher type")]
    MatcherType,
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// None of the forms that the client takes is known.
    #[error(
        "server does not support any of the requested response types: [{asked}]; supported: \
         map[SAMPLES:{{}} STREAMED_XOR_CHUNKS:{{}}]"
    )]
    Form {
        /// The forms, by their numbers.
        asked: String,
    },
}

impl ReadRequest {
    /// Reads a decompressed request.
    ///
    /// # Errors
    /// A malformed body, unknown or too many matchers, patterns that are none.
    pub fn decode(body: &[u8]) -> Result<ReadRequest, ReadError> {
        let mut request = ReadRequest::default();
        let mut patterns = 0;
        let mut fields = Fields::of_body(body);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => {
                    bound("queries", request.queries.len(), QUERIES_MAX)?;
                    request.queries.push(read_query(value.message(&fields)?, &mut patterns)?);
                }
                2 => {
                    let mut accepted = Vec::new();
                    value.varints(&fields, |form| {
                        if accepted.len() < FORMS_MAX {
                            accepted.push(form);
                        }
                    })?;
                    accepted.truncate(FORMS_MAX - request.accepted.len());
                    request.accepted.append(&mut accepted);
                }
                _ => {}
            }
        }
        Ok(request)
    }

    /// The form to answer in: the first known one that the client takes.
    ///
    /// # Errors
    /// A client that takes none of the known ones.
    pub fn form(&self) -> Result<ReadForm, ReadError> {
        if self.accepted.is_empty() {
            return Ok(ReadForm::Sampled);
        }
        let known = self.accepted.iter().find_map(|form| match form {
            0 => Some(ReadForm::Sampled),
            1 => Some(ReadForm::Streamed),
            _ => None,
        });
        known.ok_or_else(|| {
            let asked: Vec<String> = self.accepted.iter().map(u64::to_string).collect();
            ReadError::Form { asked: asked.join(" ") }
        })
    }
}

/// `patterns` counts those of the whole request that are compiled.
fn read_query(mut fields: Fields<'_>, patterns: &mut usize) -> Result<ReadQuery, ReadError> {
    let mut query = ReadQuery::default();
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => query.start_ms = value.signed(&fields)?,
            2 => query.end_ms = value.signed(&fields)?,
            3 => {
                bound("matchers", query.matchers.len(), MATCHERS_MAX)?;
                let matcher = read_matcher(value.message(&fields)?)?;
                if matcher.is_compiled() {
                    bound("patterns", *patterns, PATTERNS_MAX)?;
                    *patterns += 1;
                }
                query.matchers.push(matcher);
            }
            4 => query.hints = Some(read_hints(value.message(&fields)?, query.hints.take().unwrap_or_default())?),
            _ => {}
        }
    }
    Ok(query)
}

fn read_matcher(mut fields: Fields<'_>) -> Result<Matcher, ReadError> {
    let (mut op, mut name, mut text) = (0, "", "");
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => op = value.varint(&fields)?,
            2 => name = value.text(&fields)?,
            3 => text = value.text(&fields)?,
            _ => {}
        }
    }
    let op = match op {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        _ => return Err(ReadError::MatcherType),
    };
    Ok(Matcher::new(name, op, text)?)
}

fn read_hints(mut fields: Fields<'_>, mut hints: ReadHints) -> Result<ReadHints, ReadError> {
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => hints.step_ms = value.signed(&fields)?,
            2 => hints.function = value.text(&fields)?.to_owned(),
            3 => hints.start_ms = value.signed(&fields)?,
            4 => hints.end_ms = value.signed(&fields)?,
            5 => {
                bound("labels of a grouping", hints.grouping.len(), GROUPING_MAX)?;
                hints.grouping.push(value.text(&fields)?.to_owned());
            }
            6 => hints.by = value.varint(&fields)? != 0,
            7 => hints.range_ms = value.signed(&fields)?,
            _ => {}
        }
    }
    Ok(hints)
}

fn bound(what: &'static str, found: usize, limit: usize) -> Result<(), ReadError> {
    if found >= limit { Err(ReadError::TooMany { what, limit }) } else { Ok(()) }
}

/// Queries of a request; Prometheus sends one.
const QUERIES_MAX: usize = 100;
/// Matchers of a query.
const MATCHERS_MAX: usize = 1000;
/// Patterns of a request that are compiled, each of which may take a megabyte; as many as a query of PromQL may have.
const PATTERNS_MAX: usize = 64;
/// Labels that a hint names.
const GROUPING_MAX: usize = 1000;
/// Forms of answers that are looked at.
const FORMS_MAX: usize = 16;
