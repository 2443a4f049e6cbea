//! The parser's state: the tokens ahead, the limits, and where expressions begin.

use super::super::ast::{Expr, NumberLiteral, Paren, Span, StringLiteral, Unary, UnaryOp};
use super::check::check;
use super::error::{ParseError, Stop};
use super::lexer::Lexer;
use super::number::{parse_duration_ms, parse_number};
use super::operator::UNARY_POWER;
use super::options::ParseOptions;
use super::quote::{quote, unquote};
use super::token::{Token, TokenKind};
use crate::model::Matcher;

use super::super::ast::BinaryOp;

/// Parses an expression and checks its types.
pub fn parse_expr(query: &str, options: &ParseOptions) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(query, options)?;
    let parsed = parser.whole_expr().and_then(|mut expr| {
        check(&mut expr, query)?;
        Ok(expr)
    });
    parsed.map_err(|stop| parser.error(stop))
}

/// Parses what selects series, as in `match[]`: a name, matchers in braces, or both.
pub fn parse_selector(query: &str, options: &ParseOptions) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(query, options)?;
    let parsed = parser.whole_selector();
    parsed.map_err(|stop| parser.error(stop))
}

/// An expression with the number of levels of its tree.
#[derive(Debug)]
pub(super) struct Tree {
    /// In a box from the start: trees are moved up through many frames, and frames are to be small.
    pub(super) expr: Box<Expr>,
    pub(super) levels: usize,
}

pub(super) struct Parser<'a> {
    pub(super) query: &'a str,
    pub(super) options: &'a ParseOptions,
    lexer: Lexer<'a>,
    ahead: Option<Token>,
    /// The end of the last token that was taken.
    pub(super) taken_to: u32,
    /// How many expressions are being parsed, one in the other.
    depth: usize,
    /// How many patterns have been compiled.
    pub(super) patterns: usize,
}

