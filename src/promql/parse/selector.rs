//! Selectors of series: a name, matchers in braces, or both.

use super::super::ast::{BinaryOp, Expr, RangeMode, Span, VectorSelector};
use super::error::Stop;
use super::parser::{Parser, Tree};
use super::token::{Token, TokenKind};
use crate::model::{METRIC_NAME, MatchOp, Matcher};

impl Parser<'_> {
    /// A selector whose name, if it has one, is still to come.
    pub(super) fn vector_selector(&mut self) -> Result<VectorSelector, Stop> {
        let name = match self.peek()?.kind {
            TokenKind::LeftBrace => None,
            _ => Some(self.take()?),
        };
        self.vector_selector_named(name)
    }

    /// A selector whose name has been taken.
    pub(super) fn selector_named(&mut self, name: Token) -> Result<Tree, Stop> {
        let selector = self.vector_selector_named(Some(name))?;
        self.tree(Expr::Vector(selector), 0)
    }

    fn vector_selector_named(&mut self, name: Option<Token>) -> Result<VectorSelector, Stop> {
        let start = match name {
            Some(name) => name.span.start,
            None => self.peek()?.span.start,
        };
        let mut matchers = match self.peek()?.kind {
            TokenKind::LeftBrace => self.matchers()?,
            _ => Vec::new(),
        };
        // The name itself may have been the last token taken.
        let span = Span::new(start, self.taken_to);
        let name = name.map(|name| name.text(self.query).to_owned());
        if let Some(name) = &name {
            matchers.push(Matcher::equal(METRIC_NAME, name.as_str()));
        }
        Ok(VectorSelector { name, matchers, offset: None, at: None, mode: RangeMode::Plain, span })
    }

    fn matchers(&mut self) -> Result<Vec<Matcher>, Stop> {
        self.expect(TokenKind::LeftBrace)?;
        let mut matchers = Vec::new();
        loop {
            if self.take_if(TokenKind::RightBrace)?.is_some() {
                return Ok(matchers);
            }
            matchers.push(self.within("label matching", "identifier or \"}\"", Parser::matcher)?);
            if self.take_if(TokenKind::Comma)?.is_none() {
                self.within("label matching", "\",\" or \"}\"", |parser| parser.expect(TokenKind::RightBrace))?;
                return Ok(matchers);
            }
        }
    }

    fn matcher(&mut self) -> Result<Matcher, Stop> {
        let label = self.peek()?;
        let name = match label.kind {
            TokenKind::Identifier => {
                self.take()?;
                label.text(self.query).to_owned()
            }
            _ => {
                self.expect(TokenKind::String)?;
                self.unquoted(label)?
            }
        };
        let op = match self.peek()?.kind {
            TokenKind::Equal => MatchOp::Equal,
            TokenKind::Binary(BinaryOp::Ne) => MatchOp::NotEqual,
            TokenKind::EqualRegex => MatchOp::Regex,
            TokenKind::NotEqualRegex => MatchOp::NotRegex,
            // A string alone is the metric's name.
            _ if label.kind == TokenKind::String => return Ok(Matcher::equal(METRIC_NAME, name)),
            _ => return self.within("label matching", "label matching operator", |parser| parser.unexpected()),
        };
        self.take()?;
        let value = self.within("label matching", "string", |parser| parser.expect(TokenKind::String))?;
        let text = self.unquoted(value)?;
        let span = Span::merge(label.span, value.span);
        let matcher = Matcher::new(name, op, text).or_else(|error| Stop::failed(span, error.to_string()))?;
        self.patterns += usize::from(matcher.is_compiled());
        if self.patterns > self.options.patterns_max {
            let max = self.options.patterns_max;
            return Stop::failed(span, format!("too many regular expressions, at most {max} are allowed"));
        }
        Ok(matcher)
    }
}
