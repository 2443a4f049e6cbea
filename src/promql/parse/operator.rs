//! Operators between two expressions, with what may stand behind them: `bool`, matching, filling.

use super::super::ast::{Binary, BinaryOp, Cardinality, Expr, FillValues, NumberLiteral, Span, VectorMatching};
use super::error::Stop;
use super::parser::{Parser, Tree};
use super::token::{Keyword, TokenKind};

/// How strongly an operator binds; of equals, the left one binds first, but for the power.
fn power(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 2,
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => 3,
        BinaryOp::TrimUpper | BinaryOp::TrimLower => 3,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => 5,
        BinaryOp::Pow => POW_POWER,
    }
}

const POW_POWER: u8 = 6;
/// What follows a sign binds at least this strongly to stay below it: only the power does.
pub(super) const UNARY_POWER: u8 = POW_POWER;

/// What stands between the operator and its right side.
#[derive(Default)]
struct Modifiers {
    return_bool: bool,
    matching: VectorMatching,
}

impl Parser<'_> {
    /// An expression whose operators bind at least as strongly as `weakest`.
    pub(super) fn binary(&mut self, weakest: u8) -> Result<Tree, Stop> {
        let mut left = self.operand()?;
        loop {
            let TokenKind::Binary(op) = self.peek()?.kind else { return Ok(left) };
            let power = power(op);
            if power < weakest {
                return Ok(left);
            }
            self.take()?;
            let modifiers = self.operator_modifiers()?;
            let next = if op == BinaryOp::Pow { power } else { power + 1 };
            let right = self.deeper(|parser| parser.binary(next))?;
            left = self.joined(op, modifiers, left, right)?;
        }
    }

    fn joined(&mut self, op: BinaryOp, modifiers: Modifiers, left: Tree, right: Tree) -> Result<Tree, Stop> {
        let span = Span::merge(left.expr.span(), right.expr.span());
        if modifiers.matching.fill.is_any() && !self.options.fill_modifiers {
            return Stop::failed(span, "binop fill modifiers are experimental and not enabled");
        }
        let levels = left.levels.max(right.levels);
        let binary = Binary {
            op,
            lhs: left.expr,
            rhs: right.expr,
            matching: Some(modifiers.matching),
            return_bool: modifiers.return_bool,
        };
        self.tree(Expr::Binary(binary), levels)
    }

    fn operator_modifiers(&mut self) -> Result<Modifiers, Stop> {
        let mut modifiers = Modifiers { return_bool: self.take_keyword(Keyword::Bool)?, ..Modifiers::default() };
        let matching = &mut modifiers.matching;
        matching.on = self.take_keyword(Keyword::On)?;
        if matching.on || self.take_keyword(Keyword::Ignoring)? {
            matching.labels = self.label_names()?;
            let left = self.take_keyword(Keyword::GroupLeft)?;
            if left || self.take_keyword(Keyword::GroupRight)? {
                matching.cardinality = if left { Cardinality::ManyToOne } else { Cardinality::OneToMany };
                // The list may be left out; whatever else follows is taken for a list gone wrong.
                if !self.peek()?.begins_operand() {
                    matching.include = self.label_names()?;
                }
            }
        }
        matching.fill = self.fill_values()?;
        Ok(modifiers)
    }

    fn fill_values(&mut self) -> Result<FillValues, Stop> {
        if self.take_keyword(Keyword::Fill)? {
            let value = Some(self.fill_value()?);
            return Ok(FillValues { left: value, right: value });
        }
        let mut fill = FillValues::default();
        if self.take_keyword(Keyword::FillLeft)? {
            fill.left = Some(self.fill_value()?);
            if self.take_keyword(Keyword::FillRight)? {
                fill.right = Some(self.fill_value()?);
            }
        } else if self.take_keyword(Keyword::FillRight)? {
            fill.right = Some(self.fill_value()?);
            if self.take_keyword(Keyword::FillLeft)? {
                fill.left = Some(self.fill_value()?);
            }
        }
        Ok(fill)
    }

    /// A number in parentheses, with or without a sign.
    fn fill_value(&mut self) -> Result<f64, Stop> {
        self.expect(TokenKind::LeftParen)?;
        let number = self.signed_number()?;
        self.expect(TokenKind::RightParen)?;
        Ok(number.value)
    }

    /// A number or duration, with or without a sign.
    pub(super) fn signed_number(&mut self) -> Result<NumberLiteral, Stop> {
        let first = self.peek()?;
        let minus = first.kind == TokenKind::Binary(BinaryOp::Sub);
        if minus || first.kind == TokenKind::Binary(BinaryOp::Add) {
            self.take()?;
        }
        if !matches!(self.peek()?.kind, TokenKind::Number | TokenKind::Duration) {
            return self.unexpected();
        }
        let mut number = self.number_literal()?;
        number.span.start = first.span.start;
        if minus {
            number.value = -number.value;
        }
        Ok(number)
    }

    /// Names of labels in parentheses, with or without quotes.
    pub(super) fn label_names(&mut self) -> Result<Vec<String>, Stop> {
        const PART: &str = "grouping opts";
        self.within(PART, "\"(\"", |parser| parser.expect(TokenKind::LeftParen))?;
        let mut names = Vec::new();
        loop {
            if self.take_if(TokenKind::RightParen)?.is_some() {
                return Ok(names);
            }
            names.push(self.within(PART, "label", Parser::label_name)?);
            if self.take_if(TokenKind::Comma)?.is_none() {
                self.within(PART, "\",\" or \")\"", |parser| parser.expect(TokenKind::RightParen))?;
                return Ok(names);
            }
        }
    }

    fn label_name(&mut self) -> Result<String, Stop> {
        let token = self.peek()?;
        if token.is_label_name() {
            self.take()?;
            return Ok(token.text(self.query).to_owned());
        }
        self.expect(TokenKind::String)?;
        let name = self.unquoted(token)?;
        if name.is_empty() {
            return Stop::failed(token.span, "invalid label name for grouping: \"\"");
        }
        Ok(name)
    }

    fn take_keyword(&mut self, keyword: Keyword) -> Result<bool, Stop> {
        Ok(self.take_if(TokenKind::Keyword(keyword))?.is_some())
    }
}
