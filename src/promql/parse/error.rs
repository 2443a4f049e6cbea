//! Why a text is no query.

use super::super::ast::Span;
use super::token::Token;

/// Why a text is no query, in Prometheus's words: `1:5: parse error: unexpected end of input`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: parse error: {message}")]
pub struct ParseError {
    /// The line and column, `1:5`, both from 1; a text says so where there is none.
    place: String,
    /// Where the trouble is.
    span: Span,
    /// What it is.
    message: String,
}

impl ParseError {
    pub(super) fn new(query: &str, span: Span, message: String) -> ParseError {
        ParseError { place: span.start_in(query).to_string(), span, message }
    }

    /// Where the trouble is, in bytes of the query.
    pub fn span(&self) -> Span {
        self.span
    }

    /// What it is, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// What ends the parsing, on its way up.
#[derive(Debug)]
pub(super) enum Stop {
    /// A token that does not fit; whoever is nearest and can say what was expected makes an error of it.
    Unexpected(Token),
    /// An error that is complete.
    Failed(Span, String),
}

impl Stop {
    pub(super) fn failed<T>(span: Span, message: impl Into<String>) -> Result<T, Stop> {
        Err(Stop::Failed(span, message.into()))
    }
}
