//! Lengths of time: numbers and durations, and the arithmetic of them.
//!
//! Behind `offset`, what is not in parentheses ends with its first number or call, so that `a offset 5m + b` is a sum.
//! In parentheses or brackets, and behind them, operators go on.

use super::super::ast::{BinaryOp, DurationExpr, DurationKind, DurationOp, LENGTH_SECS_MAX, Length, Span};
use super::error::Stop;
use super::operator::UNARY_POWER;
use super::parser::Parser;
use super::token::{Keyword, TokenKind};

/// A length with the number of levels of its tree.
struct Tree {
    expr: DurationExpr,
    levels: usize,
}

impl Parser<'_> {
    /// The length of a range or of a step.
    pub(super) fn positive_length(&mut self) -> Result<Length, Stop> {
        let tree = self.duration_expr(0)?;
        match tree.expr.kind {
            DurationKind::Number { secs, .. } if secs <= 0.0 => {
                Stop::failed(tree.expr.span, "duration must be greater than 0")
            }
            _ => Ok(into_length(tree.expr)),
        }
    }

    /// The length of an offset.
    pub(super) fn offset_length(&mut self) -> Result<Length, Stop> {
        let first = self.peek()?;
        let tree = match first.kind {
            TokenKind::Binary(sign @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.take()?;
                let minus = sign == BinaryOp::Sub;
                match self.peek()?.kind {
                    TokenKind::Number | TokenKind::Duration => {
                        let operand = self.duration_number_unchecked()?;
                        self.signed_duration(minus, first.span, operand)?
                    }
                    TokenKind::Keyword(_) => {
                        let operand = self.duration_call_unchecked()?;
                        let signed = self.sign_node(minus, first.span, operand)?;
                        self.check_enabled(signed.expr.span)?;
                        signed
                    }
                    TokenKind::LeftParen => {
                        let open = self.take()?;
                        let operand = self.duration_expr(0)?;
                        self.expect(TokenKind::RightParen)?;
                        let operand = self.wrapped(operand, open.span)?;
                        if minus { self.sign_node(true, first.span, operand)? } else { operand }
                    }
                    _ => {
                        let operand = self.duration_expr(UNARY_POWER)?;
                        let signed = self.signed_duration(minus, first.span, operand)?;
                        self.duration_operators(signed, 0)?
                    }
                }
            }
            TokenKind::LeftParen => self.duration_expr(0)?,
            TokenKind::Keyword(_) => self.duration_call()?,
            _ => self.duration_number()?,
        };
        Ok(into_length(tree.expr))
    }

    /// A length whose operators bind at least as strongly as `weakest`.
    fn duration_expr(&mut self, weakest: u8) -> Result<Tree, Stop> {
        self.deeper(|parser| {
            let left = parser.duration_operand()?;
            parser.duration_operators(left, weakest)
        })
    }

    fn duration_operators(&mut self, mut left: Tree, weakest: u8) -> Result<Tree, Stop> {
        loop {
            let token = self.peek()?;
            let (op, power) = match token.kind {
                TokenKind::Binary(BinaryOp::Add) => (DurationOp::Add, 4),
                TokenKind::Binary(BinaryOp::Sub) => (DurationOp::Sub, 4),
                TokenKind::Binary(BinaryOp::Mul) => (DurationOp::Mul, 5),
                TokenKind::Binary(BinaryOp::Div) => (DurationOp::Div, 5),
                TokenKind::Binary(BinaryOp::Mod) => (DurationOp::Mod, 5),
                TokenKind::Binary(BinaryOp::Pow) => (DurationOp::Pow, UNARY_POWER),
                _ => return Ok(left),
            };
            if power < weakest {
                return Ok(left);
            }
            self.take()?;
            let right = self.duration_expr(if op == DurationOp::Pow { power } else { power + 1 })?;
            self.check_enabled(left.expr.span)?;
            let by_zero = matches!(right.expr.kind, DurationKind::Number { secs: 0.0, .. });
            match op {
                DurationOp::Div if by_zero => return Stop::failed(token.span, "division by zero"),
                DurationOp::Mod if by_zero => return Stop::failed(token.span, "modulo by zero"),
                _ => {}
            }
            let span = Span::merge(left.expr.span, right.expr.span);
            left = self.duration_binary(op, left, right, span)?;
        }
    }

    fn duration_operand(&mut self) -> Result<Tree, Stop> {
        let first = self.peek()?;
        match first.kind {
            TokenKind::Binary(sign @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.take()?;
                let operand = self.duration_expr(UNARY_POWER)?;
                self.signed_duration(sign == BinaryOp::Sub, first.span, operand)
            }
            TokenKind::LeftParen => {
                self.take()?;
                let inner = self.duration_expr(0)?;
                self.expect(TokenKind::RightParen)?;
                self.check_enabled(inner.expr.span)?;
                self.wrapped(inner, first.span)
            }
            TokenKind::Keyword(_) => self.duration_call(),
            _ => self.duration_number(),
        }
    }

    fn duration_call(&mut self) -> Result<Tree, Stop> {
        let tree = self.duration_call_unchecked()?;
        self.check_enabled(tree.expr.span)?;
        Ok(tree)
    }

    /// `step()`, `range()`, `min_of(a, b)` or `max_of(a, b)`.
    fn duration_call_unchecked(&mut self) -> Result<Tree, Stop> {
        let name = self.peek()?;
        let op = match name.kind {
            TokenKind::Keyword(Keyword::Step | Keyword::Range) => None,
            TokenKind::Keyword(Keyword::MinOf) => Some(DurationOp::MinOf),
            TokenKind::Keyword(Keyword::MaxOf) => Some(DurationOp::MaxOf),
            _ => return self.unexpected(),
        };
        self.take()?;
        self.expect(TokenKind::LeftParen)?;
        let tree = match op {
            None => {
                let close = self.expect(TokenKind::RightParen)?;
                let is_step = name.kind == TokenKind::Keyword(Keyword::Step);
                let kind = if is_step { DurationKind::Step } else { DurationKind::Range };
                let span = Span::merge(name.span, close.span);
                Tree { expr: DurationExpr { kind, wrapped: false, span }, levels: 1 }
            }
            Some(op) => {
                let first = self.duration_expr(0)?;
                self.expect(TokenKind::Comma)?;
                let second = self.duration_expr(0)?;
                self.expect(TokenKind::RightParen)?;
                // Errors name the arguments' place, not the call's, as Prometheus does.
                let span = Span::merge(first.expr.span, second.expr.span);
                self.duration_binary(op, first, second, span)?
            }
        };
        Ok(tree)
    }

    fn duration_number(&mut self) -> Result<Tree, Stop> {
        let tree = self.duration_number_unchecked()?;
        match tree.expr.kind {
            DurationKind::Number { secs, .. } if is_out_of_range(secs) => {
                Stop::failed(tree.expr.span, "duration out of range")
            }
            _ => Ok(tree),
        }
    }

    fn duration_number_unchecked(&mut self) -> Result<Tree, Stop> {
        if !matches!(self.peek()?.kind, TokenKind::Number | TokenKind::Duration) {
            return self.unexpected();
        }
        let number = self.number_literal()?;
        let kind = DurationKind::Number { secs: number.value, as_duration: number.as_duration };
        Ok(Tree { expr: DurationExpr { kind, wrapped: false, span: number.span }, levels: 1 })
    }

    /// A sign before a length: numbers take it over, and a plus leaves everything as it is.
    fn signed_duration(&mut self, minus: bool, sign: Span, operand: Tree) -> Result<Tree, Stop> {
        match operand.expr.kind {
            DurationKind::Number { secs, as_duration } => {
                let secs = if minus { -secs } else { secs };
                if is_out_of_range(secs) {
                    return Stop::failed(sign, "duration out of range");
                }
                let kind = DurationKind::Number { secs, as_duration };
                let span = Span::merge(sign, operand.expr.span);
                Ok(Tree { expr: DurationExpr { kind, wrapped: false, span }, levels: 1 })
            }
            _ if minus => self.sign_node(true, sign, operand),
            _ => Ok(operand),
        }
    }

    /// A node for a sign.
    fn sign_node(&mut self, minus: bool, sign: Span, operand: Tree) -> Result<Tree, Stop> {
        let span = Span::merge(sign, operand.expr.span);
        let inner = Box::new(operand.expr);
        let kind = if minus { DurationKind::Minus(inner) } else { DurationKind::Plus(inner) };
        self.duration_tree(kind, span, operand.levels)
    }

    /// A length in parentheses, of which the first stands at `open`.
    fn wrapped(&mut self, inner: Tree, open: Span) -> Result<Tree, Stop> {
        let mut tree = match inner.expr.kind {
            DurationKind::Number { .. } => self.sign_node(false, open, inner)?,
            _ => inner,
        };
        tree.expr.wrapped = true;
        Ok(tree)
    }

    fn duration_binary(&mut self, op: DurationOp, lhs: Tree, rhs: Tree, span: Span) -> Result<Tree, Stop> {
        let levels = lhs.levels.max(rhs.levels);
        let kind = DurationKind::Binary { op, lhs: Box::new(lhs.expr), rhs: Box::new(rhs.expr) };
        self.duration_tree(kind, span, levels)
    }

    /// A tree whose highest sub-tree has `below` levels.
    fn duration_tree(&mut self, kind: DurationKind, span: Span, below: usize) -> Result<Tree, Stop> {
        let levels = below + 1;
        if levels > self.options.depth_max {
            return self.too_deep(span);
        }
        Ok(Tree { expr: DurationExpr { kind, wrapped: false, span }, levels })
    }

    fn check_enabled(&self, span: Span) -> Result<(), Stop> {
        if self.options.duration_expressions {
            return Ok(());
        }
        Stop::failed(span, "experimental duration expression is not enabled")
    }
}

fn is_out_of_range(secs: f64) -> bool {
    secs.abs() > LENGTH_SECS_MAX
}

/// A plain number is known at once; to nanoseconds, of which only the milliseconds count.
fn into_length(expr: DurationExpr) -> Length {
    match expr.kind {
        DurationKind::Number { secs, .. } => Length::Millis(((secs * 1e9).round() / 1e6) as i64),
        _ => Length::Expr(expr),
    }
}
