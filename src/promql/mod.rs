//! PromQL: its expressions, their evaluation over a [`Source`], and what queries answer.

pub mod ast;
pub mod parse;
pub mod quantile;
mod source;

pub use source::{Cursor, Hints, Samples, Selection, Series, Source, SourceError};
