//! What stands behind an expression: ranges, subqueries, `offset`, `@`, `anchored` and `smoothed`.

use super::super::ast::{At, Expr, Length, MatrixSelector, RangeMode, Span, Subquery};
use super::error::Stop;
use super::parser::{Parser, Tree};
use super::token::{Keyword, Token, TokenKind};

impl Parser<'_> {
    /// All modifiers behind an expression; they bind more strongly than any operator.
    pub(super) fn modifiers(&mut self, mut tree: Tree) -> Result<Tree, Stop> {
        loop {
            let token = self.peek()?;
            match token.kind {
                TokenKind::LeftBracket => tree = self.bracket(tree)?,
                TokenKind::At => self.at(&mut tree.expr)?,
                TokenKind::Keyword(Keyword::Offset) => self.offset(&mut tree.expr)?,
                TokenKind::Keyword(Keyword::Anchored) => self.mode(&mut tree.expr, RangeMode::Anchored)?,
                TokenKind::Keyword(Keyword::Smoothed) => self.mode(&mut tree.expr, RangeMode::Smoothed)?,
                _ => return Ok(tree),
            }
        }
    }

    /// A range or a subquery.
    fn bracket(&mut self, tree: Tree) -> Result<Tree, Stop> {
        let open = self.take()?;
        let expected = "number, duration, step(), or range()";
        let range = self.within("subquery or range selector", expected, Parser::positive_length)?;
        if let Some(close) = self.take_if(TokenKind::RightBracket)? {
            return self.matrix(tree, range, open, close);
        }
        self.within("subquery or range", "\":\" or \"]\"", |parser| parser.expect(TokenKind::Colon))?;
        let mut step = None;
        let mut close = self.take_if(TokenKind::RightBracket)?;
        if close.is_none() {
            let expected = "number, duration, step(), range(), or \"]\"";
            step = Some(self.within("subquery selector", expected, Parser::positive_length)?);
            close = Some(self.within("subquery selector", "\"]\"", |parser| parser.expect(TokenKind::RightBracket))?);
        }
        let end = close.map_or(self.taken_to, |close| close.span.end);
        // A step below a millisecond is none.
        let step = step.filter(|step| *step != Length::Millis(0));
        let subquery = Subquery { expr: tree.expr, range, step, offset: None, at: None, end };
        self.tree(Expr::Subquery(subquery), tree.levels)
    }

    fn matrix(&mut self, tree: Tree, range: Length, open: Token, close: Token) -> Result<Tree, Stop> {
        let refusal = match *tree.expr {
            Expr::Vector(selector) if selector.offset.is_none() && selector.at.is_none() => {
                let matrix = MatrixSelector { selector, range, end: close.span.end };
                return self.tree(Expr::Matrix(matrix), 0);
            }
            Expr::Vector(selector) if selector.offset.is_some() => "no offset modifiers allowed before range",
            Expr::Vector(_) => "no @ modifiers allowed before range",
            _ => "ranges only allowed for vector selectors",
        };
        Stop::failed(Span::merge(open.span, close.span), refusal)
    }

    fn offset(&mut self, expr: &mut Expr) -> Result<(), Stop> {
        self.take()?;
        let expected = "number, duration, step(), or range()";
        let length = self.within("offset", expected, Parser::offset_length)?;
        let span = expr.span();
        let (offset, end) = match expr {
            Expr::Vector(selector) => (&mut selector.offset, &mut selector.span.end),
            Expr::Matrix(matrix) => (&mut matrix.selector.offset, &mut matrix.end),
            Expr::Subquery(subquery) => (&mut subquery.offset, &mut subquery.end),
            _ => {
                let message = "offset modifier must be preceded by an instant vector selector or range vector selector \
                               or a subquery";
                return Stop::failed(span, message);
            }
        };
        if offset.is_some() {
            return Stop::failed(span, "offset may not be set multiple times");
        }
        *offset = Some(length).filter(|length| *length != Length::Millis(0));
        *end = self.taken_to;
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Result<(), Stop> {
        self.take()?;
        let span = expr.span();
        let time = self.within("@", "timestamp", |parser| {
            let edge = match parser.peek()?.kind {
                TokenKind::Keyword(Keyword::Start) => At::Start,
                TokenKind::Keyword(Keyword::End) => At::End,
                _ => return parser.timestamp(span),
            };
            parser.take()?;
            parser.expect(TokenKind::LeftParen)?;
            parser.expect(TokenKind::RightParen)?;
            Ok(edge)
        })?;
        let (at, end) = match expr {
            Expr::Vector(selector) => (&mut selector.at, &mut selector.span.end),
            Expr::Matrix(matrix) => (&mut matrix.selector.at, &mut matrix.end),
            Expr::Subquery(subquery) => (&mut subquery.at, &mut subquery.end),
            _ => {
                let message = "@ modifier must be preceded by an instant vector selector or range vector selector or a \
                               subquery";
                return Stop::failed(span, message);
            }
        };
        if at.is_some() {
            return Stop::failed(span, "@ <timestamp> may not be set multiple times");
        }
        *at = Some(time);
        *end = self.taken_to;
        Ok(())
    }

    /// Seconds since 1970, for the expression at `span`.
    fn timestamp(&mut self, span: Span) -> Result<At, Stop> {
        let secs = self.signed_number()?.value;
        // In milliseconds it may be beyond 64 bits nevertheless: then it is as far away as can be.
        if !secs.is_finite() || secs.abs() >= i64::MAX as f64 {
            let secs = if secs.is_finite() { format!("{secs:.6}") } else { go_special(secs) };
            return Stop::failed(span, format!("timestamp out of bounds for @ modifier: {secs}"));
        }
        Ok(At::Millis((secs * 1000.0).round() as i64))
    }

    fn mode(&mut self, expr: &mut Expr, mode: RangeMode) -> Result<(), Stop> {
        let name = if mode == RangeMode::Anchored { "anchored" } else { "smoothed" };
        self.take()?;
        let span = expr.span();
        if !self.options.extended_range_selectors {
            return Stop::failed(span, format!("{name} modifier is experimental and not enabled"));
        }
        let selector = match expr {
            Expr::Vector(selector) => selector,
            Expr::Matrix(matrix) => &mut matrix.selector,
            Expr::Subquery(_) => {
                return Stop::failed(span, format!("{name} modifier is not supported for subqueries"));
            }
            _ => return Stop::failed(span, format!("{name} modifier not implemented")),
        };
        if selector.mode != RangeMode::Plain && selector.mode != mode {
            return Stop::failed(span, "anchored and smoothed modifiers cannot be used together");
        }
        selector.mode = mode;
        Ok(())
    }
}

/// A number that is not finite, as Go prints it.
fn go_special(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN",
        _ if value > 0.0 => "+Inf",
        _ => "-Inf",
    }
    .to_owned()
}
