//! Tokens: what the lexer makes of a query, and how errors name them.

use std::fmt::Write as _;

use super::super::ast::{AggregateOp, BinaryOp, Span};
use super::quote::quote;

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Eof,
    Comma,
    Colon,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    /// `=`; outside of braces it fits nowhere.
    Equal,
    EqualRegex,
    NotEqualRegex,
    At,
    Identifier,
    /// An identifier with colons.
    MetricIdentifier,
    Number,
    Duration,
    /// With its quotes.
    String,
    /// Also `!=` in braces, and the signs.
    Binary(BinaryOp),
    Aggregate(AggregateOp),
    Keyword(Keyword),
}

/// A word that means something in some places, and is a name in most others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
    // The following are functions.
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

impl Keyword {
    /// Whether it can be called like a function.
    pub(super) fn is_function(self) -> bool {
        use Keyword::{End, MaxOf, MinOf, Range, Start, Step};
        matches!(self, Start | End | Step | Range | MaxOf | MinOf)
    }
}

/// What a word means outside of braces; words are recognised whatever their case.
pub(super) fn lookup(word: &str) -> Option<TokenKind> {
    const LONGEST: usize = "count_values".len();
    if word.len() > LONGEST {
        return None;
    }
    use TokenKind::{Aggregate, Binary, Keyword as Word, Number};
    Some(match word.to_ascii_lowercase().as_str() {
        "and" => Binary(BinaryOp::And),
        "or" => Binary(BinaryOp::Or),
        "unless" => Binary(BinaryOp::Unless),
        "atan2" => Binary(BinaryOp::Atan2),
        "sum" => Aggregate(AggregateOp::Sum),
        "avg" => Aggregate(AggregateOp::Avg),
        "count" => Aggregate(AggregateOp::Count),
        "min" => Aggregate(AggregateOp::Min),
        "max" => Aggregate(AggregateOp::Max),
        "group" => Aggregate(AggregateOp::Group),
        "stddev" => Aggregate(AggregateOp::Stddev),
        "stdvar" => Aggregate(AggregateOp::Stdvar),
        "topk" => Aggregate(AggregateOp::Topk),
        "bottomk" => Aggregate(AggregateOp::Bottomk),
        "count_values" => Aggregate(AggregateOp::CountValues),
        "quantile" => Aggregate(AggregateOp::Quantile),
        "limitk" => Aggregate(AggregateOp::Limitk),
        "limit_ratio" => Aggregate(AggregateOp::LimitRatio),
        "offset" => Word(Keyword::Offset),
        "smoothed" => Word(Keyword::Smoothed),
        "anchored" => Word(Keyword::Anchored),
        "by" => Word(Keyword::By),
        "without" => Word(Keyword::Without),
        "on" => Word(Keyword::On),
        "ignoring" => Word(Keyword::Ignoring),
        "group_left" => Word(Keyword::GroupLeft),
        "group_right" => Word(Keyword::GroupRight),
        "fill" => Word(Keyword::Fill),
        "fill_left" => Word(Keyword::FillLeft),
        "fill_right" => Word(Keyword::FillRight),
        "bool" => Word(Keyword::Bool),
        "start" => Word(Keyword::Start),
        "end" => Word(Keyword::End),
        "step" => Word(Keyword::Step),
        "range" => Word(Keyword::Range),
        "max_of" => Word(Keyword::MaxOf),
        "min_of" => Word(Keyword::MinOf),
        "inf" | "nan" => Number,
        _ => return None,
    })
}

impl Token {
    /// The part of the query that it is.
    pub(super) fn text(self, query: &str) -> &str {
        query.get(self.span.start as usize..self.span.end as usize).unwrap_or_default()
    }

    /// Whether it can be the name of a metric.
    pub(super) fn is_metric_name(self) -> bool {
        match self.kind {
            TokenKind::Identifier | TokenKind::MetricIdentifier | TokenKind::Aggregate(_) => true,
            TokenKind::Binary(op) => op.is_set(),
            TokenKind::Keyword(keyword) => !matches!(
                keyword,
                Keyword::Bool | Keyword::On | Keyword::Ignoring | Keyword::GroupLeft | Keyword::GroupRight
            ),
            _ => false,
        }
    }

    /// Whether it can be the name of a label in a list of labels.
    pub(super) fn is_label_name(self) -> bool {
        match self.kind {
            TokenKind::Identifier | TokenKind::MetricIdentifier | TokenKind::Aggregate(_) => true,
            TokenKind::Binary(op) => op.is_set() || op == BinaryOp::Atan2,
            TokenKind::Keyword(keyword) => keyword != Keyword::Without,
            _ => false,
        }
    }

    /// Whether an expression can begin with it, but for a parenthesis.
    pub(super) fn begins_operand(self) -> bool {
        self.kind != TokenKind::LeftParen && self.begins_expression()
    }

    /// Whether an expression can begin with it.
    pub(super) fn begins_expression(self) -> bool {
        match self.kind {
            TokenKind::Number | TokenKind::Duration | TokenKind::String => true,
            TokenKind::LeftParen | TokenKind::LeftBrace => true,
            TokenKind::Binary(BinaryOp::Add | BinaryOp::Sub) => true,
            _ => self.is_metric_name(),
        }
    }

    /// How an error names it.
    pub(super) fn describe(self, query: &str) -> String {
        let text = self.text(query);
        match self.kind {
            TokenKind::Eof => "end of input".to_owned(),
            TokenKind::Identifier => format!("identifier {}", quote(text)),
            TokenKind::MetricIdentifier => format!("metric identifier {}", quote(text)),
            TokenKind::Number => format!("number {}", shortened(text)),
            TokenKind::Duration => format!("duration {}", shortened(text)),
            TokenKind::String => format!("string {}", shortened(text)),
            TokenKind::Aggregate(_) => format!("<aggr:{text}>"),
            TokenKind::Binary(_) | TokenKind::At | TokenKind::EqualRegex | TokenKind::NotEqualRegex => {
                format!("<op:{text}>")
            }
            TokenKind::Keyword(keyword) if !keyword.is_function() => format!("<{text}>"),
            _ => shortened(text),
        }
    }
}

/// In quotes, and cut off after ten characters.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 10;
    if text.len() <= SHOWN {
        return quote(text);
    }
    let mut shown = quote(&text.chars().take(SHOWN).collect::<String>());
    // Writing to a String cannot fail.
    let _ = shown.write_str("...");
    shown
}
