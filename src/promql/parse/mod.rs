//! From the text of a query to a tree that is well typed, or to an error in Prometheus's words.
//!
//! A recursive descent with binding powers. Every step down counts against a limit, and so does every level that a
//! chain of operators adds to the tree: no text, however long or nested, takes more stack than the limit allows. The
//! first error ends the parsing.

mod aggregate;
mod call;
mod check;
mod duration;
mod error;
#[cfg(any(test, feature = "testing"))]
mod fuzz;
mod lexer;
mod modifier;
mod number;
mod operator;
mod options;
mod parser;
mod quote;
#[cfg(test)]
mod random;
mod selector;
#[cfg(test)]
mod tests;
mod token;

pub use error::ParseError;
#[cfg(any(test, feature = "testing"))]
pub use fuzz::fuzz_query;
pub use number::parse_duration_ms;
pub use options::ParseOptions;
pub use parser::{parse_expr, parse_selector};
