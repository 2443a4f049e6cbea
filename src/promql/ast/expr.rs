//! The nodes of the tree.

use super::function::Function;
use super::matching::VectorMatching;
use super::operator::{AggregateOp, BinaryOp, UnaryOp};
use super::{Length, Span, ValueType};
use crate::model::Matcher;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `sum by (a) (b)`
    Aggregate(Aggregate),
    /// `a + b`
    Binary(Binary),
    /// `rate(a[5m])`
    Call(Call),
    /// `a[5m]`
    Matrix(MatrixSelector),
    /// `1.5`, `5m`
    Number(NumberLiteral),
    /// `(a)`
    Paren(Paren),
    /// `"text"`
    String(StringLiteral),
    /// `rate(a[5m])[1h:1m]`
    Subquery(Subquery),
    /// `-a`
    Unary(Unary),
    /// `a{b="c"}`
    Vector(VectorSelector),
}

/// An operator over a whole vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// What is done.
    pub op: AggregateOp,
    /// Over what.
    pub expr: Box<Expr>,
    /// The parameter, there if and only if `op` has one.
    pub param: Option<Box<Expr>>,
    /// The labels that make the groups, or those that do not.
    pub grouping: Vec<String>,
    /// Whether `grouping` lists the labels that go (`without`), or those that stay (`by`).
    pub without: bool,
    /// Where it stands.
    pub span: Span,
}

/// An operator between two expressions.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// What is done.
    pub op: BinaryOp,
    /// The left side.
    pub lhs: Box<Expr>,
    /// The right side.
    pub rhs: Box<Expr>,
    /// How series find each other; there if and only if both sides are vectors.
    pub matching: Option<VectorMatching>,
    /// Whether a comparison answers 0 or 1, not the left side's values.
    pub return_bool: bool,
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Of which one.
    pub function: &'static Function,
    /// With what; number and types fit the function.
    pub args: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// Samples of a range of time.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSelector {
    /// Of which series; its offset, `@` and mode are those of the whole.
    pub selector: VectorSelector,
    /// How far back; positive.
    pub range: Length,
    /// The byte after the last one.
    pub end: u32,
}

/// An expression evaluated at many times.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Box<Expr>,
    /// How far back; positive.
    pub range: Length,
    /// How far apart; without one, the default interval.
    pub step: Option<Length>,
    /// How much earlier; without one, not at all.
    pub offset: Option<Length>,
    /// At which fixed time.
    pub at: Option<At>,
    /// The byte after the last one.
    pub end: u32,
}

/// A number.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberLiteral {
    /// The number; seconds for a duration.
    pub value: f64,
    /// Whether it is written as a duration (`5m`), not as a number.
    pub as_duration: bool,
    /// Where it stands.
    pub span: Span,
}

/// An expression in parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct Paren {
    /// What stands in them.
    pub expr: Box<Expr>,
    /// Where it stands, parentheses included.
    pub span: Span,
}

/// A text.
#[derive(Debug, Clone, PartialEq)]
pub struct StringLiteral {
    /// The text, without quotes and escapes.
    pub value: String,
    /// Where it stands.
    pub span: Span,
}

/// An operator before an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Unary {
    /// What is done.
    pub op: UnaryOp,
    /// To what.
    pub expr: Box<Expr>,
    /// The first byte, the operator's.
    pub start: u32,
}

/// One sample of each of some series.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSelector {
    /// The metric's name, if it stands before the braces.
    pub name: Option<String>,
    /// What the series have to match; a `name` is the last of them.
    pub matchers: Vec<Matcher>,
    /// How much earlier; without one, not at all.
    pub offset: Option<Length>,
    /// At which fixed time.
    pub at: Option<At>,
    /// What happens at the edges of the range.
    pub mode: RangeMode,
    /// Where it stands.
    pub span: Span,
}

/// A fixed time to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Milliseconds since 1970.
    Millis(i64),
    /// The query's start.
    Start,
    /// The query's end.
    End,
}

/// What a range selector does at the edges of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RangeMode {
    /// Takes the samples inside.
    #[default]
    Plain,
    /// Takes the samples just before the edges for theirs.
    Anchored,
    /// Interpolates at the edges.
    Smoothed,
}

impl Expr {
    /// What it evaluates to.
    pub fn value_type(&self) -> ValueType {
        match self {
            Expr::Aggregate(_) | Expr::Vector(_) => ValueType::Vector,
            Expr::Binary(binary) => binary.value_type(),
            Expr::Call(call) => call.function.return_type,
            Expr::Matrix(_) | Expr::Subquery(_) => ValueType::Matrix,
            Expr::Number(_) => ValueType::Scalar,
            Expr::Paren(paren) => paren.expr.value_type(),
            Expr::String(_) => ValueType::String,
            Expr::Unary(unary) => unary.expr.value_type(),
        }
    }

    /// Where it stands in the query.
    pub fn span(&self) -> Span {
        match self {
            Expr::Aggregate(aggregate) => aggregate.span,
            Expr::Binary(binary) => Span::merge(binary.lhs.span(), binary.rhs.span()),
            Expr::Call(call) => call.span,
            Expr::Matrix(matrix) => Span::new(matrix.selector.span.start, matrix.end),
            Expr::Number(number) => number.span,
            Expr::Paren(paren) => paren.span,
            Expr::String(string) => string.span,
            Expr::Subquery(subquery) => Span::new(subquery.expr.span().start, subquery.end),
            Expr::Unary(unary) => Span::new(unary.start, unary.expr.span().end),
            Expr::Vector(vector) => vector.span,
        }
    }
}

impl Binary {
    /// A scalar if both sides are scalars, else a vector.
    fn value_type(&self) -> ValueType {
        let scalars = self.lhs.value_type() == ValueType::Scalar && self.rhs.value_type() == ValueType::Scalar;
        if scalars { ValueType::Scalar } else { ValueType::Vector }
    }
}
