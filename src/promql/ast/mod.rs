//! The tree of a PromQL expression, as the parser builds it, and its ways out: text, pretty text, JSON.
//!
//! Invariant: a tree that the parser handed out is well typed, its depth is bounded (so walking, printing and dropping
//! it recursively is safe), and printing it gives a text that parses to the same tree.

mod duration;
mod expr;
mod function;
mod json;
mod matching;
mod operator;
mod position;
mod pretty;
mod print;
mod value_type;
mod walk;

pub(crate) use duration::LENGTH_SECS_MAX;
pub use duration::{DurationError, DurationExpr, DurationKind, DurationOp, Length};
pub use expr::{
    Aggregate, At, Binary, Call, Expr, MatrixSelector, NumberLiteral, Paren, RangeMode, StringLiteral, Subquery, Unary,
    VectorSelector,
};
pub use function::{Function, FunctionId, find_function, functions};
pub use matching::{Cardinality, FillValues, VectorMatching};
pub use operator::{AggregateOp, BinaryOp, UnaryOp};
pub use position::Span;
pub use value_type::ValueType;