impl<'a> Parser<'a> {
    fn new(query: &'a str, options: &'a ParseOptions) -> Result<Parser<'a>, ParseError> {
        let (bytes, max) = (query.len(), options.query_bytes_max.min(u32::MAX as usize));
        if bytes > max {
            let message = format!("query of {bytes} bytes, at most {max} are allowed");
            return Err(ParseError::new(query, Span::default(), message));
        }
        Ok(Parser { query, options, lexer: Lexer::new(query), ahead: None, taken_to: 0, depth: 0, patterns: 0 })
    }

    fn error(&self, stop: Stop) -> ParseError {
        let (span, message) = match stop {
            Stop::Failed(span, message) => (span, message),
            Stop::Unexpected(token) => (token.span, format!("unexpected {}", token.describe(self.query))),
        };
        ParseError::new(self.query, span, message)
    }

    /// The next token, which stays the next one.
    pub(super) fn peek(&mut self) -> Result<Token, Stop> {
        match self.ahead {
            Some(token) => Ok(token),
            None => Ok(*self.ahead.insert(self.lexer.next_token()?)),
        }
    }

    /// The next token, used up.
    pub(super) fn take(&mut self) -> Result<Token, Stop> {
        let token = self.peek()?;
        self.ahead = None;
        self.taken_to = token.span.end;
        Ok(token)
    }

    /// Uses the next token up, if it is of that kind.
    pub(super) fn take_if(&mut self, kind: TokenKind) -> Result<Option<Token>, Stop> {
        if self.peek()?.kind == kind { self.take().map(Some) } else { Ok(None) }
    }

    /// Uses the next token up, which has to be of that kind.
    pub(super) fn expect(&mut self, kind: TokenKind) -> Result<Token, Stop> {
        match self.take_if(kind)? {
            Some(token) => Ok(token),
            None => self.unexpected(),
        }
    }

    /// The next token does not fit.
    pub(super) fn unexpected<T>(&mut self) -> Result<T, Stop> {
        Err(Stop::Unexpected(self.peek()?))
    }

    /// Parses a part; a token that does not fit there, and for which the part itself has no words, is reported with
    /// these.
    pub(super) fn within<T>(
        &mut self,
        context: &str,
        expected: &str,
        part: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        part(self).map_err(|stop| match stop {
            Stop::Unexpected(token) => {
                let expected = if expected.is_empty() { String::new() } else { format!(", expected {expected}") };
                let found = token.describe(self.query);
                Stop::Failed(token.span, format!("unexpected {found} in {context}{expected}"))
            }
            failed => failed,
        })
    }

    /// Parses a part one level further down.
    pub(super) fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        self.depth += 1;
        if self.depth > self.options.depth_max {
            let span = self.peek()?.span;
            return self.too_deep(span);
        }
        let parsed = part(self);
        self.depth -= 1;
        parsed
    }

    pub(super) fn too_deep<T>(&self, span: Span) -> Result<T, Stop> {
        let max = self.options.depth_max;
        Stop::failed(span, format!("expression is nested too deeply, at most {max} levels are allowed"))
    }

    /// A tree whose highest sub-tree has `below` levels.
    pub(super) fn tree(&self, expr: Expr, below: usize) -> Result<Tree, Stop> {
        let levels = below + 1;
        if levels > self.options.depth_max {
            return self.too_deep(expr.span());
        }
        Ok(Tree { expr: Box::new(expr), levels })
    }

    fn whole_expr(&mut self) -> Result<Expr, Stop> {
        if self.peek()?.kind == TokenKind::Eof {
            return Stop::failed(Span::default(), "no expression found in input");
        }
        let tree = self.expr()?;
        self.expect(TokenKind::Eof)?;
        Ok(*tree.expr)
    }

    fn whole_selector(&mut self) -> Result<Vec<Matcher>, Stop> {
        let token = self.peek()?;
        if token.kind != TokenKind::LeftBrace && !token.is_metric_name() {
            return self.unexpected();
        }
        let selector = self.vector_selector()?;
        self.expect(TokenKind::Eof)?;
        Ok(selector.matchers)
    }

    /// Anything but operators between two expressions, with the modifiers behind it.
    ///
    /// What calls itself through here keeps its frame small: each kind of operand is a function of its own.
    pub(super) fn operand(&mut self) -> Result<Tree, Stop> {
        let token = self.peek()?;
        let tree = match token.kind {
            TokenKind::Binary(BinaryOp::Add) => return self.signed(UnaryOp::Plus),
            TokenKind::Binary(BinaryOp::Sub) => return self.signed(UnaryOp::Minus),
            TokenKind::LeftParen => self.paren()?,
            TokenKind::Number | TokenKind::Duration => self.number()?,
            TokenKind::String => self.string()?,
            TokenKind::Aggregate(op) => self.aggregate_or_selector(op)?,
            TokenKind::Identifier => self.call_or_selector()?,
            TokenKind::Keyword(keyword) if keyword.is_function() => self.call_or_selector()?,
            TokenKind::LeftBrace => self.selector()?,
            _ if token.is_metric_name() => self.selector()?,
            _ => return self.unexpected(),
        };
        self.modifiers(tree)
    }

    fn paren(&mut self) -> Result<Tree, Stop> {
        let open = self.take()?;
        let inner = self.expr()?;
        let close = self.expect(TokenKind::RightParen)?;
        let paren = Paren { expr: inner.expr, span: Span::merge(open.span, close.span) };
        self.tree(Expr::Paren(paren), inner.levels)
    }

    fn number(&mut self) -> Result<Tree, Stop> {
        let number = self.number_literal()?;
        self.tree(Expr::Number(number), 0)
    }

    fn string(&mut self) -> Result<Tree, Stop> {
        let token = self.take()?;
        let value = self.unquoted(token)?;
        self.tree(Expr::String(StringLiteral { value, span: token.span }), 0)
    }

    /// An expression, one level further down.
    pub(super) fn expr(&mut self) -> Result<Tree, Stop> {
        self.deeper(|parser| parser.binary(0))
    }

    pub(super) fn selector(&mut self) -> Result<Tree, Stop> {
        let selector = self.vector_selector()?;
        self.tree(Expr::Vector(selector), 0)
    }

    /// A sign before an expression; numbers take it over.
    fn signed(&mut self, op: UnaryOp) -> Result<Tree, Stop> {
        let sign = self.take()?.span;
        let mut tree = self.deeper(|parser| parser.binary(UNARY_POWER))?;
        if let Expr::Number(number) = &mut *tree.expr {
            if op == UnaryOp::Minus {
                number.value = -number.value;
            }
            number.span.start = sign.start;
            return Ok(tree);
        }
        let unary = Unary { op, expr: tree.expr, start: sign.start };
        self.tree(Expr::Unary(unary), tree.levels)
    }

    /// A number or a duration, which is the next token.
    pub(super) fn number_literal(&mut self) -> Result<NumberLiteral, Stop> {
        let token = self.take()?;
        let text = token.text(self.query);
        let as_duration = token.kind == TokenKind::Duration;
        let value = match token.kind {
            TokenKind::Duration => parse_duration_ms(text).map(|millis| millis as f64 / 1000.0),
            _ => parse_number(text),
        };
        match value {
            Ok(value) => Ok(NumberLiteral { value, as_duration, span: token.span }),
            Err(message) => Stop::failed(token.span, message),
        }
    }

    /// What stands in the quotes of a string.
    pub(super) fn unquoted(&self, token: Token) -> Result<String, Stop> {
        let text = token.text(self.query);
        match unquote(text) {
            Ok(value) => Ok(value),
            Err(reason) => Stop::failed(token.span, format!("error unquoting string {}: {reason}", quote(text))),
        }
    }
}
